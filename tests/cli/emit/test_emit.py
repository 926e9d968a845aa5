"""`penstock emit`: which lines are sent, and how errors are reported."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from penstock.cli.emit.ndjson import LINE_LIMIT, InputLine, read_lines
from penstock.cli.emit.pace import Pace
from penstock.intents import derive_id, verify
from penstock.producer import Producer
from penstock.queue import Outgoing, SqsQueue, sqs_client
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from tests.support.cli_stack import PROGRAM, Run, record
from tests.support.project import ROOT, SESSION

MODULE = """
from penstock import WriteIntent

class Counted(WriteIntent, kind="sheep.counted", aliases="sheep.seen"):
    name: str
    number: int
"""
KEY = "key"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the folder of a service with one kind the current folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "serverless.yml").write_text("service: farm\n")
    (tmp_path / "farm_intents.py").write_text(MODULE)
    record(tmp_path, endpoint_url="http://127.0.0.1:1")
    yield tmp_path
    sys.modules.pop("farm_intents", None)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> MemoryQueue:
    """The queue in memory that receives the intents."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key=KEY, source="/farm"), queue)
    monkeypatch.setattr("penstock.cli.emit.run._open", lambda _stage: (queue, producer))
    return queue


Emit = Callable[..., Any]


@pytest.fixture
def emit(run: Run, service: Path, monkeypatch: pytest.MonkeyPatch) -> Emit:
    """Return a function that runs the command on some bytes, from a file, from stdin or from an argument."""

    def emit(content: bytes | str, *words: str, by: str = "file", kind: str = "sheep.counted") -> Any:
        data = content.encode() if isinstance(content, str) else content
        if by == "file":
            (service / "sheep.ndjson").write_bytes(data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(data)))
        source = {"file": "@sheep.ndjson", "stdin": "-"}.get(by) or data.decode()
        return run("emit", kind, "--data", source, "--module", "farm_intents", *words)

    return emit


class Pipe(io.BytesIO):
    """Bytes that can be read once."""

    def seekable(self) -> bool:
        return False


def sheep(number: Any, name: str = "Dolly") -> str:
    return json.dumps({"name": name, "number": number})


def numbers(queue: MemoryQueue) -> list[int]:
    return [body["data"]["number"] for body in queue.bodies]


FLOCK = "".join(f"{sheep(number)}\n" for number in range(3))


@pytest.mark.parametrize("by", ["file", "stdin", "argument"])
def test_each_line_is_an_intent(emit: Emit, queue: MemoryQueue, by: str) -> None:
    """Each object is sent with the service as its source, and its number, id and receipt are printed."""
    ended = emit(FLOCK, by=by)
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "3 emitted, 0 failed\n")
    assert numbers(queue) == [0, 1, 2]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [row[1] for row in rows] == [body["id"] for body in queue.bodies]
    assert {str(verify(row[2], KEY).id) for row in rows} == {row[1] for row in rows}
    assert {(body["source"], body["type"]) for body in queue.bodies} == {("/farm", "sheep.counted")}


def test_json_is_an_object_per_line(emit: Emit, queue: MemoryQueue) -> None:
    """With --json each line of stdout is an object."""
    rows = emit(FLOCK, "--json").rows
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert [row["id"] for row in rows] == [body["id"] for body in queue.bodies]
    assert rows[0].keys() == {"line", "id", "receipt"}


def test_an_alias_is_accepted(emit: Emit, queue: MemoryQueue) -> None:
    """An alias selects the kind, and the envelope has the kind's current name."""
    assert emit(FLOCK, kind="sheep.seen").code == 0
    assert {body["type"] for body in queue.bodies} == {"sheep.counted"}


@pytest.mark.parametrize("by", ["file", "stdin", "argument"])
def test_one_bad_line_stops_all_of_it(emit: Emit, queue: MemoryQueue, by: str) -> None:
    """By default a bad line prevents all sending; its number and field are printed, not its value."""
    ended = emit(f"{sheep(0)}\n{sheep('secret')}\n\n[]\n{sheep(2)}\n", by=by)
    assert (ended.code, ended.out, queue.messages) == (1, "", [])
    assert ended.err.splitlines() == [
        "line 2: number int_type",
        "line 4: model_type",
        "2 good, 2 bad; nothing was sent. --skip-bad sends the good lines",
    ]


