"""Declarations of versions, aliases and upgraders: invalid ones are refused when the class is made."""

from typing import Any

import pytest

from penstock import WriteIntent
from penstock.intents import Contract, EnvelopeError
from tests.support.evolution import Data, event
from tests.support.paint import Anything, Bare, Colour


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 2}, "needs a kind"),
        ({"aliases": "a"}, "needs a kind"),
        ({"kind": "a", "version": 0}, "must be a whole number, 1 or greater"),
        ({"kind": "a", "version": True}, "must be a whole number, 1 or greater"),
        ({"kind": "a", "version": "2"}, "must be a whole number, 1 or greater"),
        ({"kind": "a", "aliases": ("B",)}, "must be lower case words"),
        ({"kind": "a", "aliases": ("a",)}, "named twice"),
        ({"kind": "a", "aliases": ("b", "b")}, "named twice"),
    ],
)
def test_an_invalid_declaration_is_refused(arguments: Data, message: str) -> None:
    """An invalid version or alias is refused when the class is made."""
    with pytest.raises(TypeError, match=message):
        type("Wrong", (WriteIntent,), {}, **arguments)


@pytest.mark.parametrize("version", [0, 3, 4, True, "1"])
def test_an_upgrader_leads_to_an_existing_version(version: Any) -> None:
    """An upgrader for a version that does not exist is refused, and so is a second one for the same version."""
    with pytest.raises(TypeError, match="there is no upgrade from"):
        Bare.upgrader(version)
    with pytest.raises(TypeError, match="version 1 already has an upgrader"):
        Colour.upgrader(1)


def test_a_contract_knows_the_class_of_each_name() -> None:
    """The class of a kind is found by its current name and by each former one, and by no other."""
    contract = Contract([Colour])
    for name in (Colour.intent_kind, *Colour.intent_aliases):
        assert contract.intent_of(name) is Colour
    assert Colour.intent_aliases
    assert contract.intent_of("unknown") is None


def test_a_gap_in_the_upgraders_is_refused() -> None:
    """A contract refuses a class with a missing upgrader between two versions."""

    class Holed(WriteIntent, kind="holed", version=4):
        pass

    Holed.upgrader(1)(dict)
    Holed.upgrader(3)(dict)
    with pytest.raises(TypeError, match=r"there is none from version 2 to 3; declare @Holed.upgrader\(2\)"):
        Contract([Holed])


def test_a_subclass_with_a_kind_has_its_own_versions() -> None:
    """A subclass with a new kind starts at version 1; a subclass without one keeps the kind."""

    class New(Colour, kind="new"):
        pass

    class Same(Colour):
        pass

    assert (New.intent_version, New.intent_aliases) == (1, ())
    assert (Same.intent_kind, Same.intent_version) == ("paint.chosen", 3)
    assert Contract([Same]).decode(event("paint.picked", {"called": "a", "red": 1})).data == Same(name="a", red=16)
    with pytest.raises(EnvelopeError):
        Contract([New]).decode(event("new", {"called": "a", "red": 1}))


def test_two_kinds_may_not_share_an_alias() -> None:
    """An alias may not be a name or an alias of another kind."""

    class Twin(WriteIntent, kind="paint.taken"):
        pass

    class Heir(WriteIntent, kind="heir", aliases="any.thing"):
        pass

    for other in (Twin, Heir):
        with pytest.raises(TypeError, match="share the kind"):
            Contract([Colour, Anything, other])


def test_upgrader_is_a_reserved_name() -> None:
    """A field may not hide the registration of upgraders."""
    shadows = pytest.warns(UserWarning, match="shadows an attribute")
    with shadows, pytest.raises(TypeError, match="may not be named upgrader"):

        class Wrong(WriteIntent, kind="wrong"):
            upgrader: int  # type: ignore[assignment]
