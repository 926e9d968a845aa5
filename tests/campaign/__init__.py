"""Long tests, run by `make campaign`."""
