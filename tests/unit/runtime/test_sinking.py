"""The loop of a sink: whatever fails and however partitions move, each record is taken once and in order."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loop_fakes import ManualClock
from worker.errors import FatalError, RetryError
from worker.model.record import InRecord
from worker.runtime.sink_report import SinkReport
from worker.runtime.sinking import Batch, Place, Sinking
from worker.runtime.status import Status

PLACES: list[Place] = [("items", 0), ("items", 1), ("turns", 0)]
# Offsets with holes, as transaction markers leave them; the last of a partition is a marker, too.
OFFSETS = [0, 1, 2, 5, 6, 9, 12, 13]
END = 15
LOG = {
    place: [InRecord(place[0], place[1], offset, b"k", b"v" * offset, [], None) for offset in OFFSETS]
    for place in PLACES
}

Step = Callable[["World"], None]


class World:
    """Topics, a store, and a script of what happens to them, poll by poll (a Feed and a Tables)."""

    places = PLACES

    def __init__(self, script: Iterator[Step], chunk: int = 3) -> None:
        self.chunk = chunk
        self.taken: dict[Place, list[InRecord]] = {place: [] for place in PLACES}
        self.stored = dict.fromkeys(PLACES, 0)
        self.touched: set[Place] = set()
        self.fault = ""
        self.when_touched: Callable[[], None] = lambda: None
        self.applies = 0
        self.closed = 0
        self._script = script
        self._positions: dict[Place, int] = {}
        self._held: set[Place] = set()

    # The feed

    def subscribe(self) -> None:
        pass

    def held(self) -> Collection[Place]:
        return set(self._held)

    def start(self, offsets: dict[Place, int]) -> None:
        if self._failing("start"):
            raise RetryError("the client cannot seek")
        self._positions |= {place: offset for place, offset in offsets.items() if place in self._held}
        self._held -= set(offsets)

    def hold(self, places: Collection[Place]) -> None:
        own = set(places) & self._positions.keys()
        for place in own:
            del self._positions[place]
        self._held |= own

    def poll(self, records_max: int, wait_s: float) -> list[InRecord]:
        next(self._script, World.own_all)(self)
        found: list[InRecord] = []
        for place, position in self._positions.items():
            records = [record for record in LOG[place] if record.offset >= position][: self.chunk]
            self._positions[place] = records[-1].offset + 1 if records else END
            found += records
        return found[:records_max] if len(found) <= records_max else self._cut(found, records_max)

    def _cut(self, found: list[InRecord], records_max: int) -> list[InRecord]:
        for record in found[records_max:]:
            place = record.topic, record.partition
            self._positions[place] = min(self._positions[place], record.offset)
        return found[:records_max]

    def positions(self) -> Mapping[Place, int]:
        return self._positions

    def ends(self, places: Collection[Place]) -> dict[Place, int]:
        if self._failing("ends"):
            raise RetryError("no broker")
        return dict.fromkeys(places, END)

    # The store

    def offsets(self, places: Collection[Place]) -> dict[Place, int]:
        if self._failing("offsets"):
            raise RetryError("no database")
        return {place: self.stored[place] for place in places}

    def apply(self, batch: Batch) -> Collection[Place]:
        self.applies += 1
        if self._failing("lost"):
            raise RetryError("nothing was committed")
        refused = [place for place, portion in batch.items() if self.stored[place] != portion.start]
        if refused:
            return refused
        for place, portion in batch.items():
            self.take(place, portion.records, portion.end)
        if self._failing("kept"):
            raise RetryError("it was committed, and nobody knows")
        return []

    def take(self, place: Place, records: list[InRecord], end: int) -> None:
        self.taken[place] += records
        self.stored[place] = end

    def touch(self, places: Collection[Place]) -> None:
        if self._failing("touch"):
            raise RetryError("no database")
        self.touched |= set(places)
        self.when_touched()

    def close(self) -> None:
        self.closed += 1

    def _failing(self, where: str) -> bool:
        failing = self.fault == where
        if failing:
            self.fault = ""
        return failing

    # What a script does

    def own_all(self) -> None:
        self._held |= set(PLACES) - self._positions.keys()

    def revoke(self, place: Place) -> None:
        """Let a partition go; another poll may bring it back."""
        self._positions.pop(place, None)
        self._held.discard(place)

    def another_takes(self, place: Place) -> None:
        """Let another process take a record, with or without a right to the partition."""
        record = next((one for one in LOG[place] if one.offset >= self.stored[place]), None)
        if record is not None:
            self.take(place, [record], record.offset + 1)


def sinking(world: World, clock: ManualClock | None = None, **options: Any) -> Sinking:
    return Sinking(
        world,
        world,
        clock or ManualClock(),
        **{"records_max": 7, "bytes_max": 60, "interval_s": 0.03, "give_up_after_s": 900, **options},
    )


def failing(where: str) -> Step:
    return lambda world: setattr(world, "fault", where)


STEPS = st.one_of(
    st.just(World.own_all),
    st.sampled_from(["lost", "kept", "offsets", "start", "ends"]).map(failing),
    st.sampled_from(PLACES).map(lambda place: lambda world: world.revoke(place)),
    st.just(lambda world: [world.revoke(place) for place in PLACES]),
    st.sampled_from(PLACES).map(lambda place: lambda world: world.another_takes(place)),
    st.just(lambda _world: None),
)


@given(
    st.lists(STEPS, max_size=40),
    st.integers(1, 8),
    st.fixed_dictionaries(
        {
            "records_max": st.integers(1, 30),
            "bytes_max": st.integers(1, 300),
            "interval_s": st.sampled_from([0.0, 0.03, 0.2]),
        }
    ),
)
def test_each_record_is_taken_once_and_in_order(script: list[Step], chunk: int, options: dict[str, Any]) -> None:
    world = World(iter(script), chunk)
    sinking(world, **options).run(once=True)

    assert world.taken == LOG
    assert world.stored == dict.fromkeys(PLACES, END)
    assert world.closed == 2


def test_what_another_process_took_meanwhile_is_not_taken_again() -> None:
    take = [lambda world, place=place: world.another_takes(place) for place in PLACES]
    world = World(iter([World.own_all, take[0], World.own_all, take[1], take[2], take[0]]))
    sinking(world).run(once=True)

    assert world.taken == LOG


def test_a_loop_that_is_stopped_ends_after_its_transaction() -> None:
    world = World(iter([]))
    loop = sinking(world)
    world.when_touched = loop.stop
    loop.run()

    assert world.taken == LOG
    assert loop.records == sum(map(len, LOG.values()))


def test_failures_that_last_end_the_loop() -> None:
    def always_failing() -> Iterator[Step]:
        while True:
            yield failing("lost")
            yield World.own_all

    world = World(always_failing())

    with pytest.raises(
        FatalError, match=r"gave up after \d+ s of failures \(sink.give_up_after_s\); the last: nothing"
    ):
        sinking(world, give_up_after_s=20).run()

    assert world.closed == 2
    assert not any(world.taken.values())


def losing(clock: ManualClock) -> Step:
    """Let all partitions go, and pass a second."""

    def step(world: World) -> None:
        for place in PLACES:
            world.revoke(place)
        clock.sleep(1)

    return step


def test_a_failure_is_over_once_all_partitions_went_and_the_store_answers() -> None:
    clock = ManualClock()
    status = Status(clock)
    troubles = []

    def script() -> Iterator[Step]:
        yield World.own_all
        while not status.trouble:
            yield failing("lost")
        for _ in range(100):
            yield losing(clock)
        troubles.append(status.trouble)
        clock.sleep(1_000)
        yield World.own_all
        yield failing("lost")

    world = World(script())
    # The failure after the quiet time is a first one: nothing is given up.
    sinking(world, clock, report=SinkReport(status)).run(once=True)

    assert troubles == [""]
    assert world.taken == LOG


def test_a_failure_goes_on_when_all_partitions_went_and_the_store_does_not_answer() -> None:
    clock = ManualClock()

    def script() -> Iterator[Step]:
        yield World.own_all
        yield failing("lost")
        for _ in range(200):
            yield losing(clock)
            yield failing("touch")
        loop.stop()

    loop = sinking(World(script()), clock, give_up_after_s=60)
    with pytest.raises(FatalError, match=r"gave up after \d+ s of failures .* no database"):
        loop.run()


def test_what_is_read_to_its_end_is_noted_now_and_then() -> None:
    world = World(iter([]))
    loop = sinking(world)
    world.when_touched = loop.stop
    loop.run()

    assert world.touched == set(PLACES)


def test_markers_alone_are_not_worth_a_transaction_each() -> None:
    world = World(iter([]))
    loop = sinking(world, records_max=1_000, bytes_max=10_000)
    world.when_touched = loop.stop
    loop.run()

    assert world.applies < 4
