"""The files that a new service is made of."""

import ast
from importlib.metadata import version
from itertools import product

import pytest
import yaml

from penstock.infra.service_file import check_service_file
from penstock.scaffold.service import AnswerError, Answers, Templates
from tests.support.project import ROOT

CHOICES = [dict(zip(("minimal", "vpc", "fifo"), flags, strict=True)) for flags in product([False, True], repeat=3)]
COPIES = ["producer/page_views.py", "consumer/tables.py", "consumer/writes.py", "shared/intents.py"]


def statements(source: str) -> set[str]:
    """Return the statements of a module, without its docstring; a name that is imported is one."""
    found = set()
    for statement in ast.parse(source).body[1:]:
        if isinstance(statement, ast.ImportFrom):
            found |= {f"from {statement.module} import {name.name}" for name in statement.names}
        else:
            found.add(ast.unparse(statement))
    return found


@pytest.mark.parametrize("path", COPIES)
def test_a_module_is_a_part_of_the_shops(path: str) -> None:
    """Each statement of a generated module is one of the shop, which is tested and deployed."""
    made = Templates().render(Answers("shop"))[path]
    assert statements(made) <= statements((ROOT / path).read_text())


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_each_choice_gives_whole_files(choice: dict[str, bool]) -> None:
    """With every combination of options no template syntax is left, and Python files can be compiled."""
    files = Templates().render(Answers("my-shop", **choice))
    for path, text in files.items():
        assert not any(mark in text for mark in ("{%", "{{ "))
        assert text.endswith("\n")
        assert "\n\n\n\n" not in text
        if path.endswith(".py"):
            compile(text, path, "exec")
    assert ("tests/conftest.py" in files) is not choice["minimal"]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_each_choice_uses_the_infrastructure_rightly(choice: dict[str, bool]) -> None:
    """With every combination of options, serverless.yml has keys and parts that there are, and all it needs."""
    text = Templates().render(Answers("my-shop", **choice))["serverless.yml"]
    assert check_service_file(yaml.safe_load(text)) == []


def test_the_service_asks_for_the_installed_series() -> None:
    """The requirements begin at the installed version, and end before the next series."""
    text = Templates().render(Answers("shop"))["pyproject.toml"]
    assert f'"penstock-postgres>={version("penstock-postgres")},<0.2"' in text


def test_osls_is_the_tested_one() -> None:
    """A new service deploys with the version of osls that the shop deploys with."""
    assert '"osls": "4.3.1"' in (ROOT / "package.json").read_text()
    assert '"osls": "4.3.1"' in Templates().render(Answers("shop"))["package.json"]


@pytest.mark.parametrize(
    "name", ["", "s", "9lives", "my shop", "shop/..", "../shop", "shöp", "a" * 41, "shop_1", "-x"]
)
def test_a_name_that_aws_refuses_is_refused(name: str) -> None:
    """A name that cannot be part of the names of functions and queues is refused."""
    with pytest.raises(AnswerError, match="letters, digits and hyphens"):
        Answers(name)
