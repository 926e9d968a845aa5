"""What can go wrong with the local stack.

```
LocalError                 the message is one for people; the command line prints it alone
├── StartError             a local server did not start, with the end of its log
└── ToolError              a tool that is needed (Node, npm, uv, a deployment) is missing or failed
```
"""


class LocalError(Exception):
    """Something on this machine keeps the local stack from doing its work."""


class StartError(LocalError):
    """A local server did not become ready."""


class ToolError(LocalError):
    """A tool that the local stack calls is missing, too old or has failed."""
