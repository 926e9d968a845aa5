"""Corrections of dead letters: exact, bounded, and never of the fields that identify an intent."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import Field

from penstock import Sensitive, WriteIntent
from penstock.deadletters.edit.edit import Edit
from penstock.deadletters.edit.errors import EditRefused
from penstock.expressions import jmespath
from penstock.expressions.jmespath import BadExpression
from penstock.intents import Contract, encode_envelope
from tests.support.lengths import stepped

ID = UUID("01989d3e-1111-7000-8000-000000000001")
BIG, TINY, HUGE = "12345678901234567890", "0.1000000000000000055511151231257827", "1e400"


class Ordered(WriteIntent, kind="ordered.things"):
    sku: str
    quantity: int
    more: dict[str, Any]
    exact: dict[str, Decimal | list[Decimal]] = Field(default_factory=dict)


class Moved(WriteIntent, kind="moved.things"):
    sku: str


CONTRACT = Contract([Ordered, Moved])


def body(more: str = "{}", sku: str = "A1", exact: str = "{}") -> str:
    sealed = json.loads(encode_envelope(Ordered(sku=sku, quantity=0, more={}), id=ID, source="/shop"))
    text = json.dumps(sealed | {"time": "2026-11-20T10:00:00Z"})
    return text.replace('"more": {}', f'"more": {more}').replace('"exact": {}', f'"exact": {exact}')


def edited(edit: str, text: str | None = None) -> str:
    return Edit.parse(edit).apply(body() if text is None else text, CONTRACT)


def patch(*operations: dict[str, Any]) -> str:
    return json.dumps(operations)


QUANTITY = {
    "patch": patch({"op": "replace", "path": "/data/quantity", "value": 3}),
    "expression": "merge(@, {data: merge(data, {quantity: `3`})})",
}


@pytest.mark.parametrize("form", QUANTITY)
def test_an_edit_changes_what_it_says_and_no_more(form: str) -> None:
    """Both forms change one field, and leave all others as they were, the id and the time among them."""
    before, after = json.loads(body()), json.loads(edited(QUANTITY[form]))
    assert after["data"].pop("quantity") == 3
    del before["data"]["quantity"]
    assert after == before


@pytest.mark.parametrize("form", QUANTITY)
def test_an_edit_may_come_from_a_file(form: str, tmp_path: Path) -> None:
    """`@` and a file's name stand for the content of the file."""
    file = tmp_path / "edit"
    file.write_text(QUANTITY[form] + "\n")
    assert edited(f"@{file}") == edited(QUANTITY[form])


def test_a_kind_may_change() -> None:
    """The type may change, if the data is valid for the new kind."""
    whole = "merge(@, {type: 'moved.things', data: {sku: data.sku}})"
    assert json.loads(edited(whole))["type"] == "moved.things"
    with pytest.raises(EditRefused, match=r"invalid-data: data\.quantity extra_forbidden"):
        edited("merge(@, {type: 'moved.things', data: merge({quantity: data.quantity}, {sku: 'a'})})")


@pytest.mark.parametrize("name", ["id", "source", "specversion", "traceparent", "datacontenttype"])
def test_what_an_intent_is_known_by_stays(name: str) -> None:
    """An edit that changes, adds or takes away any but the four fields is refused."""
    named = pytest.raises(EditRefused, match=f"may not change {name}$")
    with named:
        edited(patch({"op": "add", "path": f"/{name}", "value": "1"}))
    with named:
        edited(f"merge(@, {{{name}: `1`}})")
    if name != "traceparent":
        with named:
            edited(patch({"op": "remove", "path": f"/{name}"}))


def test_a_refusal_names_the_field_and_shows_no_value() -> None:
    """The result of an edit is validated as in the drain, and no error message contains a value."""
    secret = body(sku="secret-42")
    edits = [
        "merge(@, {data: merge(data, {quantity: data.sku})})",
        "merge(@, {data: merge(data, {quantity: abs(data.sku)})})",
        patch({"op": "test", "path": "/data/sku", "value": "A1"}),
        patch({"op": "copy", "from": "/data/sku", "path": "/data/quantity"}),
        patch({"op": "remove", "path": "/data/sku/secret"}),
        patch({"op": "remove", "path": "/data/none"}),
        "data.sku",
    ]
    texts = []
    for edit in edits:
        with pytest.raises(EditRefused) as refused:
            edited(edit, secret)
        texts.append(str(refused.value))
        assert refused.value.__cause__ is None
    assert not any("secret-42" in text for text in texts)
    assert "data.quantity int_type" in texts[0]
    assert texts[2] == "operation 1 (test /data/sku): the test fails"


