"""The shop's consumer: tables, the table of each kind, and the handlers."""
