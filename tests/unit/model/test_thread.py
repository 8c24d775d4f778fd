"""A thread's rows: loaded once, remembered, marked when changed."""

from typing import Any

from worker.model.thread import Header, Thread, Turn


def turn(number: int, *, previous: int = 0) -> Turn:
    return Turn(number=number, id=f"t{number}", status="inProgress", explicit=True, previous=previous, twin=False)


class Rows:
    """Rows that count how often they are asked for."""

    def __init__(self, **rows: Any) -> None:
        self.rows = rows
        self.asked: list[str] = []

    def load(self, key: str) -> Any:
        self.asked.append(key)
        return self.rows.get(key)


def test_a_thread_without_a_header_is_new() -> None:
    new, old = Thread("t"), Thread("t", Rows(h=Header(sequence=4)).load)

    assert (new.is_new, new.header, old.is_new, old.header) == (True, Header(), False, Header(sequence=4))


def test_a_row_is_loaded_once_also_when_it_is_missing() -> None:
    rows = Rows(h=Header(), a=1)
    thread = Thread("t", rows.load)

    found = [thread.get("a"), thread.get("a"), thread.get("b"), thread.get("b")]

    assert (found, rows.asked) == ([1, 1, None, None], ["h", "a", "b"])


def test_nothing_is_looked_for_of_a_new_thread_until_it_was_trimmed() -> None:
    rows = Rows()
    thread = Thread("t", rows.load)
    thread.get("a")
    thread.settle()
    thread.trim()
    thread.get("b")

    assert rows.asked == ["h", "b"]


def test_changed_rows_are_told_once_each_with_the_header_until_settled() -> None:
    thread = Thread("t")
    thread.put("a", 1)
    thread.put("a", 2)
    thread.put("b", None)

    before = sorted(thread.changes(), key=lambda row: row[0])
    thread.settle()
    after = list(thread.changes())

    assert (before, after, thread.is_new, thread.rows()) == (
        [("a", 2), ("b", None), ("h", thread.header)],
        [("h", thread.header)],
        False,
        2,
    )


def test_turns_are_told_last_first_over_gaps_in_their_numbers() -> None:
    thread = Thread("t")
    for one in (turn(1), turn(4, previous=1)):
        thread.put(f"u/{one.number}", one)
    thread.header.last_turn = 4

    assert [one.number for one in thread.turns()] == [4, 1]


def test_the_open_turn_is_told_by_its_number() -> None:
    thread = Thread("t")
    thread.put("u/1", turn(1))
    before = thread.open_turn()
    thread.header.open_turn = 1

    assert (before, thread.open_turn()) == (None, turn(1))
