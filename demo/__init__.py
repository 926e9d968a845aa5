"""The demo of the shop on a local stack: a burst of requests, and an account of every intent."""
