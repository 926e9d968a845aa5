"""Data keys: how often the key service is called, and what its errors mean."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from penstock.encryption import opener as opener_module
from penstock.encryption.keys import KeyProblem, KeyServiceError
from penstock.encryption.kms import CONTEXT, KmsKeys
from penstock.encryption.opener import KeyOpener
from penstock.encryption.sealer import KEY_SECONDS, KEY_USES, Sealer
from penstock.encryption.token import wrapped_key
from penstock.intents.sealed import MARK, SealedError
from penstock.testing import ManualClock, MemoryKeys
from tests.support.secrets import Secrets

PLACE = b"place"


def tokens(count: int) -> list[str]:
    """Encrypt a text, each time with a data key of its own."""
    return [Sealer(MemoryKeys())(f"text {n}", PLACE)[MARK] for n in range(count)]


def texts(some: Iterable[str]) -> list[str]:
    return [f'{{"data": {{"x": {{"{MARK}":  "{token}"}}}}}}' for token in some]


def opener_of(keys: MemoryKeys) -> KeyOpener:
    return KeyOpener(lambda: keys, lambda: "digest")


def test_a_data_key_is_used_for_a_time_and_for_a_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new data key is made after five minutes, and after the greatest number of values."""
    clock, keys = ManualClock(), MemoryKeys()
    monkeypatch.setattr("penstock.encryption.sealer.time.monotonic", clock)
    seal = Sealer(keys)
    for _ in range(KEY_USES):
        seal("a", PLACE)
    assert keys.calls == 1
    seal("a", PLACE)
    assert keys.calls == 2
    clock.advance(KEY_SECONDS - 1)
    seal("a", PLACE)
    assert keys.calls == 2
    clock.advance(1)
    seal("a", PLACE)
    assert keys.calls == 3


def test_equal_texts_have_unequal_tokens() -> None:
    """The token of a text says nothing of the text, but its length."""
    seal = Sealer(MemoryKeys())
    assert seal("a", PLACE) != seal("a", PLACE)


def test_the_keys_of_a_batch_are_unwrapped_once_and_kept() -> None:
    """Each distinct key costs one call, however often it is used, in this batch or in the next one."""
    keys, some = MemoryKeys(), tokens(20)
    opener = opener_of(keys)
    for _ in range(2):
        opener.prepare(texts(some * 3), timeout_seconds=5)
        assert keys.calls == 20
    assert [opener.open(token, PLACE) for token in some] == [f"text {n}" for n in range(20)]
    assert keys.calls == 20


def test_keys_that_many_need_come_first() -> None:
    """Who fills a batch with keys of his own delays those that many intents share by nothing."""
    keys = MemoryKeys()
    seen: list[bytes] = []
    shared = Sealer(keys)
    opener = KeyOpener(lambda: keys, lambda: "")
    keys.unwrap = lambda wrapped: seen.append(wrapped) or wrapped[-32:]  # type: ignore[func-returns-value,method-assign]
    common = [shared(f"{n}", PLACE)[MARK] for n in range(3)]
    opener.prepare(texts([*tokens(5), *common]), timeout_seconds=5)
    opener.open(common[0], PLACE)
    assert opener._ciphers.keys() >= {common[0].split(".")[1]}
    assert seen[0] == wrapped_key(common[0].split(".")[1])


