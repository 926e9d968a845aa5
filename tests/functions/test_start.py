"""What the functions load: each module at their start is paid for at every cold start."""

import json
import os
import subprocess
import sys

import pytest

from penstock.testing import sqs_event
from shared.intents import StockAdjusted
from tests.support.project import ROOT

FUNCTIONS = ("dead_letters", "drain", "events", "probe", "prune", "writes")
WITH_A_DATABASE = set(FUNCTIONS) - {"dead_letters"}

NEVER_AT_THE_START = {
    "alembic",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.parameters",
    "aws_lambda_powertools.utilities.validation",
    "aws_xray_sdk",
    "boto3",
    "cryptography",
    "jsonschema",
    "opentelemetry",
    "penstock.cli",
    "penstock.consumer.rehearsal",
    "penstock.consumer.schema_check",
    "penstock.database.migrate",
    "penstock.encryption.kms",
    "penstock.local",
    "penstock.queue.s3",
    "penstock.testing",
    "pydantic.networks",
    "rich",
    "s3transfer",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "typer",
    "yaml",
}
"""Modules that no function needs to start, and the drain not to answer either."""


def loaded(code: str, **environment: str) -> set[str]:
    """Run code in a process of its own; return the names of the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(); print(*sys.modules)"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_with_what_it_needs(name: str) -> None:
    """Importing a function loads no tool, no AWS library beside botocore, and nothing that few requests need."""
    modules = loaded(f"import penstock.functions.{name}")
    assert not modules & NEVER_AT_THE_START
    assert ("sqlalchemy" in modules, "psycopg" in modules) == (name in WITH_A_DATABASE, name in WITH_A_DATABASE)


def test_the_probe_starts_without_the_drain() -> None:
    """The probe loads the drain only when there is something to tell its hooks."""
    assert not loaded("import penstock.functions.probe") & {"penstock.consumer.drain", "consumer.writes"}


def test_a_first_batch_needs_little_more(database_url: str) -> None:
    """The first batch of a drain loads none of these modules either, and makes no client of SQS if all lands."""
    event = json.dumps(sqs_event([StockAdjusted(sku="A1", delta=-2)]))
    code = f"""
import json
from penstock.functions.drain import handler
from penstock.queue import sqs
class Context:
    aws_request_id = function_version = "1"
    get_remaining_time_in_millis = lambda self: 30_000
def refuse(*_):
    raise AssertionError("a client")
sqs.sqs_client = refuse
assert handler(json.loads({event!r}), Context()) == {{"batchItemFailures": []}}
"""
    urls = {"PENSTOCK_QUEUE_URL": "https://sqs/queue", "PENSTOCK_DEAD_LETTER_QUEUE_URL": "https://sqs/dead"}
    assert not loaded(code, PENSTOCK_DATABASE_URL=database_url, **urls) & NEVER_AT_THE_START
