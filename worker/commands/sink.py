"""`sink postgres`: the mutation topics into tables."""

import logging
from typing import Annotated

import typer

from worker import app as parts
from worker import sinks
from worker.commands.options import ConfigOption, PrefixOption, ServersOption, settings
from worker.commands.service import until_stopped
from worker.runtime.clock import Clock
from worker.runtime.report import SILENCE
from worker.runtime.status import Status
from worker.telemetry.log import configure

log = logging.getLogger(__name__)

app = typer.Typer(no_args_is_help=True, help="Keep a store in step with the mutation topics.")


# Typer drops the only command of a group without this, and `sink postgres` would be `sink`.
@app.callback()
def _group() -> None:
    pass


@app.command()
def postgres(
    dsn: Annotated[
        str | None,
        typer.Option(
            "--dsn",
            metavar="DSN",
            help="The database. Better given as THW_SINK__DSN: others on the machine can see a program's arguments.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="The consumer group that shares the partitions. \\[default: one for each database]",
            show_default=False,
        ),
    ] = None,
    prefix: PrefixOption = None,
    once: Annotated[bool, typer.Option("--once", help="End when all that is there now is in the tables.")] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Empty the tables first, and read everything from the beginning.")
    ] = False,
    log_level: Annotated[
        str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR. \\[default: INFO]", show_default=False)
    ] = None,
) -> None:
    """Keep tables of a PostgreSQL database in step with the mutation topics, exactly once, until SIGTERM or Ctrl-C.

    Makes the tables thread_items, thread_turns, thread_lifecycle, threads and thread_progress, or brings them up to
    date. Start as many as you like; they share the partitions.

    [bold]Examples[/bold]

      THW_SINK__DSN=postgresql://sink:secret@db/threads thread-history-worker sink postgres

      thread-history-worker sink postgres --dsn "host=/run/postgresql dbname=threads" --once
    """
    found = settings(
        config,
        kafka__bootstrap_servers=bootstrap_servers,
        topics__prefix=prefix,
        sink__dsn=dsn,
        sink__group=group,
        log_level=log_level,
    )
    configure(found.log_level, Clock().now)
    status = Status(Clock())
    service = parts.telemetry(found, "sink", status)
    sink = sinks.postgres_sink(found, reset=reset, status=status, meter=service.meter if service else SILENCE)

    until_stopped(sink.stop)
    log.info("sink starts")
    sink.run(once=once)
    log.info("sink stopped", extra={"mutations": sink.records})
