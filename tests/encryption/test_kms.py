"""The key service in memory and KMS keep one contract: what one makes, the other's users can rely on."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest

from penstock.encryption.keys import KeyProblem, KeyService, KeyServiceError
from penstock.encryption.kms import KmsKeys
from penstock.encryption.opener import KeyOpener
from penstock.encryption.sealer import Sealer
from penstock.intents.sealed import MARK
from penstock.testing import MemoryKeys


@pytest.fixture
def kms(local_aws_endpoint: str) -> Iterator[Any]:
    """A client of the local KMS."""
    with closing(boto3.client("kms", endpoint_url=local_aws_endpoint)) as client:
        yield client


@pytest.fixture(params=["memory", "kms"])
def keys(request: pytest.FixtureRequest) -> KeyService:
    """A key service of each sort."""
    if request.param == "memory":
        return MemoryKeys()
    client = request.getfixturevalue("kms")
    return KmsKeys(client.create_key()["KeyMetadata"]["KeyId"], client)


def test_a_data_key_is_unwrapped_to_itself(keys: KeyService) -> None:
    """Each data key is another one of 256 bits, and comes back as it was."""
    one, other = keys.generate(), keys.generate()
    assert len(one.plain) == 32
    assert one.plain != other.plain
    assert keys.unwrap(one.wrapped) == one.plain


def test_what_is_no_wrapped_key_is_refused(keys: KeyService) -> None:
    """Other bytes are the fault of the message that has them."""
    with pytest.raises(KeyServiceError) as refused:
        keys.unwrap(b"no wrapped key")
    assert refused.value.problem is KeyProblem.ALTERED


def test_an_alias_moves_to_a_new_key_and_old_texts_stay_readable(kms: Any) -> None:
    """What was encrypted before and after the change is read by the same drain."""
    kms.create_alias(AliasName="alias/moving", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    before = Sealer(KmsKeys("alias/moving", kms))("before", b"place")
    kms.update_alias(AliasName="alias/moving", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    after = Sealer(KmsKeys("alias/moving", kms))("after", b"place")
    opener = KeyOpener(lambda: KmsKeys("", kms), lambda: "")
    assert [opener.open(one[MARK], b"place") for one in (before, after)] == ["before", "after"]


def test_a_disabled_key_is_the_deployments_fault(kms: Any) -> None:
    """Whoever disabled it can enable it again."""
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    keys = KmsKeys(key, kms)
    wrapped = keys.generate().wrapped
    kms.disable_key(KeyId=key)
    for call in (keys.generate, lambda: keys.unwrap(wrapped)):
        with pytest.raises(KeyServiceError) as refused:
            call()
        assert refused.value.problem is KeyProblem.DENIED
