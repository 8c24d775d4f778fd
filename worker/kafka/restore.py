"""Changelog partitions into stores, with a consumer of their own (implements `worker.runtime.ports.Restorer`)."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from worker.config import Settings
from worker.errors import FatalError, RetryError
from worker.kafka.client import READ_AHEAD, client, client_options
from worker.kafka.faults import consumer_fault
from worker.kafka.offsets import (
    LOST_GROUP_OFFSET_REMEDY,
    begin_offsets,
    end_offsets,
    lost_changelog,
    lost_group_offset,
)
from worker.kafka.records import take
from worker.kafka.statistics import statistics_options
from worker.model.record import StateRow
from worker.runtime.ports import Source, StateStore
from worker.runtime.report import Report

log = logging.getLogger(__name__)

_BATCH_RECORDS = 10_000
# What the client may hold ahead of us.
_QUEUED_KB = 16_384
_RETRY_S = 0.2
# How often the client is polled while nothing is restored.
_SERVE_S = 5.0
# How often waiting is told.
_TELL_S = 10.0


class _Partition:
    """A partition on its way: what is read where, and up to where."""

    def __init__(self, store: StateStore) -> None:
        self.store = store
        self.began_at = time.monotonic()
        self.rows = 0
        self.position = store.changelog_offset
        self.committed: int | None = None
        # The changelog's end, once it was asked for.
        self.target: int | None = None

    @property
    def done(self) -> bool:
        return self.target is not None and self.position >= self.target


class KafkaRestorer:
    """Restores partitions while the loop goes on.

    The target is the changelog's high watermark, asked after the input partition's committed offset was fetched: that
    includes transactions whose markers are still being written. The position passes it over markers, aborted and
    compacted-away records too.
    """

    def __init__(self, settings: Settings, changelog: str, source: Source, report: Report | None = None) -> None:
        self._report = report or Report()
        self._changelog = changelog
        self._source = source
        name = f"{settings.member}-restore"
        self._admin = client(AdminClient, client_options(settings.kafka, client_id=name))
        self._consumer = client(
            Consumer,
            READ_AHEAD
            | {"fetch.wait.max.ms": 10, "queued.max.messages.kbytes": _QUEUED_KB}
            | client_options(
                settings.kafka,
                client_id=name,
                # It never joins; a name of its own would need a permission of its own.
                group_id=settings.group,
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )
            | statistics_options(self._report.meter, "restore"),
        )
        self._served_at = time.monotonic()
        self._partitions: dict[int, _Partition] = {}
        self._give_up_after_s = settings.loop.give_up_after_s
        self._on_lost_offset = settings.on_lost_offset
        self._waits_since: float | None = None
        self._retry_at = 0.0
        self._told_at = -_TELL_S

    def begin(self, partition: int, store: StateStore) -> None:
        """Bring a store up to date with what is committed now; the work is done by `step`."""
        self._partitions[partition] = _Partition(store)

    def drop(self, partitions: Collection[int]) -> None:
        """Forget partitions."""
        reading = [number for number in partitions if (found := self._partitions.pop(number, None)) and found.target]
        if reading:
            self._consumer.incremental_unassign([Place(self._changelog, number) for number in reading])

    def step(self) -> Mapping[int, int | None]:
        """Read a little; return what is done."""
        if not self._partitions:
            self._serve()
            return {}
        self._aim()
        if any(found.target for found in self._partitions.values()):
            self._read()
        done = {number: found for number, found in self._partitions.items() if found.done}
        self.drop(done)
        for number, found in done.items():
            if found.committed is None:
                self._insist_on_no_rows(number, found.store)
            seconds = time.monotonic() - found.began_at
            log.info("restored", extra={"partition": number, "rows": found.rows, "seconds": round(seconds, 2)})
        return {number: found.committed for number, found in done.items()}

    def _serve(self) -> None:
        """Take what the client tells of itself, while it has nothing else to do: it would pile up."""
        if time.monotonic() - self._served_at > _SERVE_S:
            self._served_at = time.monotonic()
            self._consumer.poll(0)

    def _insist_on_no_rows(self, number: int, store: StateStore) -> None:
        """See that there is no state of input that the group does not know to have read.

        Raises:
            FatalError: there is, and nobody said what to do.
        """
        if next(iter(store.scan(b"")), None) is None:
            return
        told = lost_group_offset(self._changelog, number)
        if self._on_lost_offset == "fail":
            raise FatalError(f"{told}. {LOST_GROUP_OFFSET_REMEDY}")
        log.warning("input offset lost, skipping", extra={"partition": number, "told": told})

    def _aim(self) -> None:
        """Fetch the committed offsets and then the targets of partitions that are new."""
        new = [number for number, found in self._partitions.items() if found.target is None]
        if not new or time.monotonic() < self._retry_at:
            return
        try:
            committed = self._source.committed(new)
            begins = begin_offsets(self._admin, [(self._changelog, number) for number in new])
            ends = end_offsets(self._admin, [(self._changelog, number) for number in new], committed_only=False)
        except RetryError as error:
            # Another's open transaction, or no broker: other partitions go on meanwhile.
            now = time.monotonic()
            self._waits_since = self._waits_since or now
            if now - self._waits_since > self._give_up_after_s:
                raise FatalError(
                    f"gave up after {now - self._waits_since:.0f} s of asking how far {self._changelog} must be read "
                    f"(loop.give_up_after_s); the last: {error}"
                ) from error
            if now - self._told_at > _TELL_S:
                self._told_at = now
                log.warning("restore waits", extra={"partitions": new, "error": str(error)})
            self._retry_at = now + _RETRY_S
            return
        self._waits_since = None
        for number in new:
            self._aim_at(number, committed[number], begins[self._changelog, number], ends[self._changelog, number])
        filled = [number for number in new if ends[self._changelog, number]]
        places = [Place(self._changelog, number, self._partitions[number].position) for number in filled]
        if places:
            self._consumer.incremental_assign(places)

    def _aim_at(self, number: int, committed: int | None, begin: int, end: int) -> None:
        """Set a partition's target.

        Raises:
            FatalError: the changelog does not hold what was committed with it.
        """
        found = self._partitions[number]
        told = lost_changelog(self._changelog, number, committed, found.position, end)
        if told is not None:
            raise FatalError(told)
        if 0 < found.position < begin:
            found.store.condemn(f"the changelog begins at {begin}, after its offset {found.position}")
            found.position = found.store.changelog_offset
        found.committed, found.target = committed, end
        self._report.aimed(number, committed, end - found.position)

    def _read(self) -> None:
        rows: dict[int, list[StateRow]] = defaultdict(list)
        for message in take(self._consumer, _BATCH_RECORDS, 0.02):
            error, number = message.error(), message.partition()
            found = self._partitions.get(number)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self._meet(error)
            elif found is not None and error is not None:
                found.position = max(found.position, message.offset())
            elif found is not None:
                rows[number].append(StateRow(message.key(), message.value()))
                found.position = message.offset() + 1
        for number, some in rows.items():
            found = self._partitions[number]
            found.rows += len(some)
            found.store.apply(some, found.position)
            self._report.restoring(number, len(some), max(0, (found.target or 0) - found.position))

    def _meet(self, error: KafkaError) -> None:
        fault = consumer_fault(error)
        if fault is not None:
            raise FatalError(f"the changelog {self._changelog} cannot be read: {fault}")
        log.warning("restore", extra={"error": error.str()})

    def close(self) -> None:
        """Release the client."""
        self._partitions.clear()
        self._consumer.close()
