"""The command line: what it prints where, what it changes, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    TokenRetrievalError,
)

from penstock.cli.run import explain, redact
from penstock.cli.support.project import Project
from penstock.consumer.dead_letter import DeadLetter
from penstock.local import state
from penstock.local.postgres import Postgres
from penstock.queue import Outgoing, QueueError, Refusal, SqsQueue
from tests.support.cli_stack import PROGRAM, Ended, Run, Stack, id_of, in_terminal, letter, record
from tests.support.project import SESSION

NOWHERE = "http://127.0.0.1:1"


def fingerprint_of(message: Outgoing) -> str:
    """Return the fingerprint in a message's letter."""
    read = DeadLetter.read(message.attributes)
    assert read
    assert read.fingerprint
    return read.fingerprint


FINGERPRINT = fingerprint_of(letter(1))


@pytest.fixture
def stack(shop: Stack) -> Stack:
    """The deployed queues, in place of the whole service."""
    return shop


# Looking


def test_a_list_is_lines_under_a_header_when_piped(stack: Stack, run: Run) -> None:
    """Stdout holds one line per dead letter, tab-separated; that a look counts is said on stderr."""
    stack.dead.send([letter(1), Outgoing("\x1b[31mhello\n")][:1])
    ended = run("dlq", "list")
    header, line = (line.split("\t") for line in ended.out.splitlines())
    row = dict(zip(header, line, strict=True))
    assert (ended.code, row["id"], row["kind"]) == (0, id_of(1), "email.requested")
    assert row["detail"] == "NotNullViolation: sqlstate 23502, table emails, column subject"
    assert row["fingerprint"] == FINGERPRINT
    assert "receive" in ended.err
    assert stack.dead.depth().visible == 1


def test_a_payload_is_shown_only_on_request(stack: Stack, run: Run) -> None:
    """Nothing of the data is printed without --reveal."""
    stack.dead.send([letter(1)])
    for words in ((), ("--json",)):
        assert "someone@example.org" not in run("dlq", "list", *words).out
        assert "someone@example.org" in run("dlq", "list", "--reveal", *words).out


def test_json_tells_where_each_came_from(stack: Stack, run: Run) -> None:
    """An object per line, with the letter's words, times in RFC 3339 and who put it there."""
    moved = Outgoing(json.dumps({"specversion": "1.0", "id": id_of(2), "type": "order.placed"}))
    stack.dead.send([letter(1), moved, Outgoing("hello")])
    rows = {row["origin"]: row for row in run("dlq", "list", "--json").rows}
    assert (rows["drain"]["reason"], rows["drain"]["sqlstate"]) == ("NotNullViolation", "23502")
    assert [rows[origin]["fingerprint"] for origin in ("drain", "sqs", "other")] == [FINGERPRINT, None, None]
    assert (rows["sqs"]["id"], rows["sqs"]["fault"]) == (id_of(2), None)
    assert (rows["other"]["id"], rows["other"]["kind"]) == (None, None)
    assert rows["drain"]["expires_at"] > rows["drain"]["sent_at"]


def test_a_senders_control_sequences_stay_out_of_the_terminal(stack: Stack, run: Run) -> None:
    """What a sender made up is printed without line breaks, tabs and control characters."""
    kind = "red\x1b[31m\nkind\t"
    body = json.dumps({"specversion": "1.0", "id": id_of(1), "type": kind})
    stack.dead.send([Outgoing(body)])
    ended = run("dlq", "list")
    assert len(ended.out.splitlines()) == 2
    assert "\x1b" not in ended.out
    assert "\x1b" not in run("dlq", "list", "--json", "--reveal").out


