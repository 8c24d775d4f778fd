"""Telemetry as the settings want it."""

from worker import __version__
from worker.config import Settings
from worker.errors import ConfigError
from worker.model.mutation import SCHEMA_VERSION
from worker.runtime.ports import Tracer
from worker.runtime.status import Status
from worker.telemetry.definition import Role
from worker.telemetry.health import LOOP_S, SINK_LOOP_S, Limits
from worker.telemetry.service import Service


def opened(settings: Settings, role: Role, status: Status, *, topics: list[str], librdkafka: str) -> Service | None:
    """Return what others may see of this process, served at the port of the settings; None when they name none.

    Args:
        topics: those it reads.
        librdkafka: its version.

    Raises:
        ConfigError: the port cannot be had.
    """
    ours = settings.telemetry
    if ours.port is None:
        return None
    versions = {"version": __version__, "librdkafka": librdkafka, "schema_version": str(SCHEMA_VERSION)}
    service = Service(
        role,
        status,
        Limits(ours.stuck_after_s, ours.restore_within_s, LOOP_S if role == "worker" else SINK_LOOP_S),
        topics=topics,
        values={"projection": settings.projections},
        facts={**versions, "group": settings.group, "member": settings.member},
    )
    service.meter.set("build_info", 1, *versions.values())
    interval = f"{settings.loop.commit_interval_s:g}s"
    service.meter.set("config_info", 1, "exactly_once", "cooperative-sticky", interval)
    service.serve(ours)
    return service


def tracer(settings: Settings, topic: str) -> Tracer | None:
    """Return what makes spans of transactions, None when the settings want none.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    if not settings.telemetry.tracing:
        return None
    try:
        # An extra, and slow to import: only those who use it have it.
        from worker.telemetry import tracing  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"telemetry.tracing needs OpenTelemetry ({error}): pip install 'thread-history-worker[tracing]'"
        ) from None
    return tracing.Tracer(topic, name=settings.group, version=__version__)
