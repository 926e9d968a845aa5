"""Sets inside the type of a field: their order differs between processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NewType

import pytest
from pydantic import BaseModel, create_model
from sqlalchemy import BigInteger, Column, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from typing_extensions import TypeAliasType, TypedDict

from penstock import WriteIntent
from penstock.consumer import BindingError, Upsert

Tags = NewType("Tags", set[str])
Alias = TypeAliasType("Alias", dict[str, set[str]])


class Plain(BaseModel):
    name: str
    children: list[Plain] = []


class Tagged(BaseModel):
    children: list[Tagged] = []
    tags: frozenset[str] = frozenset()


@dataclass
class Data:
    tags: set[str]
    more: Data | None = None


class Typed(TypedDict):
    tags: set[str]


def bind(annotation: Any) -> None:
    fields: dict[str, Any] = {"key": (str, ...), "version": (int, ...), "value": (annotation, ...)}
    intent: Any = create_model("Made", __base__=WriteIntent, __cls_kwargs__={"kind": "thing.made"}, **fields)
    columns = Column("key", Text, primary_key=True), Column("version", BigInteger, nullable=False)
    table = Table("things", MetaData(), *columns, Column("value", JSONB))
    Upsert(table, key="key", version="version").bind(intent)


@pytest.mark.parametrize("annotation", [set[str], Tagged, list[Tagged], Data, Typed, Tags, Alias, Tagged | None])
def test_a_set_is_found_wherever_it_is(annotation: Any) -> None:
    """An upsert is refused for a set in a model, a dataclass, a typed dict or behind another name."""
    with pytest.raises(BindingError, match="the order of a set differs between processes"):
        bind(annotation)


@pytest.mark.parametrize("annotation", [Plain, list[Plain], dict[str, Plain | None]])
def test_a_model_that_contains_itself_is_bound(annotation: Any) -> None:
    """A tree without a set may be written."""
    bind(annotation)
