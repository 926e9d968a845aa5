"""The shop's producer functions: handlers that emit, and answer 202."""
