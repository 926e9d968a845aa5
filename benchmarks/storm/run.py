"""One storm against one contender, from a new server to the account."""

import time
from uuid import UUID

import psycopg

from benchmarks.storm.account import Account, take_account
from benchmarks.storm.contenders import CONTENDERS
from benchmarks.storm.load import Job, Load
from benchmarks.storm.model import ROLE, Storm
from benchmarks.storm.sampler import Sampler
from benchmarks.storm.server import server
from penstock.local.postgres import Postgres


def run_storm(contender: str, storm: Storm) -> Account:
    """Run a storm against a contender, with a new server; return the account.

    Args:
        contender: the name of the contender.
        storm: the storm.

    Raises:
        penstock.local.errors.LocalError: a server does not start.
    """
    with server() as (postgres, url), CONTENDERS[contender].place(postgres, url, storm) as place:
        with (
            Sampler(postgres.url()) as sampler,
            Load(Job(contender, place.address, place.environment, storm)) as load,
        ):
            start = load.begin()
            outage = _restart(postgres, start, storm) if storm.restart else None
            answers = load.answers()
            place.settle()
        samples = [(sample.at - start, sample.connections) for sample in sampler.samples if sample.at >= start]
        rows = _rows(postgres, start)
        return take_account(answers, rows, samples, seconds=storm.seconds, budget=place.budget, outage=outage)


def _restart(postgres: Postgres, start: float, storm: Storm) -> tuple[float, float]:
    """Restart Postgres in the middle of the storm; return when it went down and when it was up again."""
    middle = storm.seconds / 2
    _sleep_until(start + middle)
    postgres.stop()
    _sleep_until(start + middle + storm.down_seconds)
    postgres.start()
    return middle, time.monotonic() - start


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _rows(postgres: Postgres, start: float) -> list[tuple[UUID, float]]:
    """Read the id of each row, and when it was written, in seconds after the start."""
    began = time.time() - (time.monotonic() - start)
    with psycopg.connect(postgres.url(ROLE)) as connection:
        rows = connection.execute(
            f"SELECT request_id, extract(epoch FROM written_at)::float8 FROM {ROLE}"
        ).fetchall()
    return [(id_, at - began) for id_, at in rows]
