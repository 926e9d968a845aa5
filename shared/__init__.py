"""The contract that both the producer and the consumer of the service import."""
