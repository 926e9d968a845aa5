"""Long tests, which `make campaign` runs."""
