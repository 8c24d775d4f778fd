"""How far a file is delivered: up to the first line that nobody acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from worker.rollouts.deliveries import Deliveries
from worker.rollouts.follow import Position

FIRST, SECOND, THIRD, FOURTH = (Position(10 * lines, lines, lines, "t") for lines in range(1, 5))


def test_a_position_is_reached_when_its_line_is_acknowledged_and_told_once() -> None:
    deliveries = Deliveries()
    acknowledged = deliveries.sent("a", FIRST)
    before = deliveries.reached()
    acknowledged()

    assert [before, deliveries.reached(), deliveries.reached()] == [{}, {"a": FIRST}, {}]


def test_no_position_is_reached_before_the_lines_ahead_of_it() -> None:
    deliveries = Deliveries()
    first, second, third = (deliveries.sent("a", position) for position in (FIRST, SECOND, THIRD))
    third()
    early = deliveries.reached()
    first()
    partly = deliveries.reached()
    second()

    assert [early, partly, deliveries.reached()] == [{}, {"a": FIRST}, {"a": THIRD}]


def test_a_line_that_needs_no_acknowledgement_waits_for_those_ahead_of_it() -> None:
    deliveries = Deliveries()
    acknowledged = deliveries.sent("a", FIRST)
    deliveries.passed("a", SECOND)
    before = deliveries.reached()
    acknowledged()

    assert [before, deliveries.reached()] == [{}, {"a": SECOND}]


def test_files_do_not_wait_for_one_another() -> None:
    deliveries = Deliveries()
    deliveries.sent("a", FIRST)
    deliveries.sent("b", SECOND)()
    deliveries.passed("c", THIRD)

    assert deliveries.reached() == {"b": SECOND, "c": THIRD}


def test_a_file_that_starts_anew_goes_back_in_the_order_of_sending() -> None:
    deliveries = Deliveries()
    old, new = deliveries.sent("a", FOURTH), deliveries.sent("a", FIRST)
    new()
    before = deliveries.reached()
    old()

    assert [before, deliveries.reached()] == [{}, {"a": FIRST}]


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_what_is_told_is_never_past_a_line_on_its_way(order: list[int], looks: set[int]) -> None:
    deliveries = Deliveries()
    waiting = [deliveries.sent("a", Position(lines=line + 1)) for line in range(8)]
    done: set[int] = set()
    told = 0
    for turn, line in enumerate(order):
        waiting[line]()
        done.add(line)
        if turn in looks:
            told = deliveries.reached().get("a", Position(lines=told)).lines

            assert told == next((at for at in range(8) if at not in done), 8)
