"""The keys of a stage that a trial uses."""

import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from penstock.cli.operate.trial import load_trial

SERVICE = """
from sqlalchemy import Column, MetaData, Table, Text, Uuid
from penstock import Sensitive, WriteIntent
from penstock.consumer import Append, Drain
class Kind(WriteIntent, kind="kind"):
    text: {type}
table = Table("t", MetaData(), Column("intent_id", Uuid, primary_key=True), Column("text", Text))
drain = Drain()
drain.write(Kind, Append(table))
"""


class Stage:
    """A stage with the part `encryption`, to whose secret the caller has access or not."""

    def __init__(self, *, may_read: bool) -> None:
        self.may_read = may_read
        self.read: list[str] = []

    def optional_output(self, name: str) -> str:
        return f"arn:{name}"

    def secret(self, arn: str) -> str:
        self.read.append(arn)
        if not self.may_read:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")
        return "digest"

    def client(self, name: str) -> str:
        return name


def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type_: str, stage: Any) -> None:
    """Load the trial of a service with one kind."""
    (tmp_path / "trial_service.py").write_text(SERVICE.format(type=type_))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "trial_service", raising=False)
    load_trial("trial_service:drain", stage)


@pytest.mark.parametrize("may_read", [True, False])
def test_a_trial_uses_the_keys_of_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, may_read: bool
) -> None:
    """The secret of the digests is read if a kind needs it; a caller without access can try all other kinds."""
    stage = Stage(may_read=may_read)
    load(tmp_path, monkeypatch, "str", stage)
    assert stage.read == []
    load(tmp_path, monkeypatch, "Sensitive[str]", stage)
    assert stage.read == ["arn:DigestKeyArn"]
