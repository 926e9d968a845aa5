"""What may be wrong with one dead letter."""


class EditRefused(Exception):
    """An edit does not make a sound envelope of a message; the text names fields and shows no value."""
