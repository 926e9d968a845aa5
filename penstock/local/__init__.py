"""An embedded Postgres and a local AWS on one machine, for development, the demo and tests."""
