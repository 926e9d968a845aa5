"""The entry point of the Lambda function `writes`: the outcome of a write, for the holder of its receipt."""

from typing import Any

from penstock.consumer import Outcomes
from penstock.functions.loggers import configure_loggers
from penstock.producer import outcome_answer
from penstock.producer.http.api import HttpApi

configure_loggers()

api = HttpApi()
outcomes = Outcomes()


@api.head("/writes/<receipt>")
@api.get("/writes/<receipt>")
def read_outcome(receipt: str) -> dict[str, Any]:
    """Return the outcome of a write; wait for it if the request asks for that."""
    wait = api.seconds_to_wait
    return outcome_answer(receipt, outcomes.find(receipt, wait_seconds=wait), waited=wait)


handler = api.resolve
