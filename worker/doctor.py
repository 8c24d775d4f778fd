"""What can be found wrong before a worker is started, and beside one that runs; nothing is changed.

Each check is a small function: it returns what it found, or raises an error that names what is wrong and what to do. A
check whose needs are not met is skipped; one that fails stops no other. Every wait has a bound.
"""

import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Literal

from worker import app, sinks
from worker.config import Settings
from worker.errors import ConfigError, RetryError, WorkerError
from worker.kafka.acls import acls
from worker.kafka.examination import Examination
from worker.kafka.group import GroupProgress
from worker.kafka.offsets import LOST_GROUP_OFFSET_REMEDY, lost_changelog, lost_group_offset, lost_offset
from worker.kafka.topics import Topics, insist, wanted
from worker.model.value import value
from worker.runtime.clock import Clock
from worker.store.folder import examine as examine_folder
from worker.store.folder import in_use
from worker.telemetry.http import serve

Result = Literal["pass", "fail", "skipped"]

# The least that a start may leave for the state to grow.
FREE_BYTES_MIN = 1 << 30
# How long brokers, registry and database may take to answer; a start may wait longer.
_ANSWER_S_MAX = 10.0
_TRIES = 4
_PAUSE_S = 0.5


class SkippedError(Exception):
    """There is nothing to check; the text says why."""


@value
class Outcome:
    """What a check found.

    Attributes:
        told: what was found; of one that failed, with the remedy.
    """

    check: str
    result: Result
    told: str


class Patient:
    """The worker that the settings describe, and its surroundings; each part is made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        answer_s = min(settings.kafka.start_timeout_s, _ANSWER_S_MAX)
        kafka = settings.kafka.model_copy(update={"start_timeout_s": answer_s})
        self.settings = settings.model_copy(update={"kafka": kafka})
        self.names = app.topic_names(settings)
        self.wanted = wanted(self.names)

    @cached_property
    def topics(self) -> Topics:
        """The topics as a start looks at them."""
        return Topics(self.settings.kafka)

    @cached_property
    def examination(self) -> Examination:
        """What is asked beyond that."""
        return Examination(self.settings.kafka)

    @cached_property
    def partitions(self) -> int:
        """How many the input topic has."""
        return self.topics.partitions()[self.names.input]

    def progress(self, topic: str) -> GroupProgress:
        """Return what asks how far the group has come on a topic."""
        return GroupProgress(self.settings.kafka, self.settings.group, topic, self.partitions)

    @cached_property
    def offsets(self) -> dict[int, int | None]:
        """The committed input offsets; asking for them finds the group's coordinator, which the next two need."""
        return self.progress(self.names.input).offsets()

    @cached_property
    def holder(self) -> str | None:
        """The address of the process that has our name in the group now."""
        assert self.offsets is not None, "the coordinator has answered"
        return self.examination.holder(self.settings.group, self.settings.member)

    @cached_property
    def runs_here(self) -> bool:
        """Whether a process on this machine has the state folder."""
        return examine_folder(self.settings.state_folder)


def _broker(patient: Patient) -> str:
    count = len(patient.topics.partitions())
    return f"{patient.settings.kafka.bootstrap_servers} answers and shows {count} topics"


def _rights(patient: Patient) -> str:
    patient.topics.insist_on(acls("worker", patient.settings, patient.names))
    return "topics and group may be used as a worker must; whether its transactions may, only a start tells"


def _topics(patient: Patient) -> str:
    findings = patient.topics.check(patient.wanted)
    insist(findings)
    advice = "".join(f"; advice: {finding.remedy}" for finding in findings)
    return f"{len(patient.wanted)} topics of {patient.partitions} partitions{advice}"


def _replicas(patient: Patient) -> str:
    least = patient.topics.least_replicas([topic.name for topic in patient.wanted])
    short = list(patient.examination.short_of_replicas(patient.wanted, least))
    if short:
        raise ConfigError(
            f"nobody can write to {len(short)} partitions, the first: {short[0]}; start the brokers that are away, or "
            "lower the topic's min.insync.replicas"
        )
    return f"all partitions can be written to, min.insync.replicas is {min(least.values())}"


def _limits(patient: Patient) -> str:
    try:
        limits = patient.examination.limits()
    except ConfigError as error:
        raise SkippedError(f"the brokers' limits are not shown to this user: {error}") from None
    kafka, longest = patient.settings.kafka, limits["transaction.max.timeout.ms"]
    if kafka.transaction_timeout_ms > longest:
        raise ConfigError(
            f"kafka.transaction_timeout_ms is {kafka.transaction_timeout_ms}, the brokers allow {longest}: lower it, "
            "or raise transaction.max.timeout.ms there"
        )
    least, most = limits["group.min.session.timeout.ms"], limits["group.max.session.timeout.ms"]
    if not least <= kafka.session_timeout_ms <= most:
        raise ConfigError(
            f"kafka.session_timeout_ms is {kafka.session_timeout_ms}, the brokers allow {least} to {most}: change it, "
            "or group.min.session.timeout.ms and group.max.session.timeout.ms there"
        )
    return "the timers are in order and within what the brokers allow"


def _registry(patient: Patient) -> str:
    settings = patient.settings
    if settings.encoding != "avro-registry":
        raise SkippedError(f"encoding is {settings.encoding}")
    app.insist_on_registry(settings)
    return f"{settings.registry.url} answers and takes the schemas"


