"""Mutations as a worker makes them, from the conformance vectors and from lines: what encodings are tried on."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import orjson

from tests import factories
from tests.golden.vectors import august, legacy, lines_of
from worker.model.mutation import Mutation
from worker.model.thread import Thread

SOURCE: dict[str, Any] = {
    "topic": "codex.rollout-items",
    "partition": 3,
    "offset": 2**40,
    "index": 0,
    "ordinal": None,
    "timestamp": 1_780_531_200_000,
}


def mutations(lines: Iterable[bytes], thread_id: str = "t") -> list[Mutation]:
    """Return the mutations of a thread's lines, each line with its ordinal."""
    thread, appends = Thread(thread_id), factories.appends()
    return [
        mutation
        for at, line in enumerate(lines)
        for mutation in appends.process(thread, line, at, {**SOURCE, "offset": SOURCE["offset"] + at})[0]
    ]


@cache
def of_vectors() -> list[Mutation]:
    """Return the mutations of all vectors."""
    return [mutation for lines in _vectors() for mutation in mutations(lines)]


def _vectors() -> Iterator[list[bytes]]:
    yield from (lines_of(case["input"]) for case in legacy())
    yield from (list(map(orjson.dumps, case["input"])) for case in august())


def items(found: Iterable[Mutation]) -> Iterator[dict[str, Any]]:
    """Yield the items in mutations."""
    for mutation in found:
        if mutation.projection == "thread_item":
            yield mutation.value["materializedThreadItem"]
        elif mutation.projection == "turn_summary":
            yield from mutation.value["mutation"]["summaryItems"]