@pytest.mark.parametrize("by", ["file", "stdin"])
def test_bad_lines_can_be_skipped(emit: Emit, queue: MemoryQueue, by: str) -> None:
    """With --skip-bad the good lines are sent, and the exit code says that some were not."""
    ended = emit(f"{sheep(0)}\nnonsense\n{sheep(2)}\n", "--skip-bad", by=by)
    assert (ended.code, numbers(queue)) == (1, [0, 2])
    assert [line.split("\t")[0] for line in ended.out.splitlines()] == ["1", "3"]
    assert ended.err == "line 2: json_invalid\n2 emitted, 1 failed\n"


def test_a_dry_run_sends_nothing(emit: Emit, queue: MemoryQueue) -> None:
    """--dry-run reports the bad lines and does not call AWS."""
    assert emit(FLOCK, "--dry-run").err == "3 good, 0 bad\n"
    ended = emit(FLOCK + sheep(None), "--dry-run")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "line 4: number int_type\n3 good, 1 bad\n"
    assert queue.messages == []


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"\xef\xbb\xbf" + FLOCK.encode(), []),
        (FLOCK.replace("\n", "\r\n").encode(), []),
        (FLOCK.replace("\n", "\n\n \n").encode(), []),
        (FLOCK.strip().encode(), []),
        (b"\n\n" + FLOCK.encode() + b"\n", []),
        (FLOCK.encode() + b'{"name": "\xff", "number": 1}', ["line 4: it is not UTF-8, from byte 11 on"]),
        (
            FLOCK.encode() + b" " * LINE_LIMIT + b"{}\n",
            [f"line 4: it is longer than an intent may be ({LINE_LIMIT:,} bytes)"],
        ),
        (FLOCK.encode() + sheep(1, "x" * (LINE_LIMIT - 9000)).encode(), ["line 4: the intent takes"]),
        (FLOCK.encode() + rb'{"name": "\u0000", "number": 1}', ["line 4: name nul_character"]),
        (FLOCK.encode() + b"[" * 100_000, ["line 4: json_invalid"]),
        (FLOCK.encode() + b'{"name": "a", "number": 1, "\x1b[31m": 2}', ["line 4: json_invalid"]),
    ],
    ids=["bom", "crlf", "blanks", "no-end", "leading", "not-utf8", "huge", "too-large", "nul", "deep", "control"],
)
def test_odd_content_of_a_file_is_reported(
    emit: Emit, queue: MemoryQueue, content: bytes, faults: list[str]
) -> None:
    """Byte order marks, blank lines and CRLF do no harm; a line that is not an intent does not stop the others."""
    ended = emit(content, "--skip-bad")
    assert numbers(queue) == [0, 1, 2]
    assert ended.code == bool(faults)
    assert len(ended.err.splitlines()) == len(faults) + 1
    assert all(line.startswith(fault) for line, fault in zip(ended.err.splitlines(), faults, strict=False))
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_input(emit: Emit, queue: MemoryQueue, content: str) -> None:
    """An empty input is not an error."""
    ended = emit(content)
    assert (ended.code, ended.out, ended.err) == (0, "", "0 emitted, 0 failed\n")


@pytest.mark.parametrize("by", ["file", "stdin", "argument"])
def test_one_object_may_take_several_lines(emit: Emit, queue: MemoryQueue, by: str) -> None:
    """A single object over several lines is one intent."""
    ended = emit(f"\n{json.dumps({'name': 'Dolly', 'number': 7}, indent=2)}\n", by=by)
    assert (ended.code, numbers(queue)) == (0, [7])
    assert ended.out.split("\t")[0] == "2"


def test_with_a_key_a_second_run_makes_no_new_intents(emit: Emit, queue: MemoryQueue) -> None:
    """The same keys give the same intents; a key is the text or the number that the expression yields."""
    words = ("--idempotency-key", "join('-', [name, to_string(number)])", "--tenant", "north")
    first = emit(FLOCK, *words).out
    assert emit(FLOCK, *words).out == first
    assert len({body["id"] for body in queue.bodies}) == 3
    assert queue.bodies[0]["id"] == str(
        derive_id(source="/farm", kind="sheep.seen", tenant="north", key="Dolly-0")
    )
    assert {message.group for message in queue.messages} == {"north"}
    big = f'{{"name": "a", "number": {2**70}}}'
    assert emit(big, "--idempotency-key", "number").out.split("\t")[1] == str(
        derive_id(source="/farm", kind="sheep.seen", tenant=None, key=str(2**70))
    )


