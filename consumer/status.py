"""Outcomes: what has become of a write, for whoever holds its receipt."""

from typing import Any

from penstock.consumer import Outcomes
from penstock.producer import outcome_answer
from penstock.producer.api import HttpApi

api = HttpApi()
outcomes = Outcomes()


@api.get("/writes/<receipt>")
def read_outcome(receipt: str) -> dict[str, Any]:
    """Say what has become of the write."""
    return outcome_answer(receipt, outcomes.find(receipt))


handler = api.resolve
