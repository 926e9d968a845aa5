"""Many types of fields, and many JSON values to try on them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, NaiveDatetime

from penstock import UtcDatetime
from tests.support.evolution import NOW


class Letter(Enum):
    A = "a"
    B = "b"


class OtherLetter(Enum):
    A = "a"


class Point(BaseModel):
    x: int
    y: int = 0


class WholePoint(BaseModel):
    x: int
    y: int


class StrictPoint(BaseModel, extra="forbid", strict=True):
    x: int
    y: int


class Timed(BaseModel):
    x: NaiveDatetime | str


class Node(BaseModel):
    value: int
    next: "Node | None" = None


class TextNode(BaseModel):
    value: int | str
    next: "TextNode | None" = None


class Odd(Enum):
    A = "a"

    @classmethod
    def _missing_(cls, _value: object) -> "Odd":
        """Accept any value."""
        return cls.A


class LaxInner(BaseModel):
    x: int


class Twice(BaseModel):
    a: LaxInner | None = None
    b: LaxInner | None = None


class StrictInner(BaseModel, strict=True):
    x: int


class Thrice(BaseModel):
    a: StrictInner | None = None
    b: StrictInner | None = None


class Kitten(BaseModel):
    species: Literal["cat"] = "cat"
    lives: Annotated[int, Field(ge=8)] = 9


Kitten.__name__ = "Cat"


def short(text: str) -> str:
    """Accept short strings only."""
    if len(text) > 1:
        raise ValueError
    return text


class Cat(BaseModel):
    species: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    species: Literal["dog"] = "dog"


TYPES: Sequence[Any] = [
    Any,
    bool,
    int,
    Annotated[int, Field(ge=0)],
    Annotated[int, Field(gt=0, lt=10)],
    Annotated[int, Field(ge=1, le=9, multiple_of=2)],
    Annotated[int, Field(strict=False)],
    float,
    Annotated[float, Field(ge=0, lt=7.5)],
    Decimal,
    Annotated[Decimal, Field(ge=0, max_digits=4, decimal_places=1)],
    str,
    Annotated[str, Field(min_length=1)],
    Annotated[str, Field(max_length=1)],
    Annotated[str, Field(pattern="^a")],
    Annotated[str, Field(pattern="^[ab]$", max_length=1)],
    Annotated[str, AfterValidator(short)],
    Annotated[str, BeforeValidator(str)],
    bytes,
    date,
    datetime,
    AwareDatetime,
    NaiveDatetime,
    UtcDatetime,
    timedelta,
    UUID,
    Letter,
    OtherLetter,
    Odd,
    Twice,
    Thrice,
    Annotated[Kitten | Dog, Field(discriminator="species")],
    Annotated[Literal["a", "b"], BeforeValidator(str)],
    Decimal | str | bool,
    Decimal | bool,
    Literal["a"],
    Literal["a", "b"],
    Literal["a", 1],
    Literal[1, 2],
    Literal[True],
    None,
    int | None,
    str | None,
    int | str,
    str | int | None,
    Decimal | str,
    AwareDatetime | str,
    list[int],
    list[int | None],
    Annotated[list[int], Field(min_length=1, max_length=2)],
    list[Any],
    set[int],
    tuple[int, str],
    tuple[int, ...],
    tuple[AwareDatetime, NaiveDatetime],
    tuple[NaiveDatetime, AwareDatetime],
    dict[str, int],
    dict[str, Any],
    dict[int, int],
    Point,
    WholePoint,
    StrictPoint,
    Timed,
    Node,
    TextNode,
    Cat,
    Cat | Dog,
    Annotated[Cat | Dog, Field(discriminator="species")],
    list[Point],
    dict[str, Point | None],
]


VALUES: Sequence[Any] = [
    *(None, True, False, 0, 1, 2, 4, 9, 10, -1, 12345, 10**20, 10**400, 0.5, 1.0, 7.5, -0.5, 1.25, 1e300),
    *("", "a", "b", "ab", "c", "1", "-1", "0.5", "1.25", "12345", "=", "YQ==", "true", "1e5", "NaN"),
    *("2026-11-20", "2026-11-20T10:00:00", NOW, "2026-11-20T10:00:00+05:00", 1732000000, "0000-01-01T00:00:00Z"),
    *("P1D", "PT0S", "P1Y", str(UUID(int=1)), str(uuid4()), UUID(int=1).hex, "9" * 30),
    *([], [1], [1, 1], [1, 2, 3], [None], ["a"], [1, "a"], [{}], [{"x": 1}], [NOW, NOW[:-1]], [NOW[:-1], NOW]),
    *({}, {"x": 1}, {"x": 1, "y": 2}, {"x": "1"}, {"x": NOW}, {"x": "a"}, {"1": 1}, {"a": None}, {"a": {"x": 1}}),
    *(
        {"a": {"x": "1"}},
        {"b": {"x": "1"}},
        {"x": 1, "z": 1},
        {"value": 1},
        {"value": "a"},
        {"value": 1, "next": {"value": "a"}},
        {"value": "1"},
    ),
    *({"species": "cat"}, {"species": "dog"}, {"species": "cat", "lives": 1}, {"lives": 1}, {"species": "cow"}),
]
