"""`Sensitive[str]`: what is shown, what is refused, and what is on the wire."""

import copy
import json
import pickle
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError, field_serializer, field_validator, model_validator
from pydantic_core import PydanticSerializationError

from penstock import Sensitive, WriteIntent
from penstock.encryption.opener import KeyOpener
from penstock.encryption.sealer import Sealer
from penstock.intents import Contract, encode_envelope, new_id
from penstock.intents.schema.compatibility import Compatibility, compare
from penstock.intents.schema.document import document
from penstock.intents.sensitive import StillEncrypted, sensitive_fields
from penstock.testing import MemoryKeys


class Paid(WriteIntent, kind="paid", version=2):
    amount: Decimal
    iban: Sensitive[Annotated[str, Field(min_length=4)]]
    note: Sensitive[str] | None = Field(None, alias="remark")

    @field_validator("iban", mode="after")
    @classmethod
    def _has_no_spaces(cls, iban: Sensitive[str]) -> Sensitive[str]:
        if " " in iban.reveal():
            raise ValueError(f"no spaces, please: {iban}")
        return iban

    @model_validator(mode="after")
    def _note_differs(self) -> "Paid":
        assert self.note != self.iban
        return self


@Paid.upgrader(1)
def _(data: dict[str, Any]) -> dict[str, Any]:
    return {"amount": data["amount"], "iban": data["account"]}


