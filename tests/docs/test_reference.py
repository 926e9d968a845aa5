"""The pages in docs/reference that are made from the code."""

import re
from typing import Any

import pytest
from typer.main import get_command

from penstock.cli.app import tree
from penstock.settings import Settings
from reference.__main__ import FOLDER, pages
from reference.command_line import leaves

PAGES = pages()
COMMANDS = dict(leaves(get_command(tree())))
SECTIONS = {part.partition("\n")[0]: part for part in PAGES["cli.md"].split("\n## ")}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_that_of_this_code(name: str) -> None:
    """The committed page is what `make reference` writes."""
    assert (FOLDER / name).read_text() == PAGES[name], "run `make reference`"


def test_every_setting_is_on_the_page() -> None:
    """The page has a row for each variable of the settings."""
    for field in Settings.__dataclass_fields__.values():
        assert f"| `{field.metadata['variable']}` |" in PAGES["settings.md"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_on_the_page(words: tuple[str, ...]) -> None:
    """The section of a command has its help, arguments, options and variables, those of a stage by a link."""
    section, command = SECTIONS[f"penstock {' '.join(words)}"], COMMANDS[words]
    assert command.help in section
    linked = "(#options-of-a-stage)" in section
    text = section + (SECTIONS["Options of a stage"] if linked else "")
    assert [one.name for one in command.params if not _is_there(one, text)] == []
    assert linked == any("--stage" in one.opts for one in command.params)


def _is_there(parameter: Any, text: str) -> bool:
    if parameter.param_type_name == "argument":
        return f"| `{parameter.metavar or parameter.name.upper()}` |" in text
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return f"| {names} |" in text and (not parameter.envvar or f"| `{parameter.envvar}` |" in text)


def test_exit_codes_are_rows() -> None:
    """The page has the exit codes of the program, each with its meaning."""
    codes = dict(re.findall(r"^\| (\d+) \| (.+) \|$", SECTIONS["Exit codes"], re.MULTILINE))
    assert codes.keys() == {"0", "1", "2", "3", "4", "5", "10", "11", "129", "130", "141", "143"}
    assert codes["5"] == "conflict"
