"""Where copies go: the region, the profile, and what is known of the queue."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from penstock.cli.operate.copy_target import CopyTarget, find_copy_target
from penstock.cli.support.errors import Failure
from penstock.cli.support.options import Target
from penstock.cli.support.project import Project
from penstock.cli.support.stage import Queues, Stage
from penstock.queue import SqsQueue
from tests.support.lambdas import refusal

OWN_SESSION = boto3.Session(region_name="eu-west-1")
HOST = "https://sqs.eu-west-1.amazonaws.com"
OWN = SqsQueue(f"{HOST}/111122223333/shop-prod-dead-letters")
MAIN = SqsQueue(f"{HOST}/111122223333/shop-prod-writes")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of the sessions that are made; their queues have no redrive policy."""
    made: list[dict[str, Any]] = []
    make = boto3.Session

    def session(**given: Any) -> boto3.Session:
        made.append(given)
        return make(region_name=given["region_name"])

    monkeypatch.setattr("penstock.cli.operate.copy_target.boto3.Session", session)
    monkeypatch.setattr(SqsQueue, "has_redrive_policy", lambda _: False)
    return made


def find(to: str, to_profile: str | None = None) -> CopyTarget:
    at = Target("prod", "shop", "eu-west-1", "prod", None)
    stage = Stage("prod", Project(Path(), "shop"), "shop", OWN_SESSION, None)
    queues = Queues(MAIN, OWN, 1_209_600)
    return find_copy_target(at, stage, queues, to_stage=None, to=to, to_profile=to_profile)


@pytest.mark.parametrize(
    ("to", "region"),
    [
        ("https://sqs.us-east-2.amazonaws.com/444455556666/dead-letters", "us-east-2"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/444455556666/dead-letters", "cn-north-1"),
        ("https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com/444455556666/dead-letters", "eu-west-1"),
    ],
)
def test_the_region_is_that_of_the_url(sessions: list[dict[str, Any]], to: str, region: str) -> None:
    """A URL of AWS names the region, and --to-profile comes before --profile."""
    target = find(to)
    assert (target.queue.url, target.is_checked) == (to, True)
    find(to, "dev")
    assert sessions == [
        {"profile_name": "prod", "region_name": region},
        {"profile_name": "dev", "region_name": region},
    ]


def test_a_queue_that_may_only_be_sent_to(sessions: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """If SQS does not say whether a drain reads the queue, the target is known as unchecked."""

    def refuse(_: SqsQueue) -> bool:
        raise refusal("AccessDenied")

    monkeypatch.setattr(SqsQueue, "has_redrive_policy", refuse)
    assert not find(f"{HOST}/444455556666/dead-letters").is_checked


@pytest.mark.parametrize("account", ["111122223333", "444455556666"])
def test_a_queue_of_another_account_is_another_queue(sessions: list[dict[str, Any]], account: str) -> None:
    """The same name in another account or region is another queue; the stage's own is refused."""
    to = f"{HOST}/{account}/shop-prod-dead-letters"
    if account == "111122223333":
        with pytest.raises(Failure, match="a queue of the same stage"):
            find(to)
    assert find(to.replace("eu-west-1", "eu-west-2")).queue.url.endswith("shop-prod-dead-letters")
