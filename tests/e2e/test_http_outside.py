"""The snippets of docs/outside-python.md run against the deployed stack."""

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psycopg
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.intents import derive_id, sign
from penstock.local.aws import ACCESS_KEY
from penstock.local.state import LocalState
from tests.support.deployed import eventually, page_view, receipt_key, rows
from tests.support.project import ROOT

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "outside-python.md").read_text()
SNIPPETS = dict(re.findall(r"```(?:sh|js)\n(?:#|//) ([\w -]+)\n(.*?)```", PAGE, re.DOTALL))
AWSCLI = "awscli==1.46.3"
SQS = ("with the AWS CLI", "with plain HTTP")


def tool(name: str) -> str:
    """Find a program. If it is missing, the test is skipped, or fails in CI."""
    found = shutil.which(name, path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None and os.environ.get("CI"):
        pytest.fail(f"there is no {name}")
    return found or pytest.skip(f"there is no {name}")


@pytest.fixture(scope="session")
def aws_cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the AWS CLI in its own environment, since it pins botocore."""
    folder = tmp_path_factory.mktemp("aws-cli")
    script = folder / "aws"
    # Version 1 ignores AWS_ENDPOINT_URL and sends to SQS in AWS.
    script.write_text(f'#!/bin/sh\nexec "{folder}/bin/aws" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    script.chmod(0o755)
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    subprocess.run([tool("uv"), "tool", "install", "--quiet", AWSCLI], env=os.environ | places, check=True)
    return folder


def shell(name: str, **variables: str) -> str:
    """Run a snippet in a shell with only these variables; return what it prints."""
    tool("curl")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    done = subprocess.run(
        ["sh", "-eu", "-c", SNIPPETS[name]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def node(name: str, expression: str | None = None, **variables: str) -> Any:
    """Evaluate an expression after a snippet in JavaScript, or the snippet itself; return its value."""
    code = f"{SNIPPETS[name]};value = {expression}" if expression else f"value = {SNIPPETS[name]}"
    script = f"let value; {code}; process.stdout.write(JSON.stringify(value))"
    done = subprocess.run(
        [tool("node"), "-e", script], env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def queue(live: LocalState) -> dict[str, str]:
    """Return the variables that the snippets for the queue need."""
    return {
        "QUEUE_URL": live.queue_url,
        "AWS_ENDPOINT_URL": live.endpoint_url,
        "AWS_REGION": live.region,
        "AWS_DEFAULT_REGION": live.region,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
    }


def envelope(data: dict[str, Any], id_: str) -> str:
    """Return the page's envelope with other data and another id."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    return json.dumps(json.loads(example) | {"data": data, "id": id_})


def test_through_the_api(live: LocalState, tmp_path: Path) -> None:
    """A write that is sent twice with its key takes effect once, and its outcome is printed."""
    # The local stack selects the API by this header. In AWS the URL does.
    (tmp_path / ".curlrc").write_text(f'header = "Host: {live.api_headers["Host"]}"\n')
    token = live.api_headers["Authorization"].removeprefix("Bearer ")
    way = {"API": live.api_url, "TOKEN": token, "KEY": str(uuid.uuid4()), "CURL_HOME": str(tmp_path)}
    answers = [json.loads(shell("through the API", **way)) for _ in range(2)]
    assert answers[0]["id"] == answers[1]["id"]
    assert answers[1]["status"] == "applied"
    with psycopg.connect(live.database_url) as connection:
        query = "SELECT count(*) FROM penstock.ledger WHERE id = %s AND reused_at IS NULL"
        assert connection.execute(query, [answers[0]["id"]]).fetchone() == (1,)


@pytest.mark.parametrize("way", SQS)
def test_onto_the_queue(live: LocalState, api: httpx.Client, aws_cli: Path, way: str) -> None:
    """A message sent directly to the queue takes effect once, under an id derived from a key."""
    data, key = page_view(path=f"/é\"'{uuid.uuid4()}"), str(uuid.uuid4())
    id_ = node("derive-id", f'deriveId("/shop", "page.viewed", "local", "{key}")')
    variables = queue(live) | {"ENVELOPE": envelope(data, id_)}
    variables["SEND_MESSAGE"] = node("send-message", **variables)
    printed = [shell(way, **variables | {"PATH": f"{aws_cli}:{os.environ['PATH']}"}) for _ in range(2)]
    assert all("MessageId" in each for each in printed)
    assert eventually(lambda: rows(live, data["path"]))
    key_ = json.dumps(receipt_key(live))
    place = "/writes/" + node("receipt", f'receipt("{id_}", {key_})')
    assert eventually(lambda: api.get(place).json()["status"] == "applied")
    by_api = api.post("/page-views", json=data, headers={"Idempotency-Key": key})
    assert by_api.headers["Location"] == place
    marker = page_view()
    api.post("/page-views", json=marker)
    assert eventually(lambda: rows(live, marker["path"]))
    assert len(rows(live, data["path"])) == 1


def test_a_wrong_envelope_is_dead(live: LocalState, api: httpx.Client, aws_cli: Path) -> None:
    """SQS acknowledges a wrong envelope, and the drain makes it a dead letter. The sender gets no error."""
    id_ = str(uuid.uuid4())
    variables = queue(live) | {"ENVELOPE": envelope(page_view(colour="blue"), id_)}
    variables["SEND_MESSAGE"] = node("send-message", **variables)
    shell("with plain HTTP", **variables)
    place = f"/writes/{sign(uuid.UUID(id_), receipt_key(live))}"
    assert eventually(lambda: api.get(place).json()["status"] == "dead")
    assert api.get(place).json()["problem"]["errors"] == [{"field": "data.colour", "code": "extra_forbidden"}]


@settings(max_examples=5)
@given(texts=st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 4), min_size=20))
def test_the_derivation(texts: list[tuple[str, str, str, str]]) -> None:
    """The page's JavaScript derives the same ids as the framework, for any strings."""
    derived = node("derive-id", f"JSON.parse({json.dumps(json.dumps(texts))}).map((each) => deriveId(...each))")
    assert derived == [str(derive_id(source=s, kind=k, tenant=t, key=key)) for s, k, t, key in texts]


