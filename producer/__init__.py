"""The shop's producer functions: handlers that emit intents and answer 202."""
