"""Measurements of Penstock against what people use today."""