def test_the_keys_used_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is bounded; those that the batch needs are all there, even if they are more than that."""
    monkeypatch.setattr(opener_module, "CACHED_KEYS", 2)
    keys, some = MemoryKeys(), tokens(4)
    opener = opener_of(keys)
    opener.prepare(texts(some), timeout_seconds=5)
    assert [opener.open(token, PLACE) for token in [*some[1:], some[0]]]
    assert keys.calls == 4
    opener.prepare(texts(tokens(1)), timeout_seconds=5)
    opener.open(some[0], PLACE)
    opener.open(some[3], PLACE)
    assert keys.calls == 5
    opener.open(some[1], PLACE)
    assert keys.calls == 6


def test_a_key_that_cannot_be_had_is_asked_for_once_in_a_batch() -> None:
    """`open` fails at once for it; the next batch asks again."""
    keys, some = MemoryKeys(), tokens(1)
    opener = opener_of(keys)
    keys.refuse(KeyProblem.UNAVAILABLE, "ThrottlingException")
    opener.prepare(texts(some), timeout_seconds=5)
    for _ in range(3):
        with pytest.raises(SealedError, match=r"data-key-unavailable.*ThrottlingException"):
            opener.open(some[0], PLACE)
    assert keys.calls == 1
    keys.allow()
    opener.prepare(texts(some), timeout_seconds=5)
    assert opener.open(some[0], PLACE) == "text 0"


def test_no_call_is_started_after_the_deadline() -> None:
    """What there was no time for is unavailable, and is not asked for in the transaction."""
    keys, some = MemoryKeys(), tokens(3)
    opener = opener_of(keys)
    opener.prepare(texts(some), timeout_seconds=-1)
    with pytest.raises(SealedError, match="DeadlineExceeded"):
        opener.open(some[0], PLACE)
    assert keys.calls == 0


@pytest.mark.parametrize("encrypted", [0, 1])
def test_the_key_of_the_digests_is_read_once_for_a_batch(secrets: Secrets, encrypted: int) -> None:
    """A secret that cannot be read delays a batch once, however many need it; the next batch tries again."""
    opener = KeyOpener(MemoryKeys, lambda: secrets.arn)
    batch = texts(tokens(encrypted))
    secrets.fail()
    opener.prepare(batch, timeout_seconds=5)
    for _ in range(5):
        with pytest.raises(SealedError, match=r"digest-key-denied.*AccessDeniedException"):
            opener.fingerprint("a", PLACE)
    assert secrets.calls == 1
    secrets.text = "digest"
    opener.prepare(batch, timeout_seconds=5)
    found = {opener.fingerprint(text, place) for text in ("a", "b") for place in (PLACE, b"other")}
    assert (len(found), secrets.calls) == (4, 2)
    assert opener.fingerprint("a", PLACE) == opener_of(MemoryKeys()).fingerprint("a", PLACE)


@pytest.mark.parametrize(
    "token", ["", "1", "1.a", "2.YQ.YQ", "1.!.YQ", "1.YQ.YQ.YQ", "1.a.YQ", "1..YQ", "1.YQ.YQ"]
)
def test_what_is_no_token_is_altered(token: str) -> None:
    """Any text in place of a token is a fault of the data, whatever is wrong with it."""
    opener = opener_of(MemoryKeys())
    opener.prepare(texts([token]), timeout_seconds=5)
    with pytest.raises(SealedError, match="sealed-altered"):
        opener.open(token, PLACE)


def test_without_the_package_the_deployment_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """An artifact without the extra says so for the intent alone, and fails at no import."""
    monkeypatch.setattr(opener_module, "find_spec", lambda _: None)
    opener, (token,) = opener_of(MemoryKeys()), tokens(1)
    opener.prepare(texts([token]), timeout_seconds=5)
    with pytest.raises(SealedError, match="encryption-not-installed"):
        opener.open(token, PLACE)


class Kms:
    """A KMS client that answers, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.given: dict[str, Any] = {}

    def generate_data_key(self, **given: Any) -> dict[str, Any]:
        return self._answer(given) | {"CiphertextBlob": b"wrapped"}

    def decrypt(self, **given: Any) -> dict[str, Any]:
        return self._answer(given)

    def _answer(self, given: dict[str, Any]) -> dict[str, Any]:
        self.given = given
        if self.error:
            raise self.error
        return {"Plaintext": b"k" * 32}


def test_a_key_is_made_with_a_context_and_unwrapped_by_whichever_key_wrapped_it() -> None:
    """Decrypt names no KMS key: the wrapped key does, so that messages survive a change of the setting."""
    kms = Kms()
    key = KmsKeys("alias/shop", kms).generate()
    assert kms.given == {"KeyId": "alias/shop", "KeySpec": "AES_256", "EncryptionContext": CONTEXT}
    assert KmsKeys("", kms).unwrap(key.wrapped) == key.plain
    assert kms.given == {"CiphertextBlob": b"wrapped", "EncryptionContext": CONTEXT}
    assert "kkk" not in repr(key)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("ThrottlingException", KeyProblem.UNAVAILABLE),
        ("KMSInternalException", KeyProblem.UNAVAILABLE),
        ("DependencyTimeoutException", KeyProblem.UNAVAILABLE),
        ("KeyUnavailableException", KeyProblem.UNAVAILABLE),
        ("ExpiredTokenException", KeyProblem.UNAVAILABLE),
        ("AnythingNew", KeyProblem.UNAVAILABLE),
        ("AccessDeniedException", KeyProblem.DENIED),
        ("DisabledException", KeyProblem.DENIED),
        ("KMSInvalidStateException", KeyProblem.DENIED),
        ("NotFoundException", KeyProblem.LOST),
        ("InvalidCiphertextException", KeyProblem.ALTERED),
        ("IncorrectKeyException", KeyProblem.ALTERED),
    ],
)
def test_what_the_errors_of_kms_mean(code: str, problem: KeyProblem) -> None:
    """Only a deleted key and a text that is no wrapped key are the data's fault; what is not known may pass."""
    keys = KmsKeys("k", Kms(ClientError({"Error": {"Code": code, "Message": "secret"}}, "Decrypt")))
    calls: list[Callable[[], Any]] = [keys.generate, lambda: keys.unwrap(b"x")]
    for call in calls:
        with pytest.raises(KeyServiceError) as refused:
            call()
        assert (refused.value.problem, refused.value.code) == (problem, code)
        assert "secret" not in str(refused.value)


def test_a_silent_kms_is_unavailable() -> None:
    """No answer within seconds may pass."""
    keys = KmsKeys("k", Kms(ConnectTimeoutError(endpoint_url="https://kms")))
    with pytest.raises(KeyServiceError, match="unavailable: ConnectTimeoutError"):
        keys.unwrap(b"x")
