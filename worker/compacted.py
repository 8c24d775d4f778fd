"""What a reader of the mutation topics holds: the last value of each key, null being a deletion."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from worker.model.record import InRecord


class Rows:
    """The last value of each row; deleted rows are left out.

    Args:
        decode: a value's bytes to its fields, whatever the encoding.
    """

    def __init__(self, decode: Callable[[bytes], Any]) -> None:
        self._decode = decode
        self._rows: dict[tuple[str, bytes], bytes] = {}

    def apply(self, record: InRecord) -> None:
        """Take a record of a mutation topic."""
        assert record.key is not None, "mutations have keys"
        if record.value is None:
            self._rows.pop((record.topic, record.key), None)
        else:
            self._rows[record.topic, record.key] = record.value

    def values(self) -> Iterator[Any]:
        """Yield the rows' fields."""
        return map(self._decode, self._rows.values())


def threads(rows: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return threads as the v2 API shows them, from the latest thread items and turn summaries.

    Args:
        rows: values of both projections, in any order.

    Returns:
        Turns in order, by thread id.
    """
    summaries: dict[str, list[Any]] = defaultdict(list)
    items: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        if "materializedThreadItem" in row:
            items[row["threadId"], row["turnId"]].append(row)
        elif "mutation" in row:
            summaries[row["threadId"]].append(row)
    return {
        thread_id: [_turn(turn, items[thread_id, turn["turnId"]]) for turn in sorted(turns, key=_turn_ordinal)]
        for thread_id, turns in summaries.items()
    }


def _turn_ordinal(row: Any) -> int:
    ordinal: int = row["turnOrdinal"]
    return ordinal


def _turn(summary: Any, items: list[Any]) -> dict[str, Any]:
    shown = {name: found for name, found in summary["mutation"].items() if name != "summaryItems"}
    items.sort(key=lambda row: row["itemPosition"])
    return {
        "id": summary["turnId"],
        "items": [row["materializedThreadItem"] for row in items],
        "itemsView": "full",
        **shown,
    }
