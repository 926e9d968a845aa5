"""The error of an edit that cannot be applied to a dead letter."""


class EditRefused(Exception):
    """An edit does not yield a valid envelope; the error message names fields and contains no value."""