def test_copies_are_shown_one_at_a_time(stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many messages have one id, memory holds one of them: each is printed as it is found."""
    stack.dead.send([letter(1)] * 3)
    leased: list[int] = []
    monkeypatch.setattr(
        "penstock.cli.dlq.inspect.print_line", lambda *_, **__: leased.append(stack.dead.depth().in_flight)
    )
    assert run("dlq", "show", id_of(1), "--json").code == 0
    assert leased == [3, 3, 3]


def test_an_empty_queue_prints_no_data(stack: Stack, run: Run) -> None:
    """Nothing on stdout, a word on stderr, exit code 0."""
    assert run("dlq", "list") == Ended(0, "", "There are no dead letters.\n")


def test_a_list_is_bounded_and_says_so(stack: Stack, run: Run) -> None:
    """--limit bounds it, and stderr says that there may be more."""
    stack.dead.send([letter(number) for number in range(3)])
    ended = run("dlq", "list", "--limit", "2", "--json")
    assert len(ended.rows) == 2
    assert "There may be more" in ended.err


# Replaying


def test_a_replay_by_id_moves_that_one(stack: Stack, run: Run) -> None:
    """The one asked for is on the queue, as its sender wrote it; the others stay."""
    stack.dead.send([letter(1), letter(2)])
    ended = run("dlq", "replay", "--id", id_of(2), "--json")
    (row,) = ended.rows
    assert (ended.code, row["outcome"], row["id"]) == (0, "replayed", id_of(2))
    (sent,) = stack.main.receive(10)
    assert (json.loads(sent.body)["id"], set(sent.attributes)) == (id_of(2), {"type", "penstock.replay"})
    assert (stack.dead.depth().visible, stack.dead.depth().total) == (1, 1)


def test_a_replay_of_all_moves_all(stack: Stack, run: Run) -> None:
    """With --all --yes every message goes, and stderr counts them."""
    stack.dead.send([letter(number) for number in range(12)])
    ended = run("dlq", "replay", "--all", "--yes")
    assert (ended.code, len(ended.out.splitlines())) == (0, 12)
    assert "12 replayed" in ended.err
    assert (stack.dead.depth().total, stack.main.depth().total) == (0, 12)


def test_an_id_that_is_not_there_fails(stack: Stack, run: Run) -> None:
    """Nothing moves; the id is named on stderr and the exit code is 1."""
    stack.dead.send([letter(1)])
    ended = run("dlq", "replay", "--id", id_of(9))
    assert (ended.code, ended.out) == (1, "")
    assert f"no dead letter has the id {id_of(9)}" in ended.err
    assert "There are no dead letters" not in ended.err
    assert stack.main.depth().total == 0


@pytest.mark.parametrize("words", [[], ["--all", "--id", "x"], ["--id", ""], ["--all", "--nosuch"]])
def test_a_replay_has_to_be_told_what(folder: Path, run: Run, words: list[str]) -> None:
    """Neither, both, or a blank id is wrong usage: exit code 2, before anything is looked up."""
    ended = run("dlq", "replay", *words)
    assert (ended.code, ended.out) == (2, "")


@pytest.mark.parametrize("words", [[], ["--no-input"]])
def test_a_replay_of_all_needs_a_yes(stack: Stack, run: Run, words: list[str]) -> None:
    """Where nobody can be asked, --all without --yes does nothing: exit code 3."""
    stack.dead.send([letter(1)])
    ended = run("dlq", "replay", "--all", *words)
    assert (ended.code, ended.out) == (3, "")
    assert "--yes" in ended.err
    assert stack.dead.depth().visible == 1


def test_a_terminal_gets_a_table_and_a_question(stack: Stack) -> None:
    """On a terminal a list is a table, and --all asks; a no does nothing and ends with 3."""
    stack.dead.send([letter(1)])
    _, screen = in_terminal(["dlq", "list"], "")
    assert "┃" in screen
    assert id_of(1) in screen
    assert FINGERPRINT in screen
    code, screen = in_terminal(["dlq", "replay", "--all"], "n\n")
    assert "Replay all dead letters (about 1)?" in screen
    assert (code, stack.dead.depth().visible) == (3, 1)
    assert in_terminal(["dlq", "replay", "--all"], "y\n")[0] == 0
    assert stack.main.depth().total == 1


def test_an_interrupted_replay_says_how_far_it_came(
    stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends with 130, tells what was done so far, and gives back what was not."""
    stack.dead.send([letter(number) for number in range(12)])

    def interrupt(*words: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("penstock.cli.dlq.replay.print_line", interrupt)
    ended = run("dlq", "replay", "--all", "--yes")
    assert ended.code == 130
    assert "so far: 10 replayed" in ended.err
    assert stack.dead.depth().in_flight == 0
    assert stack.dead.depth().total + stack.main.depth().total == 12


def test_a_replay_whose_credentials_run_out_ends_as_such(
    stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that expires half way ends with 4, and nobody is told to try the same again later."""
    stack.dead.send([letter(number) for number in range(35)])

    def expired(_queue: SqsQueue, messages: Sequence[Outgoing]) -> dict[int, Refusal]:
        return dict.fromkeys(range(len(messages)), Refusal("ExpiredToken", retryable=False))

    monkeypatch.setattr(SqsQueue, "send", expired)
    ended = run("dlq", "replay", "--all", "--yes")
    assert ended.code == 4
    assert "Check the AWS credentials" in ended.err
    assert stack.dead.depth().visible == 35


# Finding the stage


def test_a_stage_must_be_known(folder: Path, run: Run) -> None:
    """Without --stage and without a recorded local stack the usage is wrong, and the way out is told."""
    ended = run("dlq", "list")
    assert ended.code == 2
    assert "--stage" in ended.err
    ended = run("dlq", "list", "--stage", "local")
    assert ended.code == 1
    assert "penstock local up" in ended.err


def test_a_service_must_be_known(folder: Path, run: Run) -> None:
    """Without serverless.yml the service has to be given."""
    ended = run("dlq", "list", "--stage", "dev", "--region", "eu-west-1")
    assert ended.code == 2
    assert "--service" in ended.err


def test_a_missing_stack_is_named(stack: Stack, run: Run) -> None:
    """The stack that is not there is named, with the options to check."""
    ended = run("dlq", "list", "--service", "other")
    assert ended.code == 1
    assert "there is no stack other-local in us-east-1: check --stage" in ended.err


def test_an_absent_aws_is_told_in_short(folder: Path, run: Run) -> None:
    """No traceback, unless --debug asks for it, anywhere among the words."""
    record(folder, endpoint_url=NOWHERE)
    ended = run("dlq", "list", "--service", "shop")
    assert ended.code == 1
    assert "penstock local up" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in run("dlq", "list", "--service", "shop", "--debug").err


def test_missing_credentials_have_their_own_code(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, or a profile that does not exist, ends with 4; no region is wrong usage."""
    words = ("dlq", "list", "--stage", "dev", "--service", "shop")
    assert run(*words, "--profile", "nobody").code == 4
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert run(*words).code == 2
    assert run(*words, "--region", "eu-west-1").code == 4


@pytest.mark.parametrize(
    "error",
    [
        TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        CredentialRetrievalError(provider="custom-process", error_msg="exit 1"),
        ClientError({"Error": {"Code": "InvalidToken", "Message": "malformed"}}, "ReceiveMessage"),
        ClientError({"Error": {"Code": "RequestExpired", "Message": "old"}}, "ReceiveMessage"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_credentials_that_ran_out_have_the_same_code(error: Exception) -> None:
    """A session of single sign-on that is over, or a helper that gives nothing, is a matter of credentials."""
    text, code = explain(error)
    assert code == 4
    assert "--profile" in text


def test_refused_credentials_are_recognised_through_the_queue() -> None:
    """An expired token is told as such wherever it was met."""
    expired = ClientError({"Error": {"Code": "ExpiredToken", "Message": "The token is old"}}, "ReceiveMessage")
    error = QueueError("the queue cannot be read")
    error.__cause__ = expired
    text, code = explain(error)
    assert code == 4
    assert "The token is old" in text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("service: shop\n", "shop"),
        ("service:\n  name: shop\n", "shop"),
        ("service: ${env:X}\n", None),
        ("provider: {a: !GetAtt [b, c], d: !Sub {x: y}}\nservice: shop\n", "shop"),
        ("[1]", None),
    ],
)
def test_the_service_is_read_from_serverless_yml(folder: Path, text: str, name: str | None) -> None:
    """Its name is found in each of the forms it may have, from a folder further in as well."""
    (folder / "serverless.yml").write_text(text)
    inner = folder / "consumer" / "deep"
    inner.mkdir(parents=True)
    assert Project.find(inner) == Project(folder, name)


def test_a_broken_serverless_yml_is_named(folder: Path, run: Run) -> None:
    """A file that is not YAML is told in a line."""
    (folder / "serverless.yml").write_text("a: [")
    ended = run("dlq", "list", "--stage", "dev")
    assert ended.code == 1
    assert "serverless.yml is not YAML" in ended.err


# The database


@pytest.fixture
def empty_database(postgres: Postgres) -> str:
    """Make an empty database and return its URL."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgres.url(name)


MIGRATION = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    op.execute("CREATE TABLE things (id int)")
"""


def test_an_upgrade_runs_once(folder: Path, run: Run, empty_database: str) -> None:
    """The framework's revisions and the service's are applied and printed; a second run finds nothing to do."""
    versions = folder / "infra" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_things.py").write_text(MIGRATION)
    (folder / "serverless.yml").write_text("service: shop\n")
    first = run("db", "upgrade", "--database-url", empty_database)
    assert first.code == 0
    assert [line.split()[0] for line in first.out.splitlines()][-1] == "service"
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (0,)
    second = run("db", "upgrade", "--database-url", empty_database, "--json")
    assert (second.code, second.out) == (0, "")
    assert "already up to date" in second.err


def test_the_database_is_found(
    folder: Path, run: Run, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded local stack has it; the environment goes before that."""
    record(folder, database_url=empty_database)
    assert run("db", "upgrade").out
    assert "already up to date" in run("db", "upgrade", "--stage", "local").err
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x")
    ended = run("db", "upgrade", "--stage", "local")
    assert ended.code == 1
    assert "127.0.0.1:1" in ended.err


def test_the_database_of_a_stage_is_in_its_secret(stack: Stack, run: Run, empty_database: str) -> None:
    """For a deployed stage the URL comes from Secrets Manager, by name or ARN; a missing one is named."""
    local = state.load(stack.folder)
    assert local
    service = Project.find(stack.folder).name(None)
    with closing(SESSION.client("secretsmanager", endpoint_url=local.endpoint_url)) as client:
        way = ("--region", "us-east-1", "--endpoint-url", local.endpoint_url)
        words = ("db", "upgrade", "--stage", "dev", *way)
        missing = run(*words)
        assert missing.code == 1
        assert f"there is no secret penstock/{service}/dev/database-url" in missing.err
        arn = client.create_secret(Name=f"penstock/{service}/dev/database-url", SecretString=empty_database)["ARN"]
        assert run(*words).out
        assert "already up to date" in run(*words, "--database-url", arn).err


def test_pruning_says_what_it_did(folder: Path, run: Run, empty_database: str) -> None:
    """The database is found as for an upgrade; what was done is on stdout, for people and as JSON."""
    record(folder, database_url=empty_database)
    run("db", "upgrade")
    ended = run("db", "prune")
    assert (ended.code, ended.out.splitlines()[:2]) == (0, ["rotation\tnot-due", "tombstones\t0"])
    assert "127.0.0.1" in ended.err
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '30 days'")
    answer = json.loads(run("db", "prune", "--stage", "local", "--json").out)
    assert (answer["rotation"], answer["tombstones"]) == ("rotated", 0)


def test_a_pruning_that_had_to_give_way_is_a_conflict(
    run: Run, folder: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the ledger was in use all the time the command says so and ends with 5."""
    monkeypatch.setattr("penstock.cli.commands.db._PRUNING_SECONDS", 4)
    (folder / "serverless.yml").write_text("service: shop\n")
    words = ("--database-url", empty_database)
    run("db", "upgrade", *words)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '30 days'")
        connection.commit()
        connection.execute("SELECT FROM penstock.ledger")
        ended = run("db", "prune", *words)
    assert (ended.code, ended.out.splitlines()[0]) == (5, "rotation\tpostponed")
    assert "run it again" in ended.err


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hunter2@127.0.0.1:1/x", "mysql://u:hunter2@h/x", "u:hunter2", "postgresql://u:hunter2@:x/"],
)
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_password_is_never_printed(folder: Path, run: Run, url: str, debug: tuple[str, ...]) -> None:
    """Whatever is wrong with a database URL, its password stays out of what is said."""
    ended = run("db", "upgrade", "--database-url", url, *debug)
    assert ended.code in {1, 2}
    assert "hunter2" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresql://u:hunter2@h:abc/x", "postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"),
        ("mysql://u:hunter2@h/x", "postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"),
        ("postgresql://u:p@hunter2@127.0.0.1:1/x", "write one in a password as %40"),
        ("postgresql://u:p@hun/ter2@127.0.0.1:1/x", "write one in a password as %40"),
    ],
)
def test_a_database_url_that_cannot_be_meant_is_wrong_usage(folder: Path, run: Run, url: str, hint: str) -> None:
    """A bad port, another database or an @ too many ends with 2 and the way out, and no part is printed."""
    ended = run("db", "upgrade", "--database-url", url)
    assert (ended.code, ended.out) == (2, "")
    assert hint in ended.err
    assert "ter2" not in ended.err


def test_passwords_are_struck_out() -> None:
    """URLs and connection strings keep all but their passwords."""
    assert redact("at postgresql://u:p@ss/w@h:1/x!") == "at postgresql://u:***@h:1/x!"
    assert redact("host=h password='a b' user=u") == "host=h password=*** user=u"


# The program


def penstock(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, timeout=60, **options)


def test_the_program_runs() -> None:
    """The installed command tells its version, and wrong usage on stderr with exit code 2."""
    assert penstock("--version").stdout == penstock("--version", "--debug").stdout == "penstock 0.1.0\n"
    wrong = penstock("dlq", "nosuch")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_a_senders_letters_stop_no_replay_where_stdout_has_none_of_them(stack: Stack) -> None:
    """A kind that the output's encoding has no letters for is written in escapes, and the run goes on."""
    body = {"specversion": "1.0", "id": id_of(1), "type": "\u4f60\u597d", "data": {}}
    stack.dead.send([Outgoing(json.dumps(body)), letter(2)])
    variables = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ended = penstock("dlq", "replay", "--all", "--yes", env=variables, cwd=stack.folder)
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 2)
    assert "\\u4f60" in ended.stdout
    assert stack.main.depth().total == 2


def test_the_version_is_told_at_once() -> None:
    """Nothing that only commands need is loaded for --version."""
    code = "import atexit, sys; from penstock.cli import main; atexit.register(lambda: print(*sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; main(['--version'])"], capture_output=True, text=True, check=True
    )
    assert not {"typer", "sqlalchemy", "alembic"} & set(done.stdout.split())


def test_without_the_extra_the_way_out_is_told() -> None:
    """Where Typer is not installed the command says what to install, in one line, and exits with 1."""
    code = "import sys; sys.modules['typer'] = None; from penstock.cli import main; main(['--version'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "penstock: the command line is not installed: pip install 'penstock[cli]'\n"


@pytest.mark.parametrize(
    "words",
    [
        *((), ("dlq",), ("dlq", "list"), ("dlq", "replay"), ("db",), ("db", "upgrade"), ("db", "prune")),
        *(("check",), ("status",), ("top",), ("audit",), ("ledger",), ("ledger", "show")),
        *(("breaker",), ("breaker", "status"), ("breaker", "open"), ("breaker", "close")),
    ],
)
def test_every_command_has_help_with_an_example(run: Run, words: tuple[str, ...]) -> None:
    """Help goes to stdout and shows how the command is used."""
    ended = run(*words, "--help")
    assert ended.code == 0
    assert "Example" in ended.out
    assert "\x1b" not in ended.out
