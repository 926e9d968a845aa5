"""`make on-call`: incidents on a local stack, handled with the command line, and the pictures of the sessions."""
