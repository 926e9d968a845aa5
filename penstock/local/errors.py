"""The errors of the local stack.

```
LocalError                 the message is for the user; the command line prints it without a traceback
├── StartError             a local server did not start; the message ends with its log
└── ToolError              a required tool (Node, npm, pip, osls) is missing or failed
```
"""


class LocalError(Exception):
    """The local stack cannot work on this machine."""


class StartError(LocalError):
    """A local server did not become ready."""


class ToolError(LocalError):
    """A tool that the local stack calls is missing, is too old or has failed."""