def test_the_examples_of_the_derivation() -> None:
    """The ids of the page's table are right, and the page's JavaScript computes the right receipts."""
    cells = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+?) \| `(.+?)` \| `([0-9a-f-]{36})` \|$", PAGE, re.MULTILINE)
    assert len(cells) == 3
    for source, kind, tenant, key, id_ in cells:
        named = None if tenant == "none" else tenant.strip("`")
        assert str(derive_id(source=source, kind=kind, tenant=named, key=key)) == id_
        given_ = f"deriveId(...{json.dumps([source, kind, named, key])})"
        assert node("derive-id", given_) == id_
        assert node("receipt", f'receipt("{id_}", "kéy")') == str(sign(uuid.UUID(id_), "kéy"))


class Listener(BaseHTTPRequestHandler):
    """Records the requests that it gets."""

    received: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Log nothing."""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that records its requests: its URL, and the requests."""
    received: list[tuple[dict[str, str], bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Recorder", (Listener,), {"received": received}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("token", [None, "a/session+token="])
def test_the_signature(listener: tuple[str, list[tuple[dict[str, str], bytes]]], token: str | None) -> None:
    """The signature of curl is the one that AWS would compute. The local AWS does not check signatures."""
    url, received = listener
    shell(
        "with plain HTTP",
        SEND_MESSAGE='{"QueueUrl": "q"}',
        AWS_ENDPOINT_URL=url,
        AWS_REGION="eu-central-1",
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY="secret/key+",
        AWS_SESSION_TOKEN=token or "",
    )
    ((headers, body),) = received
    assert headers.get("x-amz-security-token") == token
    assert headers["content-type"] == "application/x-amz-json-1.0"
    found = re.search(r"SignedHeaders=([^,]+), ?Signature=(\w+)", headers["authorization"])
    assert found
    assert {"host", "x-amz-date", "x-amz-target"} <= set(found[1].split(";"))
    assert found[2] == signature(url, headers, found[1].split(";"), body)


def signature(url: str, headers: dict[str, str], signed: list[str], body: bytes) -> str:
    """Compute the signature of a request as AWS does, from the headers that it lists as signed."""
    request = AWSRequest("POST", f"{url}/", data=body, headers={name: headers[name] for name in signed})
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "secret/key+"), "sqs", "eu-central-1")
    canonical = auth.canonical_request(request)
    return str(auth.signature(auth.string_to_sign(request, canonical), request))


def test_every_snippet_is_run() -> None:
    """The tests here run every snippet of the page."""
    assert {*SNIPPETS} == {"through the API", *SQS, "send-message", "derive-id", "receipt"}
    assert len(re.findall(r"^```(?:sh|js)$", PAGE, re.MULTILINE)) == len(SNIPPETS)
