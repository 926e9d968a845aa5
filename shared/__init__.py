"""The contract that both sides of the service import."""
