"""Lifecycle: turns started, completed, cancelled, failed, and rollbacks; numbered, none ever replaced (P12, D15, D16).

Source: codex-rs, the lifecycle projection observer of the seed.
"""

from collections.abc import Iterator
from typing import Any

from worker.model.change import ChangeSet
from worker.model.mutation import Draft
from worker.model.thread import Thread, Turn


class Lifecycle:
    """One row per event."""

    name = "lifecycle"
    topic = "thread-lifecycle"

    def observe(self, thread: Thread, changes: ChangeSet) -> Iterator[Draft]:
        """Yield an event for everything that happened."""
        for happening in changes.happenings:
            thread.header.lifecycle += 1
            ordinal = thread.header.lifecycle
            body = {
                "lifecycleOrdinal": ordinal,
                "eventType": happening.event_type,
                "turnId": happening.turn_id,
                "payload": happening.facts,
            }
            yield Draft((str(ordinal),), body)

    def shown(self, _kind: str, _row: Any, _turn: Turn) -> Iterator[tuple[str, ...]]:
        """Yield nothing: events are no rows of the state, the header's count of them tells their keys."""
        yield from ()
