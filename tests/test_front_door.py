"""The public exports, and the modules that importing them loads."""

import importlib
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.emit.rounds import first_answer
from tests.support.project import ROOT, SESSION

EXPORTS = {
    "penstock": {
        "EmitError",
        "EncryptionUnavailable",
        "Sensitive",
        "UtcDatetime",
        "IntentTooLarge",
        "NotAcknowledged",
        "Receipt",
        "ReceiptKeyUnavailable",
        "WriteIntent",
        "accepted",
        "emit",
        "emit_many",
    },
    "penstock.consumer": {
        "Append",
        "BindingError",
        "Cause",
        "ConflictFault",
        "Custom",
        "DataFault",
        "DeadLetter",
        "Delete",
        "DeploymentFault",
        "Drain",
        "EnvironmentFault",
        "EventSender",
        "Fault",
        "Increment",
        "NotYetFault",
        "Outcomes",
        "Probe",
        "Prune",
        "Transition",
        "Upsert",
    },
    "penstock.testing": {
        "Convergence",
        "Drained",
        "Emitted",
        "LambdaContext",
        "ManualClock",
        "MemoryKeys",
        "MemoryPayloads",
        "MemoryQueue",
        "OrderMatters",
        "QueueDrain",
        "http_event",
        "received",
        "sqs_event",
    },
}


@pytest.mark.parametrize("module", EXPORTS)
def test_the_public_packages_export_these_names(module: str) -> None:
    """Each public package exports exactly these names, and each of them exists."""
    package = importlib.import_module(module)
    assert set(package.__all__) == EXPORTS[module]
    assert all(hasattr(package, name) for name in package.__all__)


PRODUCERS = [f"producer.{name}" for name in ("page_views", "orders", "stock", "emails", "batches", "openapi")]


NOT_AT_THE_START = [
    "sqlalchemy",
    "psycopg",
    "boto3",
    "s3transfer",
    "concurrent.futures.thread",
    "pydantic.dataclasses",
    "pydantic.type_adapter",
    "pydantic.networks",
    "aws_xray_sdk",
    "jsonschema",
    "aws_lambda_powertools.event_handler.middlewares",
    "aws_lambda_powertools.event_handler.openapi.models",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.parameters",
    "aws_lambda_powertools.utilities.validation",
    "penstock.consumer",
    "penstock.database",
    "penstock.deadletters",
    "penstock.intents.contract",
    "penstock.intents.envelope",
    "penstock.intents.schema.document",
    "penstock.producer.aio",
    "penstock.producer.http.openapi",
    "penstock.queue.s3",
    "penstock.testing",
]
"""Modules that a producer must load neither to start nor to answer: the database, and slow imports."""


@pytest.mark.parametrize("module", PRODUCERS)
def test_a_producer_starts_with_what_it_needs(module: str) -> None:
    """Importing a producer function loads no database library and none of the other slow modules."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(NOT_AT_THE_START).intersection(done.stdout.split())


def test_a_first_answer_needs_little_more(local_aws_endpoint: str) -> None:
    """The first request of a function whose receipt key is a secret loads none of these modules either."""
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": local_aws_endpoint,
        "PENSTOCK_SOURCE": "/shop",
    }
    with (
        closing(SESSION.client("sqs", endpoint_url=local_aws_endpoint)) as queue,
        closing(SESSION.client("secretsmanager", endpoint_url=local_aws_endpoint)) as secrets,
    ):
        environment["PENSTOCK_QUEUE_URL"] = queue.create_queue(QueueName="first-answer")["QueueUrl"]
        secret = secrets.create_secret(Name=f"first-answer-{uuid4()}", SecretString="k" * 32)
        environment["PENSTOCK_RECEIPT_KEY"] = secret["ARN"]
    code = f"{first_answer('producer.stock', environment)}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(NOT_AT_THE_START).intersection(done.stdout.split())


def test_the_import_rules_hold() -> None:
    """The packages import each other in one direction only, and the producer imports no database library."""
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_wheel_alone_emits_without_sqlalchemy(tmp_path: Path) -> None:
    """The wheel holds only the framework. Without extras, `penstock` can be imported, and SQLAlchemy is absent."""
    uv = _uv()
    subprocess.run([uv, "build", "--wheel", "--quiet", "--out-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"penstock", "penstock_postgres-0.1.0.dist-info"}
    assert "penstock/py.typed" in names
    environment = tmp_path / "empty"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wheel], check=True)
    code = "from penstock import WriteIntent, emit, accepted; import importlib.util as u"
    imported = _run([python, "-c", f"{code}; print(u.find_spec('sqlalchemy'))"], tmp_path)
    assert (imported.returncode, imported.stdout.strip()) == (0, "None")
    command = _run([environment / "bin" / "penstock"], tmp_path)
    assert command.returncode == 1
    assert "pip install 'penstock-postgres[cli]'" in command.stderr


def _run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _uv() -> str:
    mine = ROOT / ".tools" / "bin" / "uv"
    return str(mine) if mine.exists() else "uv"