def _name(patient: Patient) -> str:
    member, holder = patient.settings.member, patient.holder
    if holder is None:
        return f"nobody in the group is called {member}"
    if not patient.runs_here:
        raise ConfigError(
            f"{member} is the name of a member at {holder}, and no process here has its state: a worker started now "
            "supersedes it. Give each an instance name of its own (--instance, THW_INSTANCE), or wait for the session "
            "timeout if it was killed"
        )
    return f"{member} runs on this machine"


def _offsets(patient: Patient) -> str:
    settings, input_topic = patient.settings, patient.names.input
    progress = patient.progress(input_topic)
    begins, ends, known = progress.begins(), progress.ends(), _known(patient.offsets)
    found = [
        lost_offset(settings.group, (input_topic, number), offset, begins[number], ends[number])
        for number, offset in known.items()
    ]
    lost = [told for told in found if told is not None]
    if lost and settings.on_lost_offset == "fail":
        raise ConfigError(
            f"{'; '.join(lost)}. Restore them, or start with --on-lost-offset skip (on_lost_offset) to go on without "
            "them"
        )
    behind = sum(end - known.get(number, begins[number]) for number, end in ends.items())
    passed = f"; passed over, as on_lost_offset says: {'; '.join(lost)}" if lost else ""
    return (
        f"{len(known)} of {len(ends)} partitions have a committed offset, {behind} offsets are still to be read{passed}"
    )


def _changelog(patient: Patient) -> str:
    settings, changelog = patient.settings, patient.names.changelog
    ends, known = patient.progress(changelog).ends(), _known(patient.offsets)
    for number, end in ends.items():
        told = lost_changelog(changelog, number, known.get(number), 0, end)
        if told is not None:
            raise ConfigError(told)
        if end and number not in known and settings.on_lost_offset == "fail":
            raise ConfigError(f"{lost_group_offset(changelog, number)}. {LOST_GROUP_OFFSET_REMEDY}")
    return f"{changelog} is as long as it must be"


def _known(offsets: dict[int, int | None]) -> dict[int, int]:
    return {number: offset for number, offset in offsets.items() if offset is not None}


def _state(patient: Patient) -> str:
    folder = patient.settings.state_folder
    if not patient.runs_here:
        return f"{folder} can be used"
    try:
        running = patient.holder is not None
    except (WorkerError, KeyError):
        raise SkippedError(f"{folder} is in use, and no broker tells by whom") from None
    if not running:
        raise ConfigError(in_use(folder))
    return f"{folder} is in use by the worker that runs"


def _disk(patient: Patient) -> str:
    folder = patient.settings.state_folder
    place = next(there for there in (folder, *folder.parents) if there.exists())
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES_MIN:
        raise ConfigError(
            f"{free / 2**20:.0f} MiB are free for {folder}, {FREE_BYTES_MIN >> 20} should be: make room, or name a "
            "folder on another disk (store.folder)"
        )
    return f"{free / 2**30:.0f} GiB are free for {folder}"


def _port(patient: Patient) -> str:
    telemetry = patient.settings.telemetry
    if telemetry.port is None:
        raise SkippedError("telemetry.port is not set")
    if patient.runs_here:
        raise SkippedError("the worker that runs has it")
    serve(telemetry.host, telemetry.port, {})()
    return f"{telemetry.host}:{telemetry.port} is free"


def _postgres(patient: Patient) -> str:
    if patient.settings.sink.secret("dsn") is None:
        raise SkippedError("sink.dsn is not set")
    pending = sinks.postgres_pending(patient.settings)
    return f"the database answers; {pending or 'no'} migrations are to be applied at the next start of the sink"


# Name, the checks that must have passed, and what it does; in the order of the report.
CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Patient], str]], ...] = (
    ("state folder", (), _state),
    ("free disk", (), _disk),
    ("metrics port", ("state folder",), _port),
    ("broker", (), _broker),
    ("timers", ("broker",), _limits),
    ("topics", ("broker",), _topics),
    ("rights", ("topics",), _rights),
    ("replicas", ("topics",), _replicas),
    ("registry", (), _registry),
    ("input offsets", ("topics",), _offsets),
    ("changelog", ("topics",), _changelog),
    ("instance name", ("topics",), _name),
    ("database", (), _postgres),
)


def examine(read: Callable[[], Settings]) -> Iterator[Outcome]:
    """Yield the outcome of every check, one after the other.

    Args:
        read: reads the settings.
    """
    try:
        patient = Patient(read())
    except ConfigError as error:
        yield Outcome("settings", "fail", str(error))
        yield from (Outcome(name, "skipped", "the settings are wrong") for name, _, _ in CHECKS)
        return
    yield Outcome("settings", "pass", "complete, within their bounds, timers in order")
    passed: set[str] = set()
    for name, needs, check in CHECKS:
        missing = [need for need in needs if need not in passed]
        found = Outcome(name, "skipped", f"needs: {', '.join(missing)}") if missing else _checked(name, check, patient)
        if found.result == "pass":
            passed.add(name)
        yield found


def _checked(name: str, check: Callable[[Patient], str], patient: Patient) -> Outcome:
    try:
        return Outcome(name, "pass", _settled(check, patient))
    except SkippedError as why:
        return Outcome(name, "skipped", str(why))
    except WorkerError as error:
        return Outcome(name, "fail", str(error))
    except Exception as error:  # one check may not stop the others
        return Outcome(name, "fail", f"the check itself failed, please report it: {type(error).__name__}: {error}")


def _settled(check: Callable[[Patient], str], patient: Patient) -> str:
    """Check, again if something passes by itself, as the move of a partition's leader."""
    for _ in range(_TRIES - 1):
        try:
            return check(patient)
        except RetryError:
            Clock().sleep(_PAUSE_S)
    return check(patient)
