"""What a sink's loop tells of itself: how things stand to a status, and how much it did to a meter."""

from collections.abc import Collection, Mapping, Sequence

from worker.model.record import InRecord
from worker.runtime.clock import Clock
from worker.runtime.ports import Meter
from worker.runtime.report import SILENCE
from worker.runtime.status import Place, Status


class SinkReport:
    """Takes note of what the loop does; every call is of a turn or a batch, never of a record."""

    def __init__(self, status: Status | None = None, meter: Meter = SILENCE) -> None:
        self.status = status or Status(Clock())
        self._meter = meter

    def turn(self, held: Collection[Place], running: Mapping[Place, int]) -> None:
        """The loop came round.

        Args:
            held: partitions that wait for their start.
            running: what the store has of those that were started.
        """
        status = self.status
        now = status.clock.now()
        status.stage, status.turned_at, status.polled_at = "running", now, status.clock.wall()
        own = {*held, *running}
        if own != status.partitions.keys():
            status.drop(status.partitions.keys() - own)
            status.take(own - status.partitions.keys())
        for place, standing in status.partitions.items():
            standing.enter("running" if place in running else "paused", now)
            standing.committed = running.get(place, standing.committed)

    def wrote(self, took: Mapping[Place, Sequence[InRecord]], seconds: float) -> None:
        """The store has taken records.

        Args:
            took: by partition; none where only offsets moved.
            seconds: how long that took.
        """
        clock, meter = self.status.clock, self._meter
        now, wall_ms = clock.now(), clock.wall() * 1000
        self.status.trouble = ""
        meter.add("sink_batches", 1, "written")
        meter.observe("sink_batch_duration_seconds", seconds, "written")
        for place, records in took.items():
            stamps = [record.timestamp_ms for record in records if record.timestamp_ms is not None]
            meter.add("sink_records", len(records), place[0])
            meter.observe_all("sink_record_age_seconds", [max(0.0, wall_ms - stamp) / 1000 for stamp in stamps])
            standing = self.status.partitions.get(place)
            if standing is not None:
                standing.moved_at = now
                standing.head_ms = stamps[-1] if stamps else standing.head_ms

    def refused(self) -> None:
        """Another process had written these partitions."""
        self._meter.add("sink_batches", 1, "refused")

    def failed(self, trouble: str, seconds: float | None) -> None:
        """Something failed; everything waits for a retry.

        Args:
            seconds: how long the store's transaction had taken, None when there was none.
        """
        self.status.trouble = trouble
        if seconds is not None:
            self._meter.add("sink_batches", 1, "failed")
            self._meter.observe("sink_batch_duration_seconds", seconds, "failed")

    def settled(self) -> None:
        """What had failed works again."""
        self.status.trouble = ""
