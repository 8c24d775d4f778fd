"""The composition root of what has to do with PostgreSQL: the sink, and the tables as `verify` reads them."""

from collections import Counter
from typing import TYPE_CHECKING

from worker.app import topic_names, value_decoder
from worker.config import Settings
from worker.errors import ConfigError
from worker.kafka.acls import acls
from worker.kafka.ends import EndsWatch
from worker.kafka.share import TopicShare
from worker.kafka.topics import Topics
from worker.runtime.clock import Clock
from worker.runtime.ports import Meter
from worker.runtime.report import SILENCE
from worker.runtime.sink_report import SinkReport
from worker.runtime.sinking import Sinking
from worker.runtime.status import Status

if TYPE_CHECKING:
    from worker.postgres.session import Session
    from worker.postgres.shown import ShownTables
    from worker.postgres.tables import Table


def postgres_shown(settings: Settings) -> "ShownTables":
    """Return what reads the tables of a PostgreSQL store.

    Raises:
        ConfigError: no database answers, or none is named.
    """
    session, tables = _postgres(settings, "verify --store postgres")
    session.wait(settings.kafka.start_timeout_s)
    from worker.postgres.shown import ShownTables  # noqa: PLC0415 (an extra)

    return ShownTables(session, tables)


def postgres_pending(settings: Settings) -> int:
    """Return how many migrations the tables of a PostgreSQL store lack; nothing is changed.

    Raises:
        ConfigError: no database answers, a newer release has been at it, or its tables may not be made.
    """
    session, _ = _postgres(settings, "sink.dsn")
    session.wait(settings.kafka.start_timeout_s)
    from worker.postgres.migrations import pending  # noqa: PLC0415 (an extra)

    return pending(session)


def _postgres(settings: Settings, what: str) -> "tuple[Session, dict[str, Table]]":
    """Return a session with the database, and the table of each topic.

    Args:
        what: needs it.

    Raises:
        ConfigError: there is no driver, or no database is named.
    """
    try:
        # An extra: only those who use it have the driver.
        from worker.postgres.session import Session  # noqa: PLC0415
        from worker.postgres.tables import TABLES  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"{what} needs PostgreSQL's driver ({error}): pip install 'thread-history-worker[postgres]'"
        ) from None
    dsn = settings.sink.secret("dsn")
    if dsn is None:
        raise ConfigError("sink.dsn: which database? Set THW_SINK__DSN=postgresql://user:password@host/database")
    names = topic_names(settings).projections
    tables = {topic: TABLES[name] for name, topic in names.items() if name in TABLES}
    return Session(dsn, settings.sink.secret("password")), tables


def postgres_sink(
    settings: Settings, *, reset: bool = False, status: Status | None = None, meter: Meter = SILENCE
) -> Sinking:
    """Return a sink into PostgreSQL that is ready to run; its tables are up to date.

    Args:
        reset: empty the tables, so that everything is read again.
        status: is kept up to date.
        meter: is told how much is done.

    Raises:
        ConfigError: no broker or no database answers, a topic is missing, or the tables cannot be brought up to date.
    """
    session, tables = _postgres(settings, "sink postgres")
    from worker.postgres import store  # noqa: PLC0415 (an extra)

    sink, kafka = settings.sink, settings.kafka
    into = store.PostgresTables(session, tables, value_decoder(settings))
    into.open(kafka.start_timeout_s, reset=reset)
    topics, group = Topics(kafka), sink.group or into.group()
    named = settings.model_copy(update={"sink": sink.model_copy(update={"group": group})})
    topics.insist_on(acls("sink", named, topic_names(settings)))
    feed = TopicShare(kafka, group, list(tables), "thread-history-sink", meter)
    report = SinkReport(status, meter)
    known = {topic: store.Topic(topics.identity(topic), topics.delete_retention_s(topic)) for topic in tables}
    into.check(known, feed.ends(feed.places))
    if meter.on:
        for topic, count in Counter(topic for topic, _ in feed.places).items():
            meter.set("topic_partitions", count, topic)
        EndsWatch(kafka, report.status, next(iter(tables)))
    report.status.ready = True
    return Sinking(
        feed,
        into,
        Clock(),
        records_max=sink.batch_records_max,
        bytes_max=sink.batch_bytes_max,
        interval_s=sink.interval_s,
        give_up_after_s=sink.give_up_after_s,
        report=report,
    )
