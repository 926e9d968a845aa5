"""Entry points of Lambda functions that every service can deploy as they are."""
