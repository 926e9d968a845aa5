"""The page of the command line: every command with its arguments, options, defaults, variables and exit codes."""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from typer.main import get_command

from penstock.cli.app import tree
from penstock.cli.support.options import Target
from reference.markdown import code, console, table

INTRODUCTION: Final = """\
# The command line

<!-- `make reference` writes this page from the program. Edit the help of a command, not this page. -->

The command `penstock` comes with the extra `cli`: `pip install 'penstock-postgres[cli]'`. `penstock COMMAND
--help` prints what this page says. Results go to stdout, messages to stderr. `--debug` prints the traceback
of an error; it may stand anywhere. [Dead letters](../operations.md), [watching](../watching.md),
[emitting](../emitting.md#from-a-file), [changing an intent](../evolution.md) and [the local
stack](../local.md) show the commands at work.
"""
STAGE_OPTIONS: Final = [one.name for one in fields(Target)]
VALUES: Final = {"str": "TEXT", "int range": "NUMBER", "float range": "NUMBER", "path": "FILE"}
"""The forms of values, by Typer's words for them."""


def command_line_page() -> str:
    """Return the page."""
    root = get_command(tree())
    commands = dict(leaves(root))
    return "\n".join([INTRODUCTION, _common(root, commands), *(_section(*one) for one in commands.items())])


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk through the commands that do something, with the words that call each."""
    inner = getattr(command, "commands", None)
    if inner is None or command.invoke_without_command:
        yield words, command
    for name, one in (inner or {}).items():
        yield from leaves(one, (*words, name))


def _common(root: Any, commands: dict[tuple[str, ...], Any]) -> str:
    """Return what many commands share: the exit codes, and the options that name a stage."""
    staged = next(one for one in commands.values() if {p.name for p in one.params}.issuperset(STAGE_OPTIONS))
    return f"""\
## Exit codes

{_exit_codes(root)}

A command whose codes mean something more exact lists them.

## Options of a stage

Most commands take these options. They name the deployment that the command works on.

{_options(staged, [one for one in staged.params if one.name in STAGE_OPTIONS])}
"""


def _section(words: tuple[str, ...], command: Any) -> str:
    """Return the section of one command."""
    own = [one for one in command.params if one.name not in STAGE_OPTIONS]
    arguments = [one for one in own if one.param_type_name == "argument"]
    options = [one for one in own if one.param_type_name == "option"]
    parts = [
        f"## penstock {' '.join(words)}",
        command.help,
        console(_examples(command)),
        _arguments(arguments) if arguments else "",
        _options(command, options) if options else "",
        "It takes the [options of a stage](#options-of-a-stage)." if len(own) < len(command.params) else "",
        _exit_codes(command),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _arguments(arguments: list[Any]) -> str:
    rows = [[code(one.metavar or one.name.upper()), one.help or "", _default(one)] for one in arguments]
    return table(["argument", "meaning", "default"], rows)


def _options(command: Any, options: list[Any]) -> str:
    """Return the table of options; it has a column of variables if one of them has a variable."""
    context = command.make_context(command.name, [], resilient_parsing=True)
    head = ["option", "value", "meaning", "default"]
    rows = [[_names(one), _value(one, context), one.help, _default(one)] for one in options]
    if any(one.envvar for one in options):
        return table(
            [*head, "variable"], [[*row, code(one.envvar)] for row, one in zip(rows, options, strict=True)]
        )
    return table(head, rows)


def _names(option: Any) -> str:
    return ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))


def _value(option: Any, context: Any) -> str:
    """Return the form of an option's value. Typer calls an option that can be given several times a list."""
    if option.is_flag:
        return ""
    kind = re.sub(r"list\[(.*)\]", r"\1", option.display_type(context).strip("<>"))
    return code(option.metavar or VALUES.get(kind, kind))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    return code(str(parameter.default)) if parameter.default not in (None, False, ()) else ""


def _examples(command: Any) -> list[str]:
    """Return the calls that the command's help has as examples."""
    examples, _, _ = command.epilog.partition("Exit codes:")
    return [one.strip(". ") for one in re.sub("^Examples?:", "", examples).split("·")]


def _exit_codes(command: Any) -> str:
    """Return the table of the exit codes that the command's help has, or nothing."""
    _, _, codes = command.epilog.partition("Exit codes: ")
    rows = re.findall(r"(\d+) (.*?)(?:, (?=\d+ )|\.?$)", codes)
    return table(["exit code", "meaning"], rows) if rows else ""