@pytest.mark.parametrize("key", ["nothing", "name", "`true`", "@", "length(number)"])
def test_a_line_without_its_key_is_bad(emit: Emit, queue: MemoryQueue, key: str) -> None:
    """If the expression yields neither text nor a number, the line is bad: each run would make another intent."""
    ended = emit(sheep(1, name=""), "--idempotency-key", key)
    assert (ended.code, queue.messages) == (1, [])
    assert "line 1: no idempotency key" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sheep.lost", "--data", "{}"), "no kind 'sheep.lost'"),
        (("sheep.counted", "--data", "@nowhere"), "nowhere cannot be read: FileNotFoundError"),
        (("sheep.counted", "--data", "@."), "cannot be read: IsADirectoryError"),
        (("sheep.counted", "--data", "{}", "--idempotency-key", "a."), "--idempotency-key: .* at column 3"),
        (("sheep.counted",), "--data"),
    ],
)
def test_wrong_usage_is_reported(run: Run, service: Path, words: tuple[str, ...], says: str) -> None:
    """A mistake in the arguments exits with 2, before anything is read or sent."""
    ended = run("emit", *words, "--module", "farm_intents")
    assert ended.code == 2
    assert re.search(says, ended.err), ended.err


def test_the_help_has_an_example(run: Run) -> None:
    """The help goes to stdout, has an example, and says that a second run writes everything again."""
    ended = run("emit", "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "Examples: penstock emit" in ended.out
    assert "Without --idempotency-key each run makes new intents" in ended.out


def test_many_lines_are_sent_in_chunks(emit: Emit, queue: MemoryQueue) -> None:
    """Each of many lines is sent and printed once, in order."""
    ended = emit("".join(f"{sheep(number)}\n" for number in range(1203)))
    assert numbers(queue) == list(range(1203))
    assert [int(line.split("\t")[0]) for line in ended.out.splitlines()] == list(range(1, 1204))


def test_a_refusal_of_the_queue_is_reported(emit: Emit, queue: MemoryQueue) -> None:
    """A line that SQS does not acknowledge is reported with SQS's code; the others have their receipts."""
    queue.refuse("InvalidMessageContents", positions=[1], retryable=False)
    ended = emit(FLOCK)
    assert (ended.code, numbers(queue)) == (1, [0, 2])
    assert "line 2: the queue did not acknowledge it: InvalidMessageContents" in ended.err
    assert len(ended.out.splitlines()) == 2


def test_a_queue_that_accepts_nothing_ends_the_run(emit: Emit, queue: MemoryQueue) -> None:
    """If SQS accepts nothing of a chunk, the rest is not tried, and the line to continue with is printed."""
    queue.refuse("AccessDenied", retryable=False)
    ended = emit("".join(f"{sheep(number)}\n" for number in range(600)))
    assert (ended.code, ended.out, queue.messages) == (1, "", [])
    assert "stopped: the queue accepts nothing (AccessDenied). Continue with line 1." in ended.err


def test_an_interrupted_run_says_where_to_continue(
    emit: Emit, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C exits with 130, and prints the number of emitted lines, the next line, and the unconfirmed lines."""
    send = queue.send

    def interrupted(messages: Any, **options: Any) -> Any:
        if len(queue.messages) >= 500:
            raise KeyboardInterrupt
        return send(messages, **options)

    monkeypatch.setattr(queue, "send", interrupted)
    ended = emit("".join(f"{sheep(number)}\n" for number in range(1200)))
    assert ended.code == 130
    assert "stopped; 500 emitted. Continue with line 501. Some lines up to 1,000 may be" in ended.err
    assert len(ended.out.splitlines()) == 500


def test_the_progress_bar_is_on_stderr_alone(service: Path) -> None:
    """The bar is drawn on stderr, so that stdout holds only data."""
    (service / "sheep.ndjson").write_text(FLOCK)
    controller, terminal = pty.openpty()
    words = [PROGRAM, "emit", "sheep.counted", "--data", "@sheep.ndjson", "--module", "farm_intents", "--dry-run"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=terminal, check=True, env=environment)
    os.close(terminal)
    screen = os.read(controller, 65536).decode()
    os.close(controller)
    assert "checked" in screen
    assert "3 good, 0 bad" in screen
    assert done.stdout == b""


class Slow(io.RawIOBase):
    """A stream that counts the lines that are left to read."""

    def __init__(self, lines: int) -> None:
        self.left = lines

    def readline(self, _size: int | None = -1, /) -> bytes:
        self.left -= 1
        return f"{sheep(self.left)}\n".encode() if self.left >= 0 else b""


def test_lines_are_read_as_they_are_needed() -> None:
    """An endless input is read line by line."""
    stream: Any = Slow(10**9)
    lines = read_lines(stream)
    assert [next(lines).number for _ in range(3)] == [1, 2, 3]
    assert stream.left >= 10**9 - 4


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    """A line of any length takes no more memory than a message, and the next line is still read."""
    file = tmp_path / "long"
    file.write_bytes(b"{}\n" + b"x" * (2 * LINE_LIMIT) + b"\n{}\n")
    with file.open("rb") as stream:
        first, long, last = read_lines(stream)
    assert (first, last) == (InputLine(1, "{}"), InputLine(3, "{}"))
    assert (long.number, long.text) == (2, None)


TEMPLATE = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Bucket: {Type: AWS::S3::Bucket}
Outputs:
  PayloadBucketName: {Value: {Ref: Bucket}}
  QueueUrl: {Value: {Ref: Queue}}
  ReceiptKeyArn: {Value: "%s"}
"""


def test_a_stage_gets_them(service: Path, run: Run, local_aws_endpoint: str) -> None:
    """The queue, the key and the bucket come from the stack's outputs, and the receipts have the service's key."""
    name = f"farm-{uuid4()}"
    (service / "serverless.yml").write_text(f"service: {name}\n")
    record(service, service=name, stack=f"{name}-local", endpoint_url=local_aws_endpoint)
    with (
        closing(SESSION.client("cloudformation", endpoint_url=local_aws_endpoint)) as formation,
        closing(SESSION.client("secretsmanager", endpoint_url=local_aws_endpoint)) as secrets,
        closing(sqs_client(SESSION, local_aws_endpoint)) as client,
    ):
        arn = secrets.create_secret(Name=name, SecretString="the stage's key")["ARN"]
        formation.create_stack(StackName=f"{name}-local", TemplateBody=TEMPLATE % arn)
        done = formation.get_waiter("stack_create_complete")
        done.wait(StackName=f"{name}-local", WaiterConfig={"Delay": 0, "MaxAttempts": 1000})
        outputs = formation.describe_stacks(StackName=f"{name}-local")["Stacks"][0]["Outputs"]
        url = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "QueueUrl")
        ended = run("emit", "sheep.counted", "--data", FLOCK, "--module", "farm_intents", "--json")
        assert ended.code == 0, ended.err
        bodies = [json.loads(message.body) for message in SqsQueue(url, client).receive(10)]
        (service / "large.json").write_text(sheep(4, "x" * 2_000_000))
        large = run("emit", "sheep.counted", "--data", "@large.json", "--module", "farm_intents")
        (reference,) = SqsQueue(url, client).receive(10)
        assert (large.code, json.loads(reference.body)["dataref"].partition("payloads/")[1]) == (0, "payloads/")
    assert sorted(body["data"]["number"] for body in bodies) == [0, 1, 2]
    assert {body["source"] for body in bodies} == {f"/{name}"}
    assert {verify(row["receipt"], "the stage's key").id for row in ended.rows} == {
        UUID(body["id"]) for body in bodies
    }


def test_the_default_module(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --module the intents are those of shared.intents, imported from the service's folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(ROOT / "consumer")
    ended = run("emit", "stock.adjusted", "--data", '{"sku": "A1", "delta": -2}', "--dry-run")
    assert (ended.code, ended.err) == (0, "1 good, 0 bad\n")


PROGRESS = "sheep.ndjson.progress"


def numbered(count: int) -> str:
    return "".join(f"{sheep(number)}\n" for number in range(count))


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits: the pauses of the limiter are noted instead."""
    paused: list[float] = []
    monkeypatch.setattr(
        "penstock.cli.emit.run.Pace", partial(Pace, clock=lambda: sum(paused), sleep=paused.append)
    )
    return paused


def test_a_rate_spreads_the_lines(emit: Emit, queue: MemoryQueue, no_pause: list[float]) -> None:
    """With --rate the lines are sent in slices of a tenth of a second."""
    assert emit(numbered(100), "--rate", "50").code == 0
    assert (numbers(queue), len(no_pause)) == (list(range(100)), 19)
    assert sum(no_pause) == pytest.approx(1.9)


def test_a_second_run_goes_on_without_doubles(
    emit: Emit, queue: MemoryQueue, no_pause: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interruption or a refusal the same command sends the rest, and what is sent twice has one id."""
    send, calls = queue.send, count()

    def interrupted(messages: Any, **options: Any) -> Any:
        answer = send(messages, **options)
        if next(calls) == 2:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(queue, "send", interrupted)
    words = ("--rate", "100")
    first = emit(numbered(60), *words)
    assert (first.code, numbers(queue)) == (130, list(range(30)))
    assert "stopped; 20 emitted. Run the same command again to go on." in first.err
    queue.refuse(positions=[5])
    second = emit(numbered(60), *words)
    assert (second.code, "going on with line 21" in second.err) == (1, True)
    assert "does not accept everything (ThrottlingException). Run the same command" in second.err
    assert emit(numbered(60), *words).code == 0
    assert sorted(set(numbers(queue))) == list(range(60))
    assert len(queue.bodies) > len({body["id"] for body in queue.bodies}) == 60


def test_a_progress_that_was_cut_off(emit: Emit, queue: MemoryQueue, no_pause: list[float], service: Path) -> None:
    """A line of the progress that is not complete counts for nothing."""
    queue.refuse(calls=None)
    emit(FLOCK, "--rate", "10")
    queue.accept()
    with (service / PROGRESS).open("ab") as file:
        file.write(b'{"next_line": 3')
    assert emit(FLOCK, "--rate", "10").code == 0
    assert numbers(queue) == [0, 1, 2]


def test_nothing_is_emitted_a_second_time_unasked(
    emit: Emit, queue: MemoryQueue, no_pause: list[float], service: Path
) -> None:
    """A finished progress, that of another input or other options, and a file that is none are refused."""
    assert emit(FLOCK, "--rate", "10").code == 0
    again, other = emit(FLOCK, "--rate", "10"), emit(FLOCK + FLOCK, "--rate", "10")
    assert (again.code, "emitted to its end (sheep.ndjson.progress)" in again.err) == (5, True)
    assert (other.code, "differs in: input" in other.err) == (5, True)
    keyed = emit(FLOCK, "--rate", "10", "--idempotency-key", "number")
    assert (keyed.code, "differs in: idempotency_key" in keyed.err) == (5, True)
    (service / PROGRESS).write_text("mine\n")
    assert emit(FLOCK, "--rate", "10").code == 2
    assert (service / PROGRESS).read_text() == "mine\n"
    (service / PROGRESS).unlink()
    assert emit(FLOCK, "--rate", "10").code == 0
    assert len({body["id"] for body in queue.bodies}) == 6


def test_a_pipe_has_a_rate_without_a_progress(emit: Emit, queue: MemoryQueue, no_pause: list[float]) -> None:
    """From stdin, an interrupted run says with which line to continue, as without a rate."""
    queue.refuse(calls=None)
    ended = emit(FLOCK, "--rate", "10", by="stdin")
    assert (ended.code, "Continue with line 1." in ended.err) == (1, True)


def test_a_run_pauses_while_the_queue_is_busy(
    emit: Emit, queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While more messages wait than are allowed nothing is sent, and stderr says so."""
    paused: list[float] = []

    def sleep(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 3:
            queue.delete([message.receipt_handle for message in queue.receive(10)])

    monkeypatch.setattr("penstock.cli.emit.run.Pace", partial(Pace, clock=lambda: sum(paused), sleep=sleep))
    queue.send([Outgoing(sheep(n)) for n in range(3)])
    ended = emit(FLOCK, "--rate", "10", "--max-waiting", "2")
    assert (ended.code, len(numbers(queue))) == (0, 3)
    assert "paused: about 3 messages wait on the queue (--max-waiting 2)" in ended.err
    assert "going on: about 0 messages" in ended.err
    assert emit(FLOCK, "--max-waiting", "2").code == 2


def test_every_line_may_expire_and_be_delayed(emit: Emit, queue: MemoryQueue) -> None:
    """A duration counts from now on; what cannot be kept is refused before anything is sent."""
    for words, text in (
        (("--delay", "16m"), "900 s at most"),
        (("--delay", "soon"), "not a duration"),
        (("--expires-at", "2020-01-01T00:00:00Z"), "has passed"),
        (("--expires-at", "later"), "from now"),
    ):
        ended = emit(FLOCK, *words)
        assert (ended.code, text in ended.err) == (2, True)
    assert queue.bodies == []
    assert emit(FLOCK, "--delay", "10m", "--expires-at", "1h").code == 0
    assert queue.depth().delayed == 3
    left = datetime.fromisoformat(queue.bodies[0]["expirytime"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
