"""The shop's consumer: its tables, which kind lands where, the drain, and the outcomes' handler."""
