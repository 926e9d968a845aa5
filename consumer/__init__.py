"""The shop's consumer: its tables, and which kind is written to which."""
