"""A URL with several hosts."""

from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from penstock.database import make_engine
from penstock.local.postgres import Postgres
from penstock.local.processes import LOOPBACK, free_port


@pytest.mark.parametrize("form", ["{0},{1}/{2}?", "/{2}?host={0}&host={1}&"])
def test_the_host_that_takes_writes_is_found(form: str, postgres: Postgres, database_url: str) -> None:
    """A host without a server is passed over, in libpq's form and in SQLAlchemy's."""
    server = urlsplit(database_url)
    places = f"{LOOPBACK}:{free_port()}", f"{server.hostname}:{server.port}", server.path.removeprefix("/")
    role = f"{server.username}:{server.password}@"
    engine = make_engine(f"postgresql://{role}{form.format(*places)}target_session_attrs=read-write")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT inet_server_port()")).scalar_one() == server.port
    engine.dispose()


def test_a_server_that_takes_no_writes_is_refused(database_url: str) -> None:
    """With target_session_attrs=read-write, a reader is not taken for the writer."""
    name = urlsplit(database_url).path.removeprefix("/")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    place = urlsplit(database_url).netloc
    several = f"postgresql://{place},{place.rpartition('@')[2]}/{name}"
    engine = make_engine(several)
    engine.connect().close()
    engine.dispose()
    with pytest.raises(OperationalError, match="session is read-only"):
        make_engine(f"{several}?target_session_attrs=read-write").connect()
