"""How the process stands now: kept by its loop, read by whoever asks over HTTP.

The loop's thread writes plain attributes, which another thread may read at any time; the table of partitions is
replaced as a whole when partitions come or go, and never changed.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Literal

from worker.model.value import value
from worker.runtime.clock import Clock

Place = tuple[str, int]
Phase = Literal["restoring", "running", "paused"]
Stage = Literal["starting", "joining", "running", "stopping"]


class Standing:
    """How an assigned partition stands. Times are seconds of the clock that never goes back.

    Attributes:
        phase: since `phase_at`.
        committed: the next offset by the last commit.
        pending: records were read that no commit has passed.
        head_ms: timestamp of the first of them, or of the last record before them when none was read yet.
        end: where what is committed of the topic ended when it was last looked at.
        moved_at: when a commit last moved it, or it last had nothing to do as far as was seen.
        behind_at: since when it has something to do, None if nothing.
        remaining: changelog offsets still to be restored.
    """

    def __init__(self, now: float) -> None:
        self.phase: Phase = "restoring"
        self.phase_at = now
        self.cause = "start"
        self.committed: int | None = None
        self.pending = False
        self.head_ms: int | None = None
        self.end: int | None = None
        self.moved_at = now
        self.behind_at: float | None = None
        self.remaining: int | None = None

    def enter(self, phase: Phase, now: float) -> None:
        """Be in a phase from now on."""
        if phase != self.phase:
            self.phase, self.phase_at = phase, now


@value
class Seen:
    """A partition at one moment, for who asks.

    Attributes:
        next: the next offset to process.
        lag: offsets from there to the end; None when it is not known yet.
        lag_s: age of the oldest record not processed, in seconds.
        still_s: seconds without progress.
        phase_s: seconds in its phase.
    """

    phase: Phase
    next: int | None
    end: int | None
    lag: int | None
    lag_s: float
    still_s: float
    phase_s: float
    remaining: int | None


class Status:
    """How the process stands.

    Attributes:
        stage: of its life.
        partitions: those assigned.
        position: the next offset the client will deliver, None where it delivers nothing.
        turned_at: when the loop last came round.
        polled_at: when it last asked for records, in seconds since the epoch; 0 before the first time.
        trouble: what failed, while a retry is due; "" when nothing has.
        ready: the transactional producer, or the store, can be used.
        asked_at: when a broker last told where the partitions end, None before the first time.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stage: Stage = "starting"
        self.partitions: Mapping[Place, Standing] = {}
        self.position: Callable[[Place], int | None] = lambda _place: None
        self.turned_at = clock.now()
        self.polled_at = 0.0
        self.trouble = ""
        self.ready = False
        self.asked_at: float | None = None

    def take(self, places: Collection[Place]) -> None:
        """Have partitions from now on."""
        now = self.clock.now()
        self.partitions = {**self.partitions, **{place: Standing(now) for place in places}}

    def drop(self, places: Collection[Place]) -> None:
        """Have them no longer."""
        self.partitions = {place: found for place, found in self.partitions.items() if place not in places}

    def learn_ends(self, ends: Mapping[Place, int]) -> None:
        """Take note of where partitions end."""
        partitions = self.partitions
        for place, end in ends.items():
            if place in partitions:
                partitions[place].end = end
        self.asked_at = self.clock.now()
        self.seen()

    def seen(self) -> dict[Place, Seen]:
        """Return all partitions as they are now."""
        now, wall = self.clock.now(), self.clock.wall()
        return {place: self._seen(place, found, now, wall) for place, found in self.partitions.items()}

    def _seen(self, place: Place, found: Standing, now: float, wall: float) -> Seen:
        following = self._next(place, found)
        end = found.end
        lag = None if end is None or following is None else max(0, end - following)
        if lag and found.behind_at is None:
            found.behind_at = found.moved_at = now
        elif lag == 0:
            found.behind_at, found.moved_at = None, now
        return Seen(
            phase=found.phase,
            next=following,
            end=end,
            lag=lag,
            lag_s=self._lag_s(found, now, wall) if lag else 0.0,
            still_s=now - found.moved_at,
            phase_s=now - found.phase_at,
            remaining=found.remaining,
        )

    def _next(self, place: Place, found: Standing) -> int | None:
        position = None if found.pending else self.position(place)
        if position is None:
            return found.committed
        return max(position, found.committed or 0)

    @staticmethod
    def _lag_s(found: Standing, now: float, wall: float) -> float:
        if found.head_ms is not None:
            return max(0.0, wall - found.head_ms / 1000)
        return now - (found.behind_at or now)
