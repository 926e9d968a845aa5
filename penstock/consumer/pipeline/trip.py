"""One round trip: statements that are sent together, and answered together (libpq, "Pipeline Mode").

It uses libpq directly. SQLAlchemy and psycopg take several times as long for a statement, which counts in a small
batch. Nothing blocks the interpreter: the watchdog can cut the connection off at any time.
"""

import select
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection

from penstock.consumer.pipeline.prepared import Prepared
from penstock.database.engine import READ_ONLY

_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
_SAVEPOINT = b"SAVEPOINT in_trip"
_RELEASE = b"RELEASE SAVEPOINT in_trip"
_BACK = b"ROLLBACK TO SAVEPOINT in_trip"

OnResult = Callable[[PGresult], None]
OnError = Callable[[psycopg.Error], bool]
"""Takes the error of a statement; returns whether the trip can go on behind the next `sync`."""


class Trip:
    """Statements on their way to Postgres, in a transaction of a connection that nothing else uses meanwhile.

    Attributes:
        begins: whether the trip has begun the transaction, so that nothing was done in it before.
    """

    def __init__(self, connection: Connection, on_wait: Callable[[], None]) -> None:
        """Take the connection; nothing is sent yet.

        Args:
            connection: in a transaction that has not begun on the server, or has.
            on_wait: called at each wait for the network.
        """
        driver: Any = connection.connection.driver_connection
        self._connection = connection
        self._pgconn: PGconn = driver.pgconn
        self._encoding: str = driver.info.encoding
        self._awaited: deque[tuple[OnResult | None, OnError | None]] = deque()
        self._failed: psycopg.Error | None = None
        self.begins = False
        self._prepared = Prepared.on(connection, self._pgconn)
        self._preparing: dict[bytes, bytes] = {}
        self._poll = select.poll()
        self._on_wait = on_wait

    def __enter__(self) -> Self:
        """Begin the trip, and the transaction if it has not begun."""
        psycopg.capabilities.has_pipeline(check=True)
        self.begins = self._pgconn.transaction_status == TransactionStatus.IDLE
        self._pgconn.enter_pipeline_mode()
        self._pgconn.nonblocking = 1
        if self.begins:
            try:
                self.send(_BEGIN)
            except BaseException:
                self._pgconn.exit_pipeline_mode()
                raise
        if question := self._prepared.question:
            self.send(question, on_result=self._prepared.note_process)
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for all answers, and leave the connection as it was.

        Raises:
            psycopg.Error: Postgres refused a statement, or the connection was lost. If the block raises an error,
                that is raised instead.
        """
        try:
            self.wait()
        except psycopg.Error:
            if error is None:
                raise
        finally:
            if self._pgconn.status == ConnStatus.OK:
                self._pgconn.exit_pipeline_mode()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait for all answers, and let the connection be used otherwise in the block.

        Raises:
            psycopg.Error: as `wait`.
        """
        self.wait()
        self._pgconn.exit_pipeline_mode()
        yield
        self._pgconn.enter_pipeline_mode()

    @property
    def keeps(self) -> bool:
        """Whether the session keeps statements."""
        return self._prepared.may_keep()

    def send(
        self,
        statement: bytes,
        arguments: Sequence[bytes | None] = (),
        types: Sequence[int] = (),
        formats: Sequence[int] = (),
        on_result: OnResult | None = None,
        *,
        on_error: OnError | None = None,
        keep: bool = False,
    ) -> None:
        """Add a statement. It is sent by `flush` or `wait`, or when many are to be sent.

        Args:
            statement: the text, with parameters `$1`, `$2`.
            arguments: the parameters.
            types: the type of each parameter, by its number in Postgres.
            formats: the format of each parameter: 0 for a text, 1 for the binary form; all are texts by default.
            on_result: takes the result; it is called by `wait`.
            on_error: the same for an error.
            keep: whether the session keeps the statement, if it can. Its plan then reckons with few rows.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        # Lists, which psycopg before 3.2.2 requires.
        if name := self._kept(statement, types) if keep else None:
            self._pgconn.send_query_prepared(name, [*arguments], [*formats] or None)
        else:
            self._pgconn.send_query_params(statement, [*arguments], [*types] or None, [*formats] or None)
        self._awaited.append((on_result, on_error))

    def sync(self) -> None:
        """Let Postgres go on here, if it refuses one of the statements before.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        self._pgconn.pipeline_sync()
        self._awaited.append((None, None))

    def _kept(self, statement: bytes, types: Sequence[int]) -> bytes | None:
        """Return the name by which the session keeps a statement, which may be on its way; None if it cannot."""
        name = self._prepared.name(statement) or self._preparing.get(statement)
        if name is None and self._prepared.may_keep():
            name, on_result = self._prepared.prepare(statement, types)
            self._preparing[statement] = name
            self._awaited.append((on_result, None))
        return name

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Send what the block sends under a savepoint. If it is refused, `go_back` leaves what was done before.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        self.send(_SAVEPOINT)
        yield
        self.send(_RELEASE)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let Postgres go on behind what the block sends, whether it was refused, and then undone, or not.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        with self.savepoint():
            yield
        # What follows undoes the block if it was refused, because then there is no second savepoint.
        self.send(_SAVEPOINT)
        self.sync()
        self.go_back()

    def go_back(self) -> None:
        """Go back to the savepoint, and release it.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        self.send(_BACK)
        self.send(_RELEASE)

    def begin_again(self) -> None:
        """Roll the transaction back, and begin another one.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        self.send(b"ROLLBACK")
        self.send(_BEGIN)

    def flush(self, *, answer: bool = False) -> None:
        """Send what was added, as far as the network takes it at once, so that Postgres begins.

        Args:
            answer: whether it is to answer what came before, too, without waiting for `wait`.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        if answer:
            self._pgconn.send_flush_request()
        self._pgconn.flush()

    def take_arrived(self) -> bool:
        """Pass the results on that have come, without waiting for others.

        Returns:
            Whether Postgres has refused a statement and nothing took the error: it writes nothing until `wait`.

        Raises:
            psycopg.Error: the connection was lost.
        """
        self._pgconn.consume_input()
        while self._awaited and not self._failed and not self._pgconn.is_busy():
            if result := self._received():
                self._take(result)
        return self._failed is not None

    def take_until(self, enough: Callable[[], bool]) -> bool:
        """Wait until enough results have come, and pass them on.

        Returns:
            As `take_arrived`.

        Raises:
            psycopg.Error: the connection was lost.
        """
        self._on_wait()
        self.flush(answer=True)
        while not self.take_arrived() and self._awaited and not enough():
            self._transfer()
        return self._failed is not None

    def wait(self) -> None:
        """Wait until all statements are answered, and pass their results on.

        Raises:
            psycopg.Error: the first error of Postgres that nothing took, and the transaction is broken; or the
                connection was lost.
        """
        if not self._awaited and not self._failed:
            return
        self._on_wait()
        self.sync()
        while self._awaited:
            while self._pgconn.is_busy():
                self._transfer()
            if result := self._received():
                self._take(result)
        failed, self._failed, self._preparing = self._failed, None, {}
        if failed:
            self._raise(failed)

    def _received(self) -> PGresult | None:
        """Return the next result that has come; several statements are told apart by none between them."""
        result = self._pgconn.get_result()
        if self._pgconn.status != ConnStatus.OK:
            if result:
                self._raise(psycopg.errors.error_from_result(result, encoding=self._encoding))
            raise psycopg.OperationalError("the connection is lost")
        return result

    def _take(self, result: PGresult) -> None:
        """Pass the result of the first statement that is awaited on."""
        on_result, on_error = self._awaited.popleft()
        if result.status == ExecStatus.FATAL_ERROR:
            error = psycopg.errors.error_from_result(result, encoding=self._encoding)
            self._failed = self._failed or (None if on_error and on_error(error) else error)
        elif on_result and result.status != ExecStatus.PIPELINE_ABORTED:
            on_result(result)

    def _transfer(self) -> None:
        """Wait for the network, and move what it takes and what it has."""
        unsent = self._pgconn.flush()
        self._poll.register(self._pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
        self._poll.poll()
        self._pgconn.consume_input()

    def _raise(self, error: psycopg.Error) -> None:
        self._prepared.note_error(error.sqlstate)
        if error.sqlstate == READ_ONLY:
            self._connection.invalidate(error)
        raise error