SEAL = Sealer(MemoryKeys())
WITH_KEYS = Contract([Paid], KeyOpener(MemoryKeys, lambda: "digest"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00 "), min_size=4)


def wire(intent: WriteIntent) -> str:
    return encode_envelope(intent, id=new_id(), source="/test", seal=SEAL)


@given(TEXTS, TEXTS | st.none())
def test_any_text_survives_the_wire(iban: str, note: str | None) -> None:
    """What was emitted is what the drain decodes, whatever the text; the exact number beside it stays."""
    if note != iban:
        amount = Decimal("12345678901234567890.123456789")
        paid = Paid(amount=amount, iban=Sensitive(iban), remark=None if note is None else Sensitive(note))
        assert WITH_KEYS.decode(wire(paid)).data == paid


def test_no_form_shows_the_text() -> None:
    """Neither `repr` nor `str`, an f-string, a validation error or a traceback's note has the text."""
    paid = Paid(amount=Decimal(1), iban=Sensitive("DE12345"), remark=Sensitive("secret"))
    shown = f"{paid!r} {paid} {paid.iban} {paid.iban!r} {[paid.iban]} {paid.model_dump()}"
    with pytest.raises(ValidationError) as refused:
        Paid.model_validate_json('{"amount": 1, "iban": "DE 12345", "remark": 5}')
    shown += f"{refused.value} {refused.value.errors(include_input=False, include_url=False)}"
    assert "DE" not in shown
    assert "secret" not in shown
    assert "Sensitive('**********')" in shown
    assert (paid.iban.reveal(), paid.iban == Sensitive("DE12345")) == ("DE12345", True)
    assert copy.deepcopy(paid) == pickle.loads(pickle.dumps(paid)) == paid  # noqa: S301


def test_json_is_refused_rather_than_masked() -> None:
    """Asterisks could be stored in place of the text: writing JSON in the service's own code is refused."""
    with pytest.raises(PydanticSerializationError, match="reveal") as refused:
        Paid(amount=Decimal(1), iban=Sensitive("DE12345")).model_dump_json()
    assert "DE" not in str(refused.value)


def test_the_type_is_strict() -> None:
    """A request gives a string; no object stands for an encrypted value there, and no number."""
    for value in ('{"penstock-encrypted": "1.a.b"}', "5", "null", '["DE12345"]', '"DE1"'):
        with pytest.raises(ValidationError):
            Paid.model_validate_json(f'{{"amount": 1, "iban": {value}}}')
    with pytest.raises(ValidationError):
        Paid(amount=Decimal(1), iban=Sensitive(5))  # type: ignore[arg-type]
    assert Paid.model_validate({"amount": Decimal(1), "iban": "DE12345"}).iban == Sensitive("DE12345")


def test_an_envelope_is_never_written_in_plaintext() -> None:
    """Without a way to encrypt, an envelope is not written; U+0000 is refused inside, too."""
    paid = Paid(amount=Decimal(1), iban=Sensitive("DE12345"))
    with pytest.raises(TypeError, match="Sensitive fields"):
        encode_envelope(paid, id=new_id(), source="/test")
    with pytest.raises(ValidationError, match="nul_character"):
        wire(Paid(amount=Decimal(1), iban=Sensitive("DE\x0012345")))


def test_without_keys_a_value_stays_encrypted() -> None:
    """A contract without keys validates the rest, keeps the token, and reveals nothing."""
    text = wire(Paid(amount=Decimal(1), iban=Sensitive("DE12345")))
    with pytest.raises(StillEncrypted):  # The validator of the service asks for the text.
        Contract([Paid]).decode(text)

    class Simple(WriteIntent, kind="simple"):
        pin: Sensitive[str]

    data = Contract([Simple]).decode(wire(Simple(pin=Sensitive("1234")))).data
    assert isinstance(data, Simple)
    with pytest.raises(StillEncrypted, match="only the drain can read it"):
        data.pin.reveal()
    assert data.pin != Sensitive("1234")


def test_an_upgrader_gets_the_text_and_may_rename_the_field() -> None:
    """Data of an old version is decrypted before it is upgraded: its binding is that of the old name."""

    class Before(WriteIntent, kind="paid"):
        amount: Decimal
        account: Sensitive[str]

    data = WITH_KEYS.decode(wire(Before(amount=Decimal(1), account=Sensitive("DE12345")))).data
    assert isinstance(data, Paid)
    assert data.iban.reveal() == "DE12345"


def test_a_shared_default_keeps_no_fingerprint() -> None:
    """Two intents with the same default value have their own fingerprints: each is keyed by the intent's id."""

    class Defaulted(WriteIntent, kind="defaulted"):
        pin: Sensitive[str] = Sensitive("none")

    contract = Contract([Defaulted], KeyOpener(MemoryKeys, lambda: "digest"))
    event = {"specversion": "1.0", "source": "/s", "type": "defaulted", "time": "2026-01-01T00:00:00Z", "data": {}}
    texts = [json.dumps({**event, "id": str(UUID(int=n))}) for n in range(2)]
    first, second = (contract.decode(text).data for text in texts)
    assert isinstance(first, Defaulted)
    assert isinstance(second, Defaulted)
    assert first.pin.fingerprint != second.pin.fingerprint


class Inner(BaseModel):
    pin: Sensitive[str]


@pytest.mark.parametrize("annotation", [list[Sensitive[str]], Inner, dict[str, Inner], Sensitive[str] | int])
def test_a_value_inside_of_another_is_refused(annotation: Any) -> None:
    """Only a field of its own can be encrypted; anything else is refused when the contract is made."""
    made: Any = type("Nested", (WriteIntent,), {"__annotations__": {"x": annotation}}, kind="nested")
    with pytest.raises(TypeError, match="field 'x' has a Sensitive value inside of another type"):
        Contract([made])


def test_another_type_and_a_serializer_are_refused() -> None:
    """`Sensitive` is for texts, and nothing may write its text but Penstock."""
    with pytest.raises(TypeError, match=r"Sensitive\[str\]"):

        class Number(WriteIntent, kind="number"):
            pin: Sensitive[int]

    class Shown(WriteIntent, kind="shown"):
        pin: Sensitive[str]

        @field_serializer("pin")
        def _show(self, pin: Sensitive[str]) -> str:
            return pin.reveal()

    with pytest.raises(TypeError, match="remove it"):
        sensitive_fields(Shown)


def test_the_schema_is_that_of_the_text() -> None:
    """A client of the API and an outside sender see a string that is never read back."""
    field = Paid.model_json_schema()["properties"]["iban"]
    assert (field["type"], field["minLength"], field["writeOnly"]) == ("string", 4, True)


def test_a_change_to_sensitive_needs_a_new_version() -> None:
    """In both directions: an old consumer cannot read what a new producer writes."""

    class Plain(WriteIntent, kind="k"):
        pin: str

    class Hidden(WriteIntent, kind="k"):
        pin: Sensitive[str]

    for before, after in ((Plain, Hidden), (Hidden, Plain)):
        verdicts = {one.verdict for one in compare(document([before]), document([after]))}
        assert verdicts == {Compatibility.INCOMPATIBLE, Compatibility.CONSUMER_FIRST}


def test_an_object_of_another_field_is_left_alone() -> None:
    """A client's object that looks like an encrypted value is data of its own field, and costs nobody a letter."""

    class Free(WriteIntent, kind="free"):
        pin: Sensitive[str]
        more: dict[str, str]

    contract = Contract([Free], KeyOpener(MemoryKeys, lambda: "digest"))
    free = Free(pin=Sensitive("1234"), more={"penstock-encrypted": "1.a.b"})
    assert contract.decode(wire(free)).data == free


def test_a_token_that_is_written_twice_is_put_in_its_own_place_only() -> None:
    """A copy of the token elsewhere in the message stays a token, whatever the spelling of the message."""

    class Free(WriteIntent, kind="free"):
        pin: Sensitive[str]
        more: dict[str, Any]
        amount: Decimal

    contract = Contract([Free], KeyOpener(MemoryKeys, lambda: "digest"))
    free = Free(pin=Sensitive("1234"), more={}, amount=Decimal("12345678901234567890.5"))
    event = json.loads(wire(free), parse_float=Decimal)
    copied = {"inner": event["data"]["pin"]}
    text = wire_of(event | {"data": event["data"] | {"more": copied}})
    decoded = contract.decode(text).data
    assert isinstance(decoded, Free)
    assert (decoded.pin.reveal(), decoded.more, decoded.amount) == ("1234", copied, free.amount)


def wire_of(event: dict[str, Any]) -> str:
    return json.dumps(event, default=str, separators=(",", ":"))
