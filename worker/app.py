"""The composition root: the one place where the parts meet."""

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from worker import encoding
from worker.codec.lines import LineDecoder
from worker.codec.mutations import Encoder
from worker.codec.rows import row_encoder
from worker.config import Settings
from worker.errors import ConfigError
from worker.kafka.acls import acls
from worker.kafka.client import heartbeat_ms, library_version
from worker.kafka.ends import EndsWatch
from worker.kafka.parked import KafkaParkedLog
from worker.kafka.restore import KafkaRestorer
from worker.kafka.sink import KafkaSink
from worker.kafka.source import KafkaSource
from worker.kafka.topics import Topics, definition, insist, wanted
from worker.model.topic import TopicNames
from worker.model.value import value
from worker.pipeline import Pipeline
from worker.projections.projection import Latest, Projection
from worker.projections.table import PROJECTIONS
from worker.runtime.allocator import Allocator
from worker.runtime.append import Appends
from worker.runtime.checkpoint import Checkpoint
from worker.runtime.clock import Clock
from worker.runtime.erasure import Erasure
from worker.runtime.expiry import Expiry
from worker.runtime.facts import Facts
from worker.runtime.formats import RowFormats
from worker.runtime.outbox import Outbox
from worker.runtime.parking import NothingParked, ParkedLog, Parking
from worker.runtime.placement import Placement
from worker.runtime.ports import Meter, StateStore
from worker.runtime.report import SILENCE, Report
from worker.runtime.status import Status
from worker.runtime.task import PartitionTask
from worker.runtime.threads import Budget, Threads
from worker.runtime.watch import Sample
from worker.runtime.worker import Worker
from worker.store.folder import StateFolder
from worker.store.memory import MemoryStore
from worker.telemetry.definition import Role
from worker.telemetry.opened import opened, tracer
from worker.telemetry.service import Service

_DAY_S = 86_400.0
ENTRY_POINTS = "thread_history_worker.projections"


def known_projections() -> dict[str, Projection]:
    """Return the projections that come with the project and those that installed packages register.

    A package registers one by an entry point of the group `thread_history_worker.projections` that names an object with
    the contract of `worker.projections.projection`.
    """
    return PROJECTIONS | {found.name: found for found in _registered() if not isinstance(found, str)}


def _registered() -> list[Projection | str]:
    return [_loaded(point) for point in entry_points(group=ENTRY_POINTS)]


def _loaded(point: EntryPoint) -> Projection | str:
    """Load a registered projection; return why that cannot be done, which matters only if it is to be installed."""
    try:
        found: Projection = point.load()
    except Exception as error:
        return f"{point.name} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
    return found


def projections(settings: Settings) -> Sequence[Projection]:
    """Return the installed projections in the order of the settings.

    Raises:
        ConfigError: one is not known.
    """
    known = known_projections()
    unknown = [name for name in settings.projections if name not in known]
    if unknown:
        told = "".join(f"; {found}" for found in _registered() if isinstance(found, str))
        raise ConfigError(f"projections: {', '.join(unknown)} not known; choose of {', '.join(known)}{told}")
    return [known[name] for name in settings.projections]


def topic_names(settings: Settings) -> TopicNames:
    """Return what each topic is called."""
    topics = {found.name: found.topic for found in projections(settings)}
    return TopicNames.of(prefix=settings.topics.prefix, group=settings.group, projections=topics)


def latest_topics(settings: Settings) -> set[str]:
    """Return the topics that have one row a thread: how many records they hold depends on where commits fall."""
    names = topic_names(settings).projections
    return {names[found.name] for found in projections(settings) if isinstance(found, Latest)}


def appends(settings: Settings) -> Appends:
    """Return the path from a line to its mutations, for any number of threads."""
    decoder = LineDecoder(read_filter=settings.read_filter)
    pipeline = Pipeline(projections(settings), redact=settings.redact, item_bytes_max=settings.item_bytes_max)
    return Appends(decoder, pipeline, encoding.append_decoder(settings))


def encoder(settings: Settings) -> Encoder:
    """Return what makes the values of mutations.

    Raises:
        ConfigError: a projection has no schema, or the registry does not answer or take one.
    """
    return encoding.encoder(settings, projections(settings), topic_names(settings).projections)


def value_decoder(settings: Settings) -> Callable[[bytes], Any]:
    """Return what reads a mutation's value, in any encoding."""
    return encoding.value_decoder(settings, known_projections().values())


def scratch_stores(settings: Settings, folder: Path) -> Callable[[int], StateStore]:
    """Return what opens stores for a reduction from scratch.

    Args:
        folder: an empty one, to be removed afterwards.
    """
    stores = StateFolder(
        folder, changelog="", bytes_max=settings.store.partition_bytes_max, age_max_s=float("inf"), wall=Clock().wall
    )
    return stores.open


@value
class Shared:
    """What the tasks of a process share.

    Attributes:
        budget: of the threads they hold in memory.
        sample: of the records that are timed; None times none.
    """

    appends: Appends
    budget: Budget
    sample: Sample | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Shared":
        """Return something new to share."""
        return cls(appends(settings), Budget(settings.store.cache_bytes))


