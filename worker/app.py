"""The composition root: the one place where the parts meet."""

from collections.abc import Callable, Sequence

from worker.codec.lines import LineDecoder
from worker.codec.mutations import Encoder, JsonEncoder
from worker.config import Settings
from worker.errors import ConfigError
from worker.kafka.restore import KafkaRestorer
from worker.kafka.sink import KafkaSink
from worker.kafka.source import KafkaSource, heartbeat_ms
from worker.kafka.topics import Topics, insist, wanted
from worker.model.topic import TopicNames
from worker.pipeline import Pipeline
from worker.projections.projection import Projection
from worker.projections.table import PROJECTIONS
from worker.runtime.append import Appends
from worker.runtime.checkpoint import Checkpoint
from worker.runtime.clock import Clock
from worker.runtime.task import PartitionTask
from worker.runtime.worker import Worker
from worker.store.memory import MemoryStore

ENCODERS: dict[str, type[Encoder]] = {"json": JsonEncoder}


def projections(settings: Settings) -> Sequence[Projection]:
    """Return the installed projections in the order of the settings.

    Raises:
        ConfigError: one is not known.
    """
    unknown = [name for name in settings.projections if name not in PROJECTIONS]
    if unknown:
        raise ConfigError(f"projections: {', '.join(unknown)} not known; choose of {', '.join(PROJECTIONS)}")
    return [PROJECTIONS[name] for name in settings.projections]


def topic_names(settings: Settings) -> TopicNames:
    """Return what each topic is called."""
    topics = {found.name: found.topic for found in projections(settings)}
    return TopicNames.of(prefix=settings.topics.prefix, group=settings.group, projections=topics)


def appends(settings: Settings) -> Appends:
    """Return the path from a line to its mutations, for any number of threads."""
    decoder = LineDecoder(read_filter=settings.read_filter)
    return Appends(decoder, Pipeline(projections(settings), redact=settings.redact))


def task_maker(settings: Settings) -> Callable[[int], PartitionTask]:
    """Return what makes a partition's task, its state empty; all tasks share one decoder and one tally."""
    names, shared, encoder = topic_names(settings), appends(settings), ENCODERS[settings.encoding]()

    def new_task(partition: int) -> PartitionTask:
        return PartitionTask(
            partition=partition,
            store=MemoryStore(),
            topics=names,
            appends=shared,
            encoder=encoder,
            cached_threads_max=settings.loop.cached_threads_max,
        )

    return new_task


def worker(settings: Settings) -> Worker:
    """Return a worker that is ready to run.

    Raises:
        ConfigError: no broker answers, or a topic is not as the worker needs it.
    """
    names, loop, kafka = topic_names(settings), settings.loop, settings.kafka
    insist(Topics(kafka).check(wanted(names)))
    source, sink, clock = KafkaSource(settings, names.input), KafkaSink(settings, names), Clock()

    return Worker(
        source=source,
        sink=sink,
        restorer=KafkaRestorer(settings, names.changelog, source),
        checkpoint=Checkpoint(
            source,
            sink,
            clock,
            interval_s=loop.commit_interval_s,
            records_max=loop.transaction_records_max,
            within_s=loop.budget_s,
        ),
        new_task=task_maker(settings),
        clock=clock,
        batch_records_max=loop.batch_records_max,
        poll_s=loop.poll_s,
        fenced_wait_s=2 * heartbeat_ms(kafka.session_timeout_ms) / 1000,
        give_up_after_s=loop.give_up_after_s,
    )
