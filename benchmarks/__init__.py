"""Benchmarks that compare Penstock with common alternatives."""
