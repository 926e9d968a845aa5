"""A kind with two upgraders and two aliases, and kinds without."""

from decimal import Decimal
from typing import Any

from penstock import WriteIntent
from penstock.intents import Contract
from tests.support.evolution import Data


class Colour(WriteIntent, kind="paint.chosen", version=3, aliases=("paint.picked", "paint.taken")):
    name: str
    red: int
    matt: bool = False


@Colour.upgrader(1)
def _(data: Data) -> Data:
    return {"name": data["called"], "red": data["red"]}


@Colour.upgrader(2)
def _(data: Data) -> Data:
    data["red"] *= 16
    return data


class Bare(WriteIntent, kind="bare", version=3):
    x: int = 0


class Anything(WriteIntent, kind="anything", aliases="any.thing"):
    x: Any
    total: Decimal | None = None
    ratio: float = 0.0


CONTRACT = Contract([Colour, Bare, Anything])
