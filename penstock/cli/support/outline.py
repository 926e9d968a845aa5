"""Commands that are listed, and not imported: for the help of `penstock`, that would take most of a second."""

from collections.abc import Collection, Mapping, Sequence

import typer


def selected(words: Sequence[str] | None, names: Collection[str]) -> Collection[str]:
    """Return the names of the commands that some words of a command line can run.

    Args:
        words: the words; None for all commands.
        names: the names of all commands.
    """
    if words is None:
        return names
    if words and words[0] in names:
        return words[:1]
    # An option before a command: which word it takes is known only to the whole tree.
    return () if set(words).isdisjoint(names) else names


def add_outline(app: typer.Typer, summaries: Mapping[str, str]) -> None:
    """Add commands that the help lists and that errors suggest, when the words run none of them.

    Args:
        app: the group.
        summaries: the first paragraph of the help of each command.
    """
    for name, summary in summaries.items():
        app.command(name, help=summary)(_listed)


def _listed() -> None:
    raise AssertionError("a command that is only listed was run")
