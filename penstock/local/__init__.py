"""A whole Postgres and a local AWS on one machine, for development, demos and tests."""
