"""The loop of a sink: mutations into a store that also keeps how far they were read, so that both move together.

1. A partition that is assigned starts where the store says.
2. Records are gathered for a moment, up to a bound.
3. The store takes them and the new offsets in one transaction of its own, provided that its offsets are still those
   the records begin at. If they are not, another process is at these partitions: what was gathered is dropped, and
   they start anew where the store says.
4. When the store fails, nobody knows whether it has taken the records: everything starts anew where it says.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Protocol

from worker.errors import FatalError, RetryError
from worker.model.record import InRecord
from worker.model.value import value
from worker.runtime.clock import Backoff, Clock
from worker.runtime.sink_report import SinkReport

log = logging.getLogger(__name__)

Place = tuple[str, int]

_POLL_S = 0.1
# Offsets that moved over transaction markers alone are not worth a transaction each.
_MARKERS_S = 1.0
_REPORT_S = 15.0
_BACKOFF_FIRST_S, _BACKOFF_LONGEST_S = 0.1, 5.0


@value
class Portion:
    """What was read of a partition.

    Attributes:
        start: the offset the store must still be at.
        end: the offset it will be at.
        records: what lies between, in order; may be empty.
    """

    start: int
    end: int
    records: list[InRecord]


Batch = Mapping[Place, Portion]


class Feed(Protocol):
    """The topics, as far as they are assigned to this process. The loop calls it from one thread."""

    @property
    def places(self) -> Collection[Place]:
        """All their partitions, whoever has them."""

    def subscribe(self) -> None:
        """Begin to be assigned partitions; they come and go from inside `poll`, whatever of them was delivered."""

    def held(self) -> Collection[Place]:
        """Return assigned partitions that wait for `start`."""

    def start(self, offsets: dict[Place, int]) -> None:
        """Read on from these offsets, as far as the partitions are still held."""

    def hold(self, places: Collection[Place]) -> None:
        """Deliver nothing of these partitions until they are started again."""

    def poll(self, records_max: int, wait_s: float) -> list[InRecord]:
        """Return the next records; waits only when there is none. To be called often, or the group gives us up."""

    def positions(self) -> Mapping[Place, int]:
        """Return the next offset of each started partition."""

    def ends(self, places: Collection[Place]) -> dict[Place, int]:
        """Return how far what is committed reaches now; may raise RetryError."""

    def close(self) -> None:
        """Leave."""


class Tables(Protocol):
    """The store. Every call may raise RetryError, after which it is not known whether it was done."""

    def offsets(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the next offset of each partition."""

    def apply(self, batch: Batch) -> Collection[Place]:
        """Write records and offsets in one transaction.

        Returns:
            Partitions whose offset is not the one that the batch starts at; if there are any, nothing was written.
        """

    def touch(self, places: Collection[Place]) -> None:
        """Note that these partitions are read to their ends now."""

    def close(self) -> None:
        """Release it."""


