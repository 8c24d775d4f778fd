"""What a reader of the mutation topics holds: the last value of each key, null being a deletion."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import orjson

from worker.model.record import InRecord


def latest(records: Iterable[InRecord]) -> dict[tuple[str, bytes], Any]:
    """Return the last value of each row, decoded, by topic and key; deleted rows are left out."""
    rows: dict[tuple[str, bytes], bytes | None] = {}
    for record in records:
        if record.key is not None:
            rows[record.topic, record.key] = record.value
    return {place: orjson.loads(data) for place, data in rows.items() if data is not None}


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
