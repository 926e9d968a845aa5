"""The function that writes a set, and finds what Postgres refuses."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

CALL = "SELECT stale, duplicates, refused FROM penstock.write_set(%s, %s, %s, %s, '{}', %s, NULL)"
WRITE = """
INSERT INTO rows (id, name)
SELECT unnest($2[$6:$7]), unnest($4[$6:$7])
"""
FIRST = f"WITH written AS ({WRITE} RETURNING 1) SELECT (SELECT count(*) FROM written), ARRAY[]::uuid[]"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TABLE rows (id uuid, name text UNIQUE, CONSTRAINT good CHECK (name NOT LIKE 'bad%'))"
        )
        yield connection


def write_set(
    connection: psycopg.Connection[Any], names: Sequence[str], first: str = FIRST, then: str = WRITE
) -> tuple[int, list[UUID] | None, list[int]]:
    ids = [uuid4() for _ in names]
    rows: list[Any] = connection.execute(CALL, [first, then, len(names), ids, list(names)]).fetchall()
    (stale, duplicates, refused) = rows[0]
    return stale, duplicates, [place for place, *_ in refused]


def written(connection: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM rows").fetchall()]


def names_of(count: int, bad: Collection[int]) -> list[str]:
    return [f"bad {n}" if n in bad else f"good {n}" for n in range(1, count + 1)]


WITHOUT_DETAIL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.name LIKE 'bad%' THEN RAISE EXCEPTION 'no' {} END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.mark.parametrize(
    "trigger",
    [
        "",
        WITHOUT_DETAIL.format(";"),
        # It names another row, the same one each time.
        WITHOUT_DETAIL.format("USING DETAIL = 'good 7 or bad 7';"),
    ],
    ids=["values of the row", "no detail", "a false trail"],
)
def test_what_is_refused_is_found(connection: psycopg.Connection[Any], trigger: str) -> None:
    """Whatever an error says, those that are refused alone are refused, and all others are written once."""
    connection.execute(trigger)

    @given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n), max_size=15))))
    def check(case: tuple[int, set[int]]) -> None:
        count, bad = case
        connection.execute("TRUNCATE rows")
        _, _, refused = write_set(connection, names_of(count, bad))
        assert refused == sorted(bad)
        assert sorted(written(connection)) == sorted(n for n in names_of(count, bad) if n.startswith("good"))

    check()


def test_rows_that_exclude_each_other(connection: psycopg.Connection[Any]) -> None:
    """Of two rows of which Postgres takes either, but not both, one is written and one is refused."""
    names = [*names_of(40, {11}), "good 5", "good 30"]
    _, _, refused = write_set(connection, names)
    assert sorted(written(connection)) == sorted({*names} - {"bad 11"})
    assert len(refused) == 3


def test_a_set_with_many_is_given_up(connection: psycopg.Connection[Any]) -> None:
    """If many are refused, the rest of the set is not tried, and is told to be refused."""
    _, _, refused = write_set(connection, names_of(1000, set(range(101, 1001))))
    assert refused == list(range(101, 1001))
    assert len(written(connection)) == 100


@pytest.mark.parametrize(
    "sqlstate", ["40001", "40P01", "55P03", "53200", "57P01", "58030", "XX000", "08006", "25006"]
)
def test_an_unwell_database_is_no_rows_fault(connection: psycopg.Connection[Any], sqlstate: str) -> None:
    """An error that any set may have is raised as it is: nothing is looked for."""
    connection.execute(WITHOUT_DETAIL.format(f"USING ERRCODE = '{sqlstate}';"))
    with pytest.raises(psycopg.Error) as raised:
        write_set(connection, names_of(10, {4}))
    assert raised.value.sqlstate == sqlstate


def test_a_timeout_is_raised(connection: psycopg.Connection[Any]) -> None:
    """A statement that takes too long is cancelled as a whole, and not tried row by row."""
    connection.execute("SET LOCAL statement_timeout = '200ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        write_set(connection, names_of(10, ()), first="SELECT pg_sleep(30), NULL")


def test_the_first_statement_gets_the_whole_set_only(connection: psycopg.Connection[Any]) -> None:
    """What the first statement says of the whole set counts; once it is refused, the second one is used."""
    first = f"{FIRST.partition(') SELECT')[0]}) SELECT (SELECT count(*) FROM written), $2[1:1]"
    stale, duplicates, refused = write_set(connection, names_of(5, ()), first=first)
    assert (stale, len(duplicates or []), refused) == (5, 1, [])
    connection.execute("TRUNCATE rows")
    stale, duplicates, refused = write_set(connection, names_of(5, {2}), first=first, then=f"{WRITE} RETURNING 1")
    assert (stale, duplicates or [], refused) == (4, [], [2])


def test_an_empty_set_is_nothing(connection: psycopg.Connection[Any]) -> None:
    """A set without intents executes nothing."""
    assert write_set(connection, [], first="SELECT 1 / 0, NULL") == (0, None, [])


def test_it_runs_as_its_caller(connection: psycopg.Connection[Any]) -> None:
    """The function has no rights of its own: what the caller may not write, it does not write."""
    connection.execute("CREATE ROLE caller; GRANT USAGE ON SCHEMA penstock TO caller; SET ROLE caller")
    _, _, refused = write_set(connection, ["a"])
    assert refused == [1]
    connection.execute("RESET ROLE; DROP OWNED BY caller; DROP ROLE caller")
