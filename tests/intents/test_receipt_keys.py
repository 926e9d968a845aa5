"""Keys of receipts are replaced while producers and readers read them at different times."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.intents import InvalidReceipt, Receipt, new_id, sign, verify
from penstock.intents.receipt_keys import keys_of, signing_key, verify_receipt
from penstock.settings import SecretUnavailable
from tests.support.secrets import Secrets

PROCEDURE = ("one", '["one", "two"]', '["two", "one"]', "two")
"""What the secret contains, step by step."""
REFRESH_SECONDS = 300
DROPPED = len(PROCEDURE) - 1

Visits = list[tuple[int, int, int]]


@dataclass
class Instance:
    """An instance of a function, which has read the secret at a time of its own."""

    patch: pytest.MonkeyPatch
    arn: str
    cache: dict[str, Any] = field(default_factory=dict)

    def sign(self, id_: UUID) -> Receipt:
        """Sign as a producer does."""
        self.patch.setattr("penstock.settings._secrets", self.cache)
        return sign(id_, signing_key(self.arn))

    def accepts(self, receipt: Receipt) -> bool:
        """Verify as a reader does."""
        self.patch.setattr("penstock.settings._secrets", self.cache)
        return verify_receipt(str(receipt), self.arn) == receipt


def _steps(secrets: Secrets, visits: Sequence[Visits]) -> Iterator[tuple[int, int, int]]:
    """Follow the procedure: yield the step, a producer and a reader, after some seconds in that step."""
    for step, text in enumerate(PROCEDURE):
        secrets.text, left = text, REFRESH_SECONDS
        for seconds, producer, reader in visits[step]:
            secrets.clock.advance(seconds)
            left -= seconds
            yield step, producer, reader
        secrets.clock.advance(max(left, 0))


_VISITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.integers(0, 2)), max_size=6)


@given(st.tuples(*[_VISITS] * len(PROCEDURE)))
def test_no_good_receipt_is_refused_while_the_key_is_replaced(visits: tuple[Visits, ...]) -> None:
    """In each step each reader accepts each receipt of each producer, whenever either has read the secret.

    In the last step the receipts of the old key have expired.
    """
    with pytest.MonkeyPatch.context() as patch:
        secrets = Secrets(patch)
        producers, readers = ([Instance(patch, secrets.arn) for _ in range(3)] for _ in range(2))
        receipts: list[Receipt] = []
        for step, producer, reader in _steps(secrets, visits):
            receipts.append(producers[producer].sign(new_id()))
            if step == DROPPED:
                receipts = [one for one in receipts if one == sign(one.id, "two")]
            assert all(readers[reader].accepts(one) for one in receipts)


def test_a_frozen_reader_reads_the_keys_again(secrets: Secrets) -> None:
    """A reader whose clock stood still accepts the new key; forged receipts make it read once in ten seconds."""
    assert verify_receipt(str(sign(UUID(int=7), "one")), secrets.arn).id == UUID(int=7)
    secrets.clock.advance(11)
    secrets.text = '["two", "one"]'
    assert verify_receipt(str(sign(UUID(int=7), "two")), secrets.arn).id == UUID(int=7)
    assert secrets.calls == 2
    for forged in [str(sign(UUID(int=7), "theirs"))] * 3 + ["x", "A" * 43]:
        with pytest.raises(InvalidReceipt):
            verify_receipt(forged, secrets.arn)
    assert secrets.calls == 2
    secrets.clock.advance(11)
    with pytest.raises(InvalidReceipt):
        verify_receipt(forged, secrets.arn)
    assert secrets.calls == 2, "a text that is no receipt costs no call"


@given(st.uuids(), st.lists(st.text(min_size=1), min_size=1, max_size=3, unique=True), st.data())
def test_a_receipt_of_any_listed_key_is_verified(id_: UUID, keys: list[str], data: st.DataObject) -> None:
    """The first key signs, and each of them is accepted, in a list with any characters; another is refused."""
    setting = json.dumps(keys)
    assert (signing_key(setting), keys_of(setting)) == (keys[0], tuple(keys))
    receipt = sign(id_, data.draw(st.sampled_from(keys)))
    assert verify_receipt(str(receipt), setting) == receipt == verify(str(receipt), *keys)
    with pytest.raises(InvalidReceipt):
        verify_receipt(str(sign(id_, "".join(keys) + "!")), setting)


@pytest.mark.parametrize("text", ["[", "[]", '["a", ]', '["a", "a"]', '["a", 5]', '[""]', '["a"] "b"', "[secret]"])
def test_a_list_with_a_mistake_signs_nothing(text: str) -> None:
    """A broken list is refused, in words without its keys; it is never a key itself."""
    with pytest.raises(SecretUnavailable, match="is not a JSON list of different keys") as refused:
        signing_key(text)
    assert "secret]" not in str(refused.value)
