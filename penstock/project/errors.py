"""The error of a file of the service."""


class ProjectError(Exception):
    """pyproject.toml or serverless.yml cannot be used; the message names the file, the place and the way out."""