@pytest.mark.parametrize("form", QUANTITY)
@pytest.mark.parametrize("number", [BIG, TINY, "0.1", "1.10", "-1E-7", "1e22", f"[{BIG}, {TINY}]"])
def test_numbers_that_an_edit_leaves_alone_stay_as_written(form: str, number: str) -> None:
    """No number goes through a float and comes back as another, neither large nor small nor precise."""
    text = edited(QUANTITY[form], body(exact=f'{{"n": {number}}}'))
    assert f'"n": {number}' in text


@pytest.mark.parametrize("form", QUANTITY)
def test_a_number_that_the_drain_would_refuse_is_refused(form: str) -> None:
    """In a field of any type, where a double would change the number, the edited letter would be dead again."""
    with pytest.raises(EditRefused, match=r"invalid-data: data\.more inexact_number"):
        edited(QUANTITY[form], body(f'{{"n": {TINY}}}'))


@pytest.mark.parametrize("form", QUANTITY)
def test_a_number_beyond_a_double_is_refused_where_it_is_none(form: str) -> None:
    """`1e400` is passed on as it is, and then refused by the contract, in a field that would hold infinity."""
    with pytest.raises(EditRefused, match=r"invalid-data: data\.more\.\* finite_number"):
        edited(QUANTITY[form], body(f'{{"n": {HUGE}}}'))


def test_a_number_becomes_no_other_text() -> None:
    """An expression that converts a number to text yields the number's own text."""
    edit = "merge(@, {data: merge(data, {sku: to_string(data.exact.n)})})"
    text = edited(edit, body(exact=f'{{"n": {TINY}}}'))
    assert json.loads(text)["data"]["sku"] == TINY


@pytest.mark.parametrize("number", ["0.12345678901234567890", HUGE])
def test_a_number_of_the_edit_itself_is_not_rounded(number: str) -> None:
    """A literal that JMESPath would round is refused when the edit is parsed; a JSON Patch keeps it exactly."""
    with pytest.raises(BadExpression, match="would round the number"):
        Edit.parse(f"merge(@, {{data: merge(data, {{exact: {{n: `{number}`}}}})}})")
    patched = f'[{{"op": "add", "path": "/data/exact/n", "value": {TINY}}}]'
    assert f'"n": {TINY}' in edited(patched)


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", "7", '{"a": NaN}', "[" * 100_000, '{"a": Infinity}', "\ufeff{}"]
)
@pytest.mark.parametrize("form", QUANTITY)
def test_what_is_no_envelope_is_refused(form: str, text: str) -> None:
    """A body that is no JSON object cannot be edited, and nothing else is raised over it."""
    with pytest.raises(EditRefused, match="cannot be edited"):
        edited(QUANTITY[form], text)


def test_an_envelope_without_data_can_be_edited_elsewhere() -> None:
    """Data that is elsewhere, or missing, is no crash: an edit that needs it is refused."""
    envelope = json.loads(body())
    del envelope["data"]
    for edit in QUANTITY.values():
        with pytest.raises(EditRefused):
            edited(edit, json.dumps(envelope))
    assert (
        json.loads(edited("merge(@, {data: {sku: 'a', quantity: `1`, more: `{}`}})", json.dumps(envelope)))[
            "data"
        ]["sku"]
        == "a"
    )


@pytest.mark.parametrize(
    "path", ["/__proto__/a", "/constructor/prototype/a", "/__class__/__init__", "/data/__dict__/a"]
)
def test_paths_that_mean_something_to_languages_mean_nothing(path: str) -> None:
    """A path goes through JSON objects alone."""
    with pytest.raises(EditRefused, match="cannot be applied"):
        edited(patch({"op": "add", "path": path, "value": 1}))


