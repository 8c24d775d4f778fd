"""The tables' versions: plain SQL files, applied in order, each once."""

from importlib.resources import files

from worker.errors import ConfigError
from worker.model.value import value
from worker.postgres.session import Connection, Session

# Two processes that start at once must not both apply them. Any number that nobody else locks.
_LOCK = 7_310_422_865_111_904

_THERE = """
    SELECT 1 FROM pg_catalog.pg_tables
    WHERE tablename = 'thread_migrations' AND schemaname = ANY (current_schemas(false))
"""

_RIGHTS = """
    SELECT current_user, current_database(), current_schema(), has_schema_privilege(current_schema(), 'CREATE'),
        has_database_privilege(current_database(), 'TEMPORARY')
"""


@value
class Migration:
    """One file: `0001_tables.sql`."""

    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Return all migrations in order."""
    folder = files("worker.postgres") / "sql"
    found = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))
    return [Migration(int(name[:4]), name[5:-4], sql) for name, sql in found]


def migrate(session: Session) -> list[int]:
    """Bring the tables up to date, all in one transaction; return the versions that were applied.

    A database that is up to date is only looked at, which needs no right to make tables.

    Raises:
        ConfigError: a newer release has been at these tables.
    """
    known = migrations()
    with session.transaction() as connection:
        if _version(connection) == known[-1].version:
            return []
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        version = _version(connection)
        _refuse_newer(version, known)
        new = [migration for migration in known if migration.version > version]
        for migration in new:
            _apply(connection, migration)
        return [migration.version for migration in new]


def pending(session: Session) -> int:
    """Return how many migrations the tables lack; nothing is applied.

    Raises:
        ConfigError: a newer release has been at these tables, or the user lacks a right.
    """
    known = migrations()
    with session.transaction() as connection:
        version = _version(connection)
        _refuse_newer(version, known)
        lacking = sum(migration.version > version for migration in known)
        _check_rights(connection, makes=lacking > 0)
    return lacking


def _check_rights(connection: Connection, *, makes: bool) -> None:
    row = connection.execute(_RIGHTS).fetchone()
    assert row is not None, "a query without a table gives a row"
    user, database, schema, may_create, may_hold = row
    if makes and schema is None:
        raise ConfigError("sink.dsn: no schema of the search_path is there for this user; make it, or name another")
    grants = []
    if makes and not may_create:
        grants.append(f'GRANT CREATE ON SCHEMA "{schema}" TO "{user}";')
    if not may_hold:
        grants.append(f'GRANT TEMPORARY ON DATABASE "{database}" TO "{user}";')
    if grants:
        raise ConfigError(f"sink.dsn: the user may not make the tables; run as the owner: {' '.join(grants)}")


def _refuse_newer(version: int, known: list[Migration]) -> None:
    if version > known[-1].version:
        raise ConfigError(
            f"the tables have version {version}, this release knows {known[-1].version}: run the newer release that "
            "made them"
        )


def _version(connection: Connection) -> int:
    # Not `to_regclass`: that answers from a cache which the wait for the lock does not refresh.
    if connection.execute(_THERE).fetchone() is None:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM thread_migrations").fetchone()
    assert row is not None, "an aggregate gives a row"
    version: int = row[0]
    return version


def _apply(connection: Connection, migration: Migration) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS thread_migrations "
        "(version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    # The files are ours and hold several statements, which only the simple protocol takes: no parameters.
    connection.execute(migration.sql.encode())
    connection.execute(
        "INSERT INTO thread_migrations (version, name) VALUES (%s, %s)", [migration.version, migration.name]
    )
