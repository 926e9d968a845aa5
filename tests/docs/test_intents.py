"""The guide to intents: its table of types is what the bindings accept, and its error is theirs."""

import ipaddress
import re
from datetime import date, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, NaiveDatetime, create_model
from sqlalchemy.dialects import postgresql

from penstock import UtcDatetime, WriteIntent
from penstock.consumer import Append, Drain
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "intents.md").read_text()
TABLE = PAGE.split("## Which type goes where")[1]
ROWS = dict(re.findall(r"^\| (?!field|---)(.+?) \| (.+?) \|$", TABLE, re.MULTILINE))


class Size(BaseModel):
    width: int


class Color(StrEnum):
    RED = "red"


FIELDS: dict[str, list[Any]] = {
    "`bool`": [bool],
    "`int`": [int],
    "`Decimal`": [Decimal],
    "`float`": [float],
    "`str`, an enum of strings, a `Literal`": [str, Color, Literal["red"]],
    "`UUID`": [UUID],
    "`UtcDatetime`, `AwareDatetime`": [UtcDatetime, AwareDatetime],
    "`NaiveDatetime`": [NaiveDatetime],
    "`date`, `time`, `timedelta`": [date, time, timedelta],
    "`bytes`": [bytes],
    "IP addresses and networks": [ipaddress.IPv4Address, ipaddress.IPv6Network],
    "`list`": [list[int]],
    "a model, a `dict`": [Size, dict[str, int]],
}
COLUMNS: dict[str, Any] = {
    "Enum": sa.Enum("red", name="color"),
    "DateTime(timezone=True)": sa.DateTime(timezone=True),
    "ARRAY": sa.ARRAY(sa.Integer),
    **{name: getattr(postgresql, name)() for name in ("INET", "CIDR", "JSONB")},
}
PAIRED = "`date`, `time`, `timedelta`"
"""The row whose columns belong to one field each."""


def pairs() -> list[tuple[Any, str]]:
    """Return each pair of a field and a column that the table allows."""
    found = []
    for row, columns in ROWS.items():
        names = re.findall("`(.+?)`", columns)
        if row == PAIRED:
            found += list(zip(FIELDS[row], names, strict=True))
        else:
            found += [(field, name) for field in FIELDS[row] for name in names]
    return found


def test_the_table_has_these_rows() -> None:
    """Each row of the table is tried below, and no other."""
    assert ROWS.keys() == FIELDS.keys()


@pytest.mark.parametrize(("field", "name"), pairs())
def test_a_field_goes_to_a_column(field: Any, name: str) -> None:
    """A binding accepts each pair of the table; a text column takes all but bytes."""
    intent = create_model("Tried", __base__=WriteIntent, __cls_kwargs__={"kind": "tried.pair"}, value=(field, ...))
    columns = [COLUMNS.get(name) or getattr(sa, name)(), *([] if field is bytes else [sa.Text()])]
    for number, type_ in enumerate(columns):
        table = sa.Table(f"tried_{number}", sa.MetaData(), sa.Column("value", type_))
        Drain().write(intent, Append(table))


def test_the_error_is_that_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The code of the page prints the error that the page shows."""
    names: dict[str, Any] = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)  # noqa: S102
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert capsys.readouterr().out == shown
