"""Ordinals and digests: what comes again, jumps, comes late or collides (D22)."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ThreadRows
from worker.model.digests import admit
from worker.model.thread import Thread

A, B = b"aaaaaaaa", b"bbbbbbbb"
ORDINALS = st.integers(0, 100) | st.sampled_from([2**63 - 1, 2**63 - 2, 2**32])


def test_ordinals_in_order_are_new() -> None:
    thread = Thread("t")

    assert [admit(thread, ordinal, A) for ordinal in range(70)] == ["new"] * 70


def test_an_ordinal_read_before_with_the_same_text_is_repeated() -> None:
    thread = Thread("t")

    assert [admit(thread, ordinal, A) for ordinal in (0, 1, 0, 1)] == ["new", "new", "repeated", "repeated"]


def test_an_ordinal_read_before_with_another_text_is_a_conflict_and_the_new_text_counts() -> None:
    thread = Thread("t")

    found = [admit(thread, 0, digest) for digest in (A, B, B, A)]

    assert found == ["new", "conflict", "repeated", "conflict"]


def test_an_ordinal_above_the_next_is_a_gap_and_those_before_it_are_late() -> None:
    thread = Thread("t")

    found = [admit(thread, ordinal, A) for ordinal in (5, 6, 2, 2, 40, 39, 2**63 - 1)]

    assert found == ["gap", "new", "late", "repeated", "gap", "late", "gap"]


def test_a_first_ordinal_above_zero_is_a_gap() -> None:
    thread = Thread("t")

    assert (admit(thread, 1, A), thread.header.next_ordinal) == ("gap", 2)


def test_a_repeated_ordinal_leaves_the_state_alone() -> None:
    thread = Thread("t")
    admit(thread, 3, A)
    thread.settle()

    admit(thread, 3, A)

    assert thread.changed == set()


def test_a_row_of_digests_is_no_longer_than_what_is_in_it() -> None:
    thread = Thread("t")
    admit(thread, 64, A)
    admit(thread, 67, B)

    assert thread.get("d/2") == b"\x09\0\0\0" + A + bytes(16) + B


@given(st.lists(st.tuples(ORDINALS, st.sampled_from([A, B])), max_size=60))
def test_what_an_ordinal_tells_is_what_a_plain_dictionary_tells(reads: list[tuple[int, bytes]]) -> None:
    rows = ThreadRows()
    thread, known = rows.thread(), dict[int, bytes]()

    found, expected = [], []
    for ordinal, digest in reads:
        expected.append((known.get(ordinal) == digest, ordinal in known))
        known[ordinal] = digest
        seen = admit(thread, ordinal, digest)
        found.append((seen == "repeated", seen in ("repeated", "conflict")))
        thread = rows.restarted(thread)

    assert found == expected
