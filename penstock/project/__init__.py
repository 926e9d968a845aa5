"""What the files of a service say about it: `[tool.penstock]` in pyproject.toml, and serverless.yml."""
