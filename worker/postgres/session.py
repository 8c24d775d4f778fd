"""A connection to PostgreSQL that is made anew after each fault, and what its faults mean."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from worker.errors import ConfigError, FatalError, RetryError, WorkerError

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]

_RETRY_S = 0.5
# Without these a network that goes silent holds us for as long as TCP does, two hours.
_DEFAULTS: dict[str, Any] = {
    "application_name": "thread-history-sink",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# A process that is frozen within a transaction must not hold the partitions' rows for ever; nor must we wait so long.
_SESSION = "SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '40s'"
# The server is there and says no, but not for good.
_SOON = ("starting up", "shutting down", "recovery mode", "not yet accepting", "too many", "connection slots")


class Session:
    """One connection, made when it is asked for.

    Args:
        dsn: a connection string, as libpq takes it.
        password: the user's, if it is not in the connection string.

    Raises:
        ConfigError: the connection string is malformed, or has a password, too.
    """

    def __init__(self, dsn: str, password: str | None = None) -> None:
        try:
            self._options = _DEFAULTS | conninfo_to_dict(dsn)
        except psycopg.Error:
            # The driver's text repeats parts of it, which may be the password.
            raise ConfigError(
                "sink.dsn is no connection string of PostgreSQL: postgresql://user:password@host:5432/database "
                "or host=… dbname=…"
            ) from None
        if password is not None and "password" in self._options:
            raise ConfigError("sink.password_file: sink.dsn has a password, too; remove one of them")
        if password is not None:
            self._options["password"] = password
        self._connection: Connection | None = None
        # Run on each new connection.
        self.prepare: Callable[[Connection], None] = lambda _connection: None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Enter a transaction: committed at the end, rolled back on any exception.

        Raises:
            RetryError: the database is away or has too much to do; nobody knows whether the transaction was committed.
            FatalError: it refuses what we do.
        """
        try:
            connection = self._connected()
            with connection.transaction():
                yield connection
        except psycopg.Error as error:
            self.close()
            raise _fault(error) from error

    def wait(self, within_s: float) -> None:
        """Connect, waiting for a server that is not there yet.

        Raises:
            ConfigError: there is none within that time, or it does not let us in.
        """
        deadline = time.monotonic() + within_s
        while True:
            try:
                self._connected()
            except psycopg.OperationalError as error:
                text = _first_line(error)
                refused = "FATAL" in text and not any(soon in text for soon in _SOON)
                if refused or time.monotonic() > deadline:
                    raise ConfigError(
                        f"no database: {text}; check --dsn / THW_SINK__DSN, sink.dsn_file, sink.password_file"
                    ) from None
                time.sleep(_RETRY_S)
            else:
                return

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(**self._options, autocommit=True)
            try:
                connection.execute(_SESSION)
                self.prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Disconnect; the next use connects again."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def _fault(error: psycopg.Error) -> WorkerError:
    """Return what an error means; its text holds no payload."""
    state = error.sqlstate or ""
    # Class 54, a limit of the server's own, is called operational by the driver, and does not pass. A server that has
    # become a standby is read-only: the next connection may find its successor.
    passes = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not state.startswith("54")
    if passes or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return RetryError(f"PostgreSQL: {_first_line(error)}")
    if isinstance(error, psycopg.ProgrammingError):
        return FatalError(f"PostgreSQL refuses: {_first_line(error)} ({state})")
    where = ".".join(part for part in (error.diag.table_name, error.diag.column_name) if part)
    return FatalError(f"PostgreSQL refuses a row: {type(error).__name__} ({state}) {where}".rstrip())


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).partition("\n")[0]
