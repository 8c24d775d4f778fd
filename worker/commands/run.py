"""`run`: the worker."""

import logging
from typing import Annotated

import typer

from worker import __version__, app
from worker.commands.options import (
    ConfigOption,
    GroupOption,
    InstanceOption,
    PrefixOption,
    ServersOption,
    StateFolderOption,
    settings,
)
from worker.commands.service import until_stopped
from worker.runtime.clock import Clock
from worker.runtime.report import SILENCE
from worker.runtime.status import Status
from worker.telemetry.log import configure

log = logging.getLogger(__name__)


def run(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    instance: InstanceOption = None,
    prefix: PrefixOption = None,
    state_folder: StateFolderOption = None,
    on_lost_offset: Annotated[
        str | None,
        typer.Option(
            "--on-lost-offset",
            metavar="fail|skip",
            help="When input was removed before it was read: stop, or go on without it. \\[default: fail]",
            show_default=False,
        ),
    ] = None,
    forget_after: Annotated[
        float | None,
        typer.Option(
            "--forget-after",
            metavar="DAYS",
            help="Forget threads that get no record for so long, as if a null had come for them. \\[default: none]",
            show_default=False,
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR. \\[default: INFO]", show_default=False)
    ] = None,
) -> None:
    """Run the worker: consume rollout items, publish mutations, until SIGTERM or Ctrl-C.

    Start as many as there are partitions, each with an instance name of its own; they share the work. A second one of
    the same name supersedes the first.

    [bold]Examples[/bold]

      thread-history-worker run

      thread-history-worker run --bootstrap-servers kafka:9092 --instance 1

      THW_LOOP__COMMIT_INTERVAL_S=1 thread-history-worker run --config worker.toml
    """
    found = settings(
        config,
        kafka__bootstrap_servers=bootstrap_servers,
        group=group,
        instance=instance,
        topics__prefix=prefix,
        store__folder=state_folder,
        on_lost_offset=on_lost_offset,
        forget_after_days=forget_after,
        log_level=log_level,
    )
    configure(found.log_level, Clock().now)
    status = Status(Clock())
    service = app.telemetry(found, "worker", status)
    worker = app.worker(found, status, service.meter if service else SILENCE)
    until_stopped(worker.stop)
    log.info("worker starts", extra={"version": __version__, "group": found.group, "member": found.member})
    worker.run()
    log.info("worker stopped")
