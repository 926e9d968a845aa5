"""Alembic's migrations of the framework's own tables."""
