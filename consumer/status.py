"""Outcomes: what has become of a write, for whoever holds its receipt."""

from typing import Any

from penstock.consumer import Outcomes
from penstock.producer import outcome_answer
from penstock.producer.http.api import HttpApi

api = HttpApi()
outcomes = Outcomes()


@api.head("/writes/<receipt>")
@api.get("/writes/<receipt>")
def read_outcome(receipt: str) -> dict[str, Any]:
    """Say what has become of the write, waiting for it if the caller would."""
    wait = api.seconds_to_wait
    return outcome_answer(receipt, outcomes.find(receipt, wait_seconds=wait), waited=wait)


handler = api.resolve
