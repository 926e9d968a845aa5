"""The main job of the shop on a local stack: a burst of requests, drained, with an account of every intent."""
