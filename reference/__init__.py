"""The pages in docs/reference that are made from the code: the command line and the settings."""