class Sinking:
    """Moves mutations from a feed into a store.

    Args:
        records_max: records of a transaction, at most.
        bytes_max: bytes of a transaction, at most, but for one batch of the client.
        interval_s: how long to gather after the first record, in seconds.
        give_up_after_s: how long failures may follow one another, in seconds.
        report: is told what happens.

    Attributes:
        records: how many the store has taken.
    """

    def __init__(
        self,
        feed: Feed,
        tables: Tables,
        clock: Clock,
        *,
        records_max: int,
        bytes_max: int,
        interval_s: float,
        give_up_after_s: float,
        report: SinkReport | None = None,
    ) -> None:
        self.records = 0
        self._feed = feed
        self._tables = tables
        self._clock = clock
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._interval_s = interval_s
        self._give_up_after_s = give_up_after_s
        self._told = report or SinkReport()
        # When the store's transaction began that is under way.
        self._began_at: float | None = None
        self._backoff = Backoff(_BACKOFF_FIRST_S, _BACKOFF_LONGEST_S)
        self._failing_since: float | None = None
        self._stopping = False
        # What the store has of the partitions that were started; those of them that went are still here.
        self._stored: dict[Place, int] = {}
        self._written_at = self._reported_at = clock.now()
        self._reported = 0

    def stop(self) -> None:
        """Ask the loop to end after its transaction; may be called by a signal handler."""
        self._stopping = True

    def run(self, *, once: bool = False) -> None:
        """Work until stopped.

        Args:
            once: or until the store has all that the topics hold now, whoever brought it there.

        Raises:
            FatalError: our own fault, or trouble that lasted too long; nothing was lost.
        """
        try:
            until = self._feed.ends(self._feed.places) if once else None
            self._feed.subscribe()
            while not self._stopping:
                try:
                    if not self._turn() and until is not None and self._through(until):
                        break
                except RetryError as error:
                    self._recover(error)
        finally:
            self._feed.close()
            self._tables.close()

    def _turn(self) -> bool:
        """Do what there is to do; tell whether there was anything."""
        held = self._feed.held()
        if held:
            offsets = self._tables.offsets(held)
            self._stored |= offsets
            self._feed.start(offsets)
        self._told.turn(self._feed.held(), {place: self._stored[place] for place in self._feed.positions()})
        wrote = self._write(self._gather())
        self._report()
        return wrote

    def _gather(self) -> Mapping[Place, list[InRecord]]:
        """Read until there is enough or the time is over; until the first record comes, for a short while."""
        gathered: dict[Place, list[InRecord]] = defaultdict(list)
        count = size = 0
        ends_at = self._clock.now() + _POLL_S
        while count < self._records_max and size < self._bytes_max and not self._stopping:
            records = self._feed.poll(self._records_max - count, max(0.0, ends_at - self._clock.now()))
            if records and not count:
                ends_at = self._clock.now() + self._interval_s
            for record in records:
                gathered[record.topic, record.partition].append(record)
                size += len(record.value or b"")
            count += len(records)
            if self._clock.now() >= ends_at or self._feed.held():
                break
        return gathered

    def _write(self, gathered: Mapping[Place, list[InRecord]]) -> bool:
        """Let the store take what was gathered; tell whether that was anything.

        Of partitions that have gone meanwhile, or were assigned anew, there is no position: they are left out.
        """
        batch = {
            place: Portion(self._stored[place], end, gathered.get(place, []))
            for place, end in self._feed.positions().items()
            if end > self._stored[place]
        }
        count = sum(len(portion.records) for portion in batch.values())
        if not batch or (not count and self._clock.now() - self._written_at < _MARKERS_S):
            return False
        began_at = self._began_at = self._clock.now()
        refused = self._tables.apply(batch)
        self._written_at, self._began_at = self._clock.now(), None
        if refused:
            self._told.refused()
            log.warning("another process writes these partitions", extra={"partitions": sorted(map(str, refused))})
            self._feed.hold(batch)
            return True
        self._stored |= {place: portion.end for place, portion in batch.items()}
        self.records += count
        self._told.wrote({place: portion.records for place, portion in batch.items()}, self._written_at - began_at)
        self._succeeded()
        return True

    def _succeeded(self) -> None:
        self._told.settled()
        self._failing_since = None
        self._backoff.succeeded()

    def _through(self, until: dict[Place, int]) -> bool:
        offsets = self._tables.offsets(until)
        return all(offsets[place] >= end for place, end in until.items())

    def _recover(self, error: RetryError) -> None:
        """Start everything anew after a pause, during which the group still hears of us.

        Raises:
            FatalError: it has gone on for too long.
        """
        self._feed.hold(list(self._feed.positions()))
        now = self._clock.now()
        self._told.failed(str(error), None if self._began_at is None else now - self._began_at)
        self._began_at = None
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since > self._give_up_after_s:
            raise FatalError(
                f"gave up after {now - self._failing_since:.0f} s of failures (sink.give_up_after_s); the last: {error}"
            ) from error
        wait_s = self._backoff.failed()
        log.warning(
            "the store failed, trying again from its offsets",
            extra={"error": str(error), "failures": self._backoff.failures, "wait_s": round(wait_s, 2)},
        )
        while not self._stopping and self._clock.now() < now + wait_s:
            self._told.turn(self._feed.held(), {})
            self._feed.poll(1, _POLL_S)

    def _report(self) -> None:
        """Now and then, say how it goes, and note what is read to its end."""
        now = self._clock.now()
        took_s = now - self._reported_at
        if took_s < _REPORT_S:
            return
        self._reported_at = now
        own = list(self._feed.positions())
        if not own:  # more processes than partitions
            if self._failing_since is not None:
                self._tables.touch([])  # nothing else would tell whether the store is back
                self._succeeded()
            return
        try:
            ends = self._feed.ends(own)
        except RetryError as error:  # no broker: the client says more, and goes on by itself
            log.info("no ends", extra={"error": str(error)})
            return
        behind = {place: end - self._stored[place] for place, end in ends.items() if end > self._stored[place]}
        self._tables.touch(ends.keys() - behind.keys())
        if not behind:
            self._succeeded()
        count, self._reported = self.records - self._reported, self.records
        if count or behind:
            log.info(
                "progress",
                extra={
                    "mutations": count,
                    "per_s": round(count / took_s),
                    "behind": sum(behind.values()),
                    "partitions": len(own),
                },
            )
