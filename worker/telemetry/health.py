"""Is this process well? Each answer names what it looked at, so that a probe's failure tells its reason.

Alive: a restart would not help. It would where the loop hangs, or where a partition has work and does not move for no
known reason. It would not where Kafka is away: the loop says so and tries again.
Ready: it is at work on what it was given, or waits as a spare.
Started: settings, topics and brokers were found right; after that a process is only alive or not.
"""

from collections.abc import Callable, Iterator

from worker.model.value import value
from worker.runtime.status import Place, Seen, Status

# No call of the loop's takes longer; a sink's may wait for a lock in its database.
LOOP_S = 30.0
SINK_LOOP_S = 60.0
# How long ago a broker may have answered: it is asked every five seconds, and has five to answer.
BROKER_S = 15.0


@value
class Limits:
    """How long things may take, in seconds.

    Attributes:
        stuck_after_s: a partition that has work may stand still, and so may the loop.
        restore_within_s: a partition may be restoring.
        loop_s: the loop may be in one call.
    """

    stuck_after_s: float
    restore_within_s: float
    loop_s: float = LOOP_S


@value
class Check:
    """What was looked at, whether it is well, and what was found."""

    name: str
    ok: bool
    found: str

    def line(self) -> str:
        """Return it as a line of text."""
        return f"{'ok' if self.ok else 'failed'} {self.name}: {self.found}\n"


Checks = Callable[[Status, Limits], Iterator[Check]]


def alive(status: Status, limits: Limits) -> Iterator[Check]:
    """Tell whether a restart would help: it would for those that fail."""
    if status.stage == "starting":
        yield Check("loop", True, "starting")
        return
    ago_s = status.clock.now() - status.turned_at
    yield Check("loop", ago_s <= min(limits.loop_s, limits.stuck_after_s), f"came round {ago_s:.1f} s ago")
    for place, seen in sorted(status.seen().items()):
        yield _moving(place, seen, status.trouble, limits)


def _moving(place: Place, seen: Seen, trouble: str, limits: Limits) -> Check:
    name = f"partition {_named(place)}"
    if seen.phase == "restoring":
        return Check(name, True, f"restoring for {seen.phase_s:.0f} s")
    if trouble or seen.phase == "paused":
        return Check(name, True, f"paused, {trouble}")
    if not seen.lag:
        return Check(name, True, "idle")
    still = f"{seen.lag} behind, last moved {seen.still_s:.0f} s ago"
    if seen.still_s <= limits.stuck_after_s:
        return Check(name, True, f"running, {still}")
    return Check(name, False, f"stuck, {still}")


def ready(status: Status, limits: Limits) -> Iterator[Check]:
    """Tell whether the process is at work, or a spare."""
    yield Check("start", status.stage != "starting", status.stage)
    yield Check("group", status.stage == "running", f"{len(status.partitions)} partitions assigned")
    waits = status.trouble or "usable"
    yield Check("output", status.ready and not status.trouble, waits if status.ready else "not opened yet")
    if status.asked_at is not None:
        ago_s = status.clock.now() - status.asked_at
        yield Check("broker", ago_s <= BROKER_S, f"told where partitions end {ago_s:.0f} s ago")
    for place, seen in sorted(status.seen().items()):
        if seen.phase == "restoring":
            left = "" if seen.remaining is None else f", {seen.remaining} offsets left"
            found = f"restoring for {seen.phase_s:.0f} s{left}"
            yield Check(f"partition {_named(place)}", seen.phase_s <= limits.restore_within_s, found)


def started(status: Status, _limits: Limits) -> Iterator[Check]:
    """Tell whether the start is over."""
    yield Check("start", status.stage != "starting", status.stage)


def _named(place: Place) -> str:
    return f"{place[0]}[{place[1]}]"


CHECKS: dict[str, Checks] = {"/livez": alive, "/readyz": ready, "/startupz": started}
