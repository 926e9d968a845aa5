"""The page of the settings: every environment variable of Penstock, with its meaning and default."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from typer.main import get_command

from penstock.cli.app import tree
from penstock.functions.service import DEFAULT_DRAIN, DEFAULT_MIGRATIONS, DRAIN_VARIABLE, MIGRATIONS_VARIABLE
from penstock.settings import Settings
from penstock.testing.database import VARIABLE as TEST_DATABASE
from reference.command_line import leaves
from reference.markdown import code, table

TEXT: Final = """\
# Settings

<!-- `make reference` writes this page from the code. Edit `penstock/settings.py`, not this page. -->

A function reads its settings once, from its environment. `Settings` in `penstock.settings` is the same as an
object, for code that passes settings on. A missing setting is an error that names the variable and the
function to set it for. A number must be a whole number in decimal digits, a choice `true` or
`false`; a bad value is an error too. An empty variable counts as not set.

{settings}

- A URL of a database and the receipt key can be the ARN of a secret in Secrets Manager. The secret is read at the
  first use, and again after five minutes; a known value stays in use while the secret cannot be read.
  [Databases](../databases.md) has every form of a URL.
- `PENSTOCK_DATABASE_READER_URL` is `PENSTOCK_DATABASE_URL` by default.
- No value of a setting is logged.

## Other variables

{others}

boto3 reads the region, the credentials and `AWS_ENDPOINT_URL` by itself. libpq reads its own variables, such
as `PGSSLROOTCERT`.
"""


def settings_page() -> str:
    """Return the page."""
    own = [
        [code(one.metadata["variable"]), one.metadata["description"], _default(one.default)]
        for one in fields(Settings)
    ]
    return TEXT.format(
        settings=table(["variable", "meaning", "default"], own),
        others=table(["variable", "read by", "meaning"], _others()),
    )


def _others() -> Iterator[list[str]]:
    """Yield the variables that stand for an option of commands, those of entry points, and that of the tests."""
    readers: dict[tuple[str, str], list[str]] = {}
    for words, command in leaves(get_command(tree())):
        for one in command.params:
            if one.envvar:
                readers.setdefault((one.envvar, one.help), []).append(code(f"penstock {' '.join(words)}"))
    for (variable, meaning), commands in readers.items():
        yield [code(variable), ", ".join(commands), meaning]
    functions = "[functions](../infrastructure.md#what-is-deployed) `drain`, `probe` and `migrate`"
    yield [
        code(DRAIN_VARIABLE),
        functions,
        f"the service's drain, as MODULE:ATTRIBUTE; `{DEFAULT_DRAIN}` by default",
    ]
    migrate = "[function](../infrastructure.md#what-is-deployed) `migrate`"
    folder = f"the folder of the service's migrations in the artifact; `{DEFAULT_MIGRATIONS}` by default"
    yield [code(MIGRATIONS_VARIABLE), migrate, folder]
    yield [
        code(TEST_DATABASE),
        "[tests](../testing.md#the-database)",
        "a server to test on, instead of an embedded one",
    ]


def _default(value: object) -> str:
    return code(str(value).lower()) if isinstance(value, int) else ""
