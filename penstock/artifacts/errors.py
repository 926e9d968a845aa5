"""The error of a build."""


class BuildError(Exception):
    """An artifact cannot be built; the message names the cause and the way out."""