BLOWN_UP = [
    "merge(@, {data: merge(data, {more: {a: " + "data | [@, @]" + " | [@, @]" * 60 + "}})})",
    "merge(@, {data: merge(data, {more: {a: " + "to_string(@)" + " | to_string([@, @])" * 60 + "}})})",
    "merge(@, {data: merge(data, {more: {a: [@]" + " | [@, @][]" * 60 + "}})})",
    "merge(@, {data: merge(data, {sku: 'aaaaaaaaaaaaaaaa'" + " | join('', [@, @])" * 60 + "})})",
    patch(
        {"op": "add", "path": "/data/more/a", "value": []},
        *[{"op": "copy", "from": "", "path": "/data/more/a/-"}] * 60,
    ),
]


@pytest.mark.parametrize("part", stepped(20))
@pytest.mark.parametrize("edit", BLOWN_UP, ids=["shared", "text", "flat", "join", "copy"])
def test_what_an_edit_yields_is_bounded(edit: str, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that would yield more than the world has memory for is refused while it is small."""
    # The sample has a twentieth of the limits: it takes seconds to reach them.
    for limit in ("_MAX_STEPS", "_MAX_LENGTH"):
        monkeypatch.setattr(jmespath, limit, getattr(jmespath, limit) // part)
    with pytest.raises(EditRefused):
        edited(edit)


def test_an_edit_says_the_same_of_every_message() -> None:
    """An edit of one message does not change the values of the patch for the next one."""
    edit = Edit.parse(
        patch(
            {"op": "add", "path": "/data/more/list", "value": []},
            {"op": "add", "path": "/data/more/list/-", "value": 1},
        )
    )
    texts = [edit.apply(body(), CONTRACT) for _ in range(3)]
    assert all(json.loads(text)["data"]["more"]["list"] == [1] for text in texts)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("merge(@, ", "at column 9"),
        ("data.[", "at column"),
        ("nope(@)", r"no function nope\(\)"),
        ("length(@, @)", "takes 1 arguments, not 2"),
        ("[1", "JSON Patch"),
        ("[]", "empty"),
        ("[1]", "JSON Patch"),
        ('[{"op": "fly", "path": "/a"}]', "JSON Patch"),
        ('[{"op": "add", "path": "/a"}]', "operation 1 has no 'value'"),
        ('[{"op": "move", "path": "/a"}]', "operation 1 has no 'from'"),
        ("@nowhere.json", "no file nowhere.json"),
        ("!" * 100_000, "deep|column"),
        ("\x00", "column"),
    ],
)
def test_what_is_no_edit_is_told(text: str, says: str) -> None:
    """A text that is neither patch nor expression is refused before any message is touched, with the place."""
    with pytest.raises(BadExpression, match=says):
        Edit.parse(text)


class Signed(WriteIntent, kind="signed.up"):
    name: str
    email: Sensitive[str]
    phone: Sensitive[str] | None = None


SIGNED = {
    "data": {"name": "a", "email": {"penstock-encrypted": "1.YQ.YQ"}},
    **{name: value for name, value in json.loads(body()).items() if name != "data"},
    "type": "signed.up",
}


def test_a_field_beside_an_encrypted_one_can_be_edited() -> None:
    """No key is needed: the encrypted field stays as it is, and everything else is checked."""
    edit = Edit.parse(patch({"op": "replace", "path": "/data/name", "value": "b"}))
    after = json.loads(edit.apply(json.dumps(SIGNED), Contract([Signed])))
    assert after["data"] == {"name": "b", "email": {"penstock-encrypted": "1.YQ.YQ"}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/data/email", "value": "a@b"},
        {"op": "replace", "path": "/data/email/penstock-encrypted", "value": "1.YQ.YW"},
        {"op": "copy", "from": "/data/email", "path": "/data/phone"},
        {"op": "move", "from": "/data/email", "path": "/data/name"},
        {"op": "remove", "path": "/data/email"},
        {"op": "replace", "path": "/data", "value": {"name": "a", "email": "a@b"}},
    ],
)
def test_an_encrypted_field_cannot_be_edited(operation: dict[str, Any]) -> None:
    """It can be neither changed, nor moved, nor replaced by a plaintext, which would be on the queue."""
    with pytest.raises(EditRefused, match="may not change an encrypted field"):
        Edit.parse(patch(operation)).apply(json.dumps(SIGNED), Contract([Signed]))