def task_maker(
    settings: Settings,
    *,
    partitions: int | None = None,
    open_store: Callable[[int], StateStore] = lambda _partition: MemoryStore(),
    parked: ParkedLog | None = None,
    values: Encoder | None = None,
    shared: Shared | None = None,
    forget_after_days: float | None = None,
) -> Callable[[int], PartitionTask]:
    """Return what makes a partition's task; all tasks share one decoder and one tally.

    Args:
        partitions: how many the input topic has, for the placement guard; None leaves it out.
        open_store: opens a partition's store; by default an empty one in memory.
        parked: the topic of parked records.
        values: makes the values of mutations; by default as the settings say.
        shared: what all tasks of a process share; by default something new.
        forget_after_days: have threads forgotten that get no record for so long.
    """
    names, clock = topic_names(settings), Clock()
    shared = shared or Shared.of(settings)
    values = values or encoder(settings)
    after_s = None if forget_after_days is None else forget_after_days * _DAY_S
    parked_log, encode_row = parked or NothingParked(), row_encoder(settings.store.row_format)

    def new_task(partition: int) -> PartitionTask:
        store = open_store(partition)
        facts = Facts(store)
        return PartitionTask(
            store=store,
            threads=Threads(store, shared.budget, encode_row),
            facts=facts,
            formats=RowFormats(facts, settings.store.row_format),
            placement=Placement(partition, partitions, facts),
            parking=Parking(
                partition,
                facts,
                parked_log,
                threads_max=settings.parking.threads_max,
                within_s=settings.parking.within_s,
            ),
            erasure=Erasure(store, projections(settings), names.projections, encode_row),
            expiry=None if after_s is None else Expiry(store, names.input, after_s=after_s, wall=clock.wall),
            appends=shared.appends,
            outbox=Outbox(names, values, shared.appends.tally),
            wall=clock.wall,
            watch=shared.sample,
            traced=settings.telemetry.tracing,
        )

    return new_task


def rebuild_task_maker(settings: Settings) -> Callable[[StateStore], PartitionTask]:
    """Return what makes a task over a store that holds a thread's beginning; it watches no partition counts."""
    values = encoder(settings)

    def new_task(store: StateStore) -> PartitionTask:
        return task_maker(settings, open_store=lambda _partition: store, values=values)(0)

    return new_task


def telemetry(settings: Settings, role: Role, status: Status) -> Service | None:
    """Return what others may see of this process, at the port of the settings; None when they name none.

    Raises:
        ConfigError: the port cannot be had.
    """
    names = topic_names(settings)
    topics = [names.input] if role == "worker" else sorted(names.projections.values())
    return opened(settings, role, status, topics=topics, librdkafka=library_version())


def worker(settings: Settings, status: Status | None = None, meter: Meter = SILENCE) -> Worker:
    """Return a worker that is ready to run.

    Args:
        status: is kept up to date.
        meter: is told how much is done.

    Raises:
        ConfigError: no broker answers, a topic is not as the worker needs it, or the state cannot be used.
    """
    names, loop, kafka, clock = topic_names(settings), settings.loop, settings.kafka, Clock()
    allocator = Allocator(clock.now)  # before the client's threads
    topics = Topics(kafka)
    topics.insist_on(acls("worker", settings, names))
    insist(topics.check(wanted(names)))
    values = encoder(settings)
    folder = StateFolder(
        settings.state_folder,
        changelog=topics.identity(names.changelog),
        bytes_max=settings.store.partition_bytes_max,
        age_max_s=int(definition()["changelog"]["delete.retention.ms"]) / 2_000,
        wall=clock.wall,
    )
    folder.check()
    shared = Shared.of(settings)
    report = Report(
        status,
        meter,
        topic=names.input,
        tally=shared.appends.tally,
        budget=shared.budget,
        tracer=tracer(settings, names.input),
    )
    source, sink = KafkaSource(settings, names.input, meter), KafkaSink(settings, names, report)
    partitions = topics.partitions()[names.input]
    if meter.on:
        meter.set("topic_partitions", partitions, names.input)
        report.status.position = source.position
        EndsWatch(kafka, report.status, names.input)
    return Worker(
        source=source,
        sink=sink,
        restorer=KafkaRestorer(settings, names.changelog, source, report),
        checkpoint=Checkpoint(
            source,
            sink,
            clock,
            interval_s=loop.commit_interval_s,
            records_max=loop.transaction_records_max,
            bytes_max=loop.transaction_bytes_max,
            within_s=loop.budget_s,
            report=report,
        ),
        new_task=task_maker(
            settings,
            partitions=partitions,
            open_store=folder.open,
            parked=KafkaParkedLog(settings, names.parked, clock),
            values=values,
            shared=Shared(shared.appends, shared.budget, report.sample) if meter.on else shared,
            forget_after_days=settings.forget_after_days,
        ),
        clock=clock,
        batch_records_max=loop.batch_records_max,
        poll_s=loop.poll_s,
        fenced_wait_s=2 * heartbeat_ms(kafka.session_timeout_ms) / 1000,
        give_up_after_s=loop.give_up_after_s,
        calm_s=kafka.max_poll_interval_ms / 1000,
        report=report,
        after_commit=allocator.trim,
    )


def insist_on_registry(settings: Settings) -> None:
    """See that the schema registry would take the projections' schemas; nothing is registered.

    Raises:
        ConfigError: it would not, or does not answer.
    """
    encoding.insist_on_registry(settings, projections(settings), topic_names(settings).projections)
