"""The content of a dead letter, and its fingerprint, which separates causes."""

import json
from dataclasses import asdict, replace

import pytest

from penstock.consumer import Cause, DataFault
from penstock.consumer.dead_letter import LETTER_ATTRIBUTE, DeadLetter
from penstock.queue import Attribute, Outgoing

CAUSE = Cause("UniqueViolation", sqlstate="23505", constraint="things_name_key", table="things", column="name")


def letter(cause: Cause = CAUSE, *, kind: str | None = "thing.made", number: int = 1) -> DeadLetter:
    """Make a dead letter for one of many messages."""
    return DeadLetter.of(
        DataFault(cause),
        kind=kind,
        id=f"id {number}",
        receive_count=number,
        first_seen=f"2026-11-20T10:00:{number:02}+00:00",
        function_version=str(number),
    )


def test_a_dead_letter_has_all_that_is_known() -> None:
    """Class, cause, kind, id, receive count, first seen, version and fingerprint come back from the message."""
    given = letter()
    read = DeadLetter.read(given.stamp(Outgoing("{}")).attributes)
    assert read == given
    assert all(value is not None for value in asdict(given).values())


def test_letters_of_one_cause_share_their_fingerprint() -> None:
    """The message, its time and its receive count do not change the fingerprint."""
    assert len({letter(number=number).fingerprint for number in range(1, 50)}) == 1


def test_a_fingerprint_stays_the_same() -> None:
    """It does not depend on the process or the version of the code, so alarms and notes can use it."""
    assert letter().fingerprint == "1372ae77d285"


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "CheckViolation"},
        {"sqlstate": "23514"},
        {"constraint": "other"},
        {"table": "others"},
        {"column": "size"},
        {"fields": ("data.size int_type",)},
    ],
    ids=str,
)
def test_another_cause_has_another_fingerprint(changes: dict[str, str]) -> None:
    """Any difference in the cause or in the kind makes another fingerprint."""
    known = {letter().fingerprint, letter(kind="other.kind").fingerprint, letter(kind=None).fingerprint}
    assert len(known) == 3
    assert letter(replace(CAUSE, **changes)).fingerprint not in known  # type: ignore[arg-type]


def test_the_index_of_a_list_item_is_no_other_cause() -> None:
    """The same error in one item of a list, or in several, is one cause."""
    causes = [
        Cause("invalid-data", fields=fields)
        for fields in (
            ("data.lines.0.sku string_type",),
            ("data.lines.17.sku string_type",),
            ("data.lines.1.sku string_type", "data.lines.2.sku string_type"),
        )
    ]
    assert len({letter(cause).fingerprint for cause in causes}) == 1
    assert letter(Cause("invalid-data", fields=("data.lines.0.size int_type",))).fingerprint not in {
        letter(cause).fingerprint for cause in causes
    }


def test_an_old_dead_letter_is_still_read() -> None:
    """A dead letter of an earlier version, without a fingerprint, is read without one."""
    stamped = letter().stamp(Outgoing("{}")).attributes
    old = {k: v for k, v in json.loads(stamped[LETTER_ATTRIBUTE].value).items() if k != "fingerprint"}
    read = DeadLetter.read({LETTER_ATTRIBUTE: Attribute(json.dumps(old))})
    assert read == replace(letter(), fingerprint=None)
