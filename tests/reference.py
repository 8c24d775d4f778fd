"""The rules R1–R60, U2–U5 and P3–P12 with D10–D17, written down as they read: slow, whole, and sharing no machinery.

Every event is reduced on plain lists; what changed is found by comparing full snapshots before and after it. Nothing is
incremental and nothing is indexed, so that the worker's reducer has something independent to be compared with. Shared
with the worker are only the builders of single items, which have tests of their own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from worker.codec.lines import Line
from worker.model.item import is_open
from worker.model.mutation import Mutation, row_key
from worker.reducer import agents, commands, media, patches, review, session, tools
from worker.reducer.error_info import affects_turn, as_output
from worker.reducer.hook_prompt import fragments_of
from worker.reducer.messages import citation, user_content
from worker.reducer.turn_item_builders import built

Event = Any
Snapshot = list["RefTurn"]

ITEMS_OF_NAMED_TURN: dict[str, Callable[[Any], Any]] = {  # R11
    "exec_command_begin": commands.began,
    "exec_command_end": commands.ended,
}
ITEMS_OF_NAMED_OR_OPEN_TURN: dict[str, Callable[[Any], Any]] = {  # by turn id, empty: the open turn
    "guardian_assessment": commands.judged,
    "apply_patch_approval_request": patches.running,
    "patch_apply_begin": patches.running,
    "patch_apply_end": patches.ended,
    "dynamic_tool_call_response": tools.dynamic_ended,
}
ITEMS_OF_OPEN_TURN: dict[str, Callable[[Any], Any]] = {  # R12
    "mcp_tool_call_begin": tools.mcp_began,
    "mcp_tool_call_end": tools.mcp_ended,
    "web_search_begin": tools.web_began,
    "web_search_end": tools.web_ended,
    "view_image_tool_call": media.viewed,
    "image_generation_begin": media.began,
    "image_generation_end": media.ended,
    "collab_agent_spawn_begin": agents.spawn_began,
    "collab_agent_spawn_end": agents.spawn_ended,
    "collab_agent_interaction_begin": agents.to_one_began("sendInput"),
    "collab_agent_interaction_end": agents.to_one_ended("sendInput"),
    "collab_waiting_begin": agents.wait_began,
    "collab_waiting_end": agents.wait_ended,
    "collab_close_begin": agents.to_one_began("closeAgent"),
    "collab_close_end": agents.to_one_ended("closeAgent"),
    "collab_resume_begin": agents.to_one_began("resumeAgent"),
    "collab_resume_end": agents.to_one_ended("resumeAgent"),
    "sub_agent_activity": agents.active,
}
TURN_ITEMS_OF_NAMED_TURN = {  # U3; hook prompts show through response items
    "CommandExecution",
    "DynamicToolCall",
    "CollabAgentToolCall",
    "SubAgentActivity",
    "Extension",
}


@dataclass
class RefItem:
    """An item with the times of the lines that made and last changed it."""

    value: Any
    created: int | None
    updated: int | None


@dataclass
class RefTurn:
    """A turn as R2 has it, with its number by creation."""

    number: int
    id: str
    status: str
    explicit: bool
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None
    error: Any = None
    saw_compaction: bool = False
    items: list[RefItem] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return the turn as the v2 API shows it."""
        return {
            "id": self.id,
            "items": [item.value for item in self.items],
            "itemsView": "full",
            "status": self.status,
            "error": self.error,
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
            "durationMs": self.duration_ms,
        }

    def summary(self) -> dict[str, Any]:
        """Return what P9 and P10 show of the turn, with D13's error."""
        values = [item.value for item in self.items]
        users = [value for value in values if value["type"] == "userMessage"]
        answers = [value for value in values if value["type"] == "agentMessage"]
        return {
            "status": self.status,
            "startedAt": self.started_at,
            "completedAt": self.completed_at,
            "durationMs": self.duration_ms,
            "error": self.error,
            "summaryItems": users[:1] + answers[-1:],
        }


def text(value: Any) -> bytes:
    """Return a value's JSON with sorted keys: equal texts are equal values, 1 and 1.0 are two."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def equal(one: Any, other: Any) -> bool:
    """Tell whether two values are one JSON."""
    return one is other or text(one) == text(other)


# They make no mutation in a legacy thread that is nobody's copy.
ABOUT_THE_SESSION = frozenset({*session.KINDS, *session.LINES})


class Reference:
    """One thread.

    Attributes:
        turns: the finished turns (R1).
        current: the open turn (R1).
    """

    def __init__(self, thread_id: str = "t", generation: int = 0) -> None:
        self.turns: list[RefTurn] = []
        self.current: RefTurn | None = None
        self._thread_id = thread_id
        self._generation = generation
        self._next_item = 1
        self._next_rollout_index = 0
        self._rollout_index = 0
        self._opened = 0
        self._timestamp: int | None = None
        self._happenings: list[tuple[str, str | None, dict[str, Any]]] = []
        self._digests: dict[int, bytes] = {}
        self._ordinals: dict[str, int] = {}
        # Which copy, as turn number and position, each item row showed last.
        self._rows: dict[tuple[str, str], tuple[int, int]] = {}
        self._lifecycle = 0
        self._sequence = 0
        self._topic_sequences: dict[str, int] = {}

    def snapshot(self) -> Snapshot:
        """Return a copy of all turns (R4); values of items are replaced whole and never written to."""
        return [replace(turn, items=[replace(item) for item in turn.items]) for turn in self._all()]

    def _all(self) -> list[RefTurn]:
        return self.turns + ([self.current] if self.current is not None else [])

    def shown(self) -> list[dict[str, Any]]:
        """Return the turns as the v2 API shows them."""
        return [turn.shown() for turn in self._all()]

    def take(self, line: Line, source: dict[str, Any]) -> list[Mutation]:
        """Reduce a decoded line and return its mutations."""
        if line.status == "blank":
            return []
        if line.ordinal is not None:  # D22
            if self._digests.get(line.ordinal) == line.digest:
                return []
            self._digests[line.ordinal] = line.digest
        if line.status not in ("event", "ignored"):
            return []
        self._rollout_index = self._next_rollout_index  # R3
        self._next_rollout_index += line.indexed
        if line.status == "ignored" or line.kind in ABOUT_THE_SESSION:
            return []
        self._timestamp = line.timestamp_ms
        self._happenings = []
        before = self.snapshot()
        self._dispatch(line.kind, line.event)
        after = self.snapshot()
        self._stamp(before, after)
        drafts = [*self._items(before, after), *self._summaries(before, after), *self._lifecycles()]
        return [self._placed(*draft, source={**source, "ordinal": line.ordinal}) for draft in drafts]

    # Primitives

    def _open(
        self, turn_id: str, *, explicit: bool, status: str = "completed", started_at: int | None = None
    ) -> RefTurn:
        self._finish()
        self._opened += 1
        self.current = RefTurn(self._opened, turn_id, status, explicit, started_at)
        return self.current

    def _finish(self) -> None:  # R10
        turn, self.current = self.current, None
        if turn is not None and (turn.items or turn.explicit or turn.saw_compaction):
            self.turns.append(turn)

    def _ensured(self) -> RefTurn:  # R8, R12
        return self.current or self._open(f"rollout-{self._rollout_index}", explicit=False)

    def _find(self, turn_id: str | None) -> RefTurn | None:  # R11
        if self.current is not None and self.current.id == turn_id:
            return self.current
        return next((turn for turn in self.turns if turn.id == turn_id), None)

    def _item_id(self) -> str:  # R9
        self._next_item += 1
        return f"item-{self._next_item - 1}"

    def _push(self, turn: RefTurn, item: Any) -> None:  # R14
        turn.items.append(RefItem(item, self._timestamp, self._timestamp))

    def _upsert(self, turn: RefTurn | None, item: Any) -> None:  # R13
        if turn is None or item is None:
            return
        for held in turn.items:
            if held.value["id"] == item["id"]:
                held.value = item
                return
        self._push(turn, item)

    # Events

    def _dispatch(self, kind: str, event: Event) -> None:
        if kind in ITEMS_OF_NAMED_TURN:
            self._upsert(self._find(event["turn_id"]), ITEMS_OF_NAMED_TURN[kind](event))
        elif kind in ITEMS_OF_NAMED_OR_OPEN_TURN:
            item = ITEMS_OF_NAMED_OR_OPEN_TURN[kind](event)
            if item is not None:
                self._upsert(self._named_or_open(event.get("turn_id", "")), item)
        elif kind in ITEMS_OF_OPEN_TURN:
            self._upsert(self._ensured(), ITEMS_OF_OPEN_TURN[kind](event))
        else:
            getattr(self, f"_on_{kind}")(event)

    def _named_or_open(self, turn_id: str) -> RefTurn | None:
        return self._find(turn_id) if turn_id else self._ensured()

    def _on_task_started(self, event: Event) -> None:  # R20
        self._open(event["turn_id"], explicit=True, status="inProgress", started_at=event.get("started_at"))
        self._happened("turn.started", event["turn_id"], startedAt=event.get("started_at"))

    _on_turn_started = _on_task_started

    def _on_task_complete(self, event: Event) -> None:  # R21, U2
        turn = self._find(event["turn_id"]) or self.current
        if turn is not None:
            if turn.status == "inProgress":
                turn.status = "completed"
            turn.completed_at = event.get("completed_at")
            turn.duration_ms = event.get("duration_ms")
            if event.get("error") is not None:
                self._fail(turn, event["error"])
            if turn is self.current:
                self._finish()
        times = {"completedAt": event.get("completed_at"), "durationMs": event.get("duration_ms")}
        self._happened("turn.completed", event["turn_id"], **times)

    _on_turn_complete = _on_task_complete

    def _fail(self, turn: RefTurn, error: Event) -> None:
        info = error.get("codex_error_info")
        turn.status = "failed"
        turn.error = {"message": error["message"], "codexErrorInfo": as_output(info), "additionalDetails": None}
        self._happened("turn.failed", turn.id, message=error["message"], codexErrorInfo=info)

    def _on_turn_aborted(self, event: Event) -> None:  # R22
        named = event.get("turn_id")
        turn = (self._find(named) if named is not None else None) or self.current
        times = {"completedAt": event.get("completed_at"), "durationMs": event.get("duration_ms")}
        if turn is not None:
            turn.status = "interrupted"
            turn.completed_at, turn.duration_ms = times["completedAt"], times["durationMs"]
        self._happened("turn.cancelled", turn.id if turn else None, reason=event["reason"], **times)

    def _on_error(self, event: Event) -> None:  # R23
        if self.current is not None and affects_turn(event.get("codex_error_info")):
            self._fail(self.current, event)

    def _on_thread_rolled_back(self, event: Event) -> None:  # R24
        self._finish()
        kept = max(len(self.turns) - event["num_turns"], 0)
        self.turns = self.turns[:kept]
        self._next_item = 1 + sum(len(turn.items) for turn in self.turns)
        self._happened("thread.rolled_back", None, numTurns=event["num_turns"])

    def _on_compacted(self, _event: Event) -> None:  # R25
        self._ensured().saw_compaction = True

    def _on_user_message(self, event: Event) -> None:  # R30
        turn = self.current
        if turn is not None and not turn.explicit and not (turn.saw_compaction and not turn.items):
            self._finish()
        item = {"type": "userMessage", "id": "", "clientId": event.get("client_id"), "content": user_content(event)}
        turn = self._ensured()
        self._push(turn, {**item, "id": self._item_id()})

    def _on_agent_message(self, event: Event) -> None:  # R31
        if event["message"] == "":
            return
        item = {
            "type": "agentMessage",
            "id": self._item_id(),
            "text": event["message"],
            "phase": event.get("phase"),
            "memoryCitation": citation(event.get("memory_citation")),
        }
        self._push(self._ensured(), item)

    def _on_agent_reasoning(self, event: Event) -> None:  # R32
        self._reason("summary", event["text"])

    def _on_agent_reasoning_raw_content(self, event: Event) -> None:  # R33
        self._reason("content", event["text"])

    def _reason(self, part: str, fragment: str) -> None:
        if fragment == "":
            return
        turn = self._ensured()
        if not (turn.items and turn.items[-1].value["type"] == "reasoning"):
            self._push(turn, {"type": "reasoning", "id": self._item_id(), "summary": [], "content": []})
        run = turn.items[-1]
        run.value = {**run.value, part: run.value[part] + [fragment]}

    def _on_context_compacted(self, _event: Event) -> None:  # R34
        self._push(self._ensured(), {"type": "contextCompaction", "id": self._item_id()})

    def _on_entered_review_mode(self, event: Event) -> None:  # R35, U5
        hint = event.get("user_facing_hint")
        self._review("enteredReviewMode", event, "Review requested." if hint is None else hint)

    def _on_exited_review_mode(self, event: Event) -> None:  # R36, U5
        self._review("exitedReviewMode", event, review.review_text(event.get("review_output")))

    def _review(self, kind: str, event: Event, shown: str) -> None:
        turn = self._reviewed(event.get("turn_id"))
        item_id = event.get("item_id")
        item_id = self._item_id() if item_id is None else item_id
        self._upsert(turn, {"type": kind, "id": item_id, "review": shown})

    def _reviewed(self, turn_id: str | None) -> RefTurn:
        if turn_id is None:
            return self._ensured()
        return self._find(turn_id) or self._open(turn_id, explicit=False)

    def _on_message(self, event: Event) -> None:  # R37, D8
        texts = [part["text"] if part["type"] == "input_text" else None for part in event["content"]]
        fragments = fragments_of(texts) if event["role"] == "user" else None
        if fragments is None:
            return
        item_id = event.get("id")
        item_id = f"hook-{self._rollout_index}" if item_id is None else item_id
        self._push(self._ensured(), {"type": "hookPrompt", "id": item_id, "fragments": fragments})

    def _on_dynamic_tool_call_request(self, event: Event) -> None:  # R46
        item = {
            "type": "dynamicToolCall",
            "id": event["callId"],
            "namespace": event.get("namespace"),
            "tool": event["tool"],
            "arguments": event["arguments"],
            "status": "inProgress",
            "contentItems": None,
            "success": None,
            "durationMs": None,
        }
        self._upsert(self._named_or_open(event["turnId"]), item)

    def _on_item_completed(self, event: Event) -> None:  # R40, U3
        tag, item = event["item"]["type"], built(event["item"])
        if tag in TURN_ITEMS_OF_NAMED_TURN or (tag == "Plan" and event["item"]["text"]):
            self._upsert(self._find(event["turn_id"]), item)
        elif tag in ("EnteredReviewMode", "ExitedReviewMode"):
            self._upsert(self._reviewed(event["turn_id"]), item)

    _on_item_started = _on_item_completed

    # Observers

    def _happened(self, event_type: str, turn_id: str | None, **payload: Any) -> None:
        self._happenings.append((event_type, turn_id, payload))

    def _stamp(self, before: Snapshot, after: Snapshot) -> None:
        """Set the time of the last change of items whose value differs."""
        old = {(turn.number, at): item for turn in before for at, item in enumerate(turn.items)}
        for turn, copied in zip(self._all(), after, strict=True):
            for at, item in enumerate(turn.items):
                was = old.get((turn.number, at))
                if was is not None and not equal(was.value, item.value):
                    item.updated = copied.items[at].updated = self._timestamp

    def _items(self, before: Snapshot, after: Snapshot) -> Iterator[Any]:
        """P3 and P6 by position, so that a change shows once and its twin has no echo (D10)."""
        old = {(turn.number, at): item for turn in before for at, item in enumerate(turn.items)}
        for turn in after:
            for at, item in enumerate(turn.items):
                place, key = (turn.number, at), (turn.id, item.value["id"])
                was = old.get(place)
                same = was is not None and equal(was.value, item.value)
                if same or (was is None and self._is_shown(before, key, item)):
                    continue
                self._rows[key] = place
                yield "thread_item", key, self._item_body(turn, at, item, kind="upsert"), False
        held = {(turn.id, item.value["id"]) for turn in after for item in turn.items}
        live = {turn.number for turn in after}
        for turn in before:
            for at, item in enumerate(turn.items):
                key = (turn.id, item.value["id"])
                if turn.number not in live and key not in held:
                    self._rows.pop(key, None)
                    item.updated = self._timestamp
                    yield "thread_item", key, self._item_body(turn, at, item, kind="tombstone"), True

    def _is_shown(self, before: Snapshot, key: tuple[str, str], item: RefItem) -> bool:
        """Tell whether an appended item repeats the first copy of its row (P3), which the row still shows (D10)."""
        for turn in before:
            if turn.id == key[0]:
                for at, held in enumerate(turn.items):
                    if held.value["id"] == key[1]:
                        return equal(held.value, item.value) and self._rows[key] == (turn.number, at)
                return False
        return False

    def _item_body(self, turn: RefTurn, at: int, item: RefItem, *, kind: str) -> dict[str, Any]:
        item_id = item.value["id"]
        ordinal = self._ordinals.setdefault(item_id, len(self._ordinals) + 1)  # P5
        return {
            "turnId": turn.id,
            "turnOrdinal": turn.number,
            "itemKey": item_id,
            "itemOrdinal": ordinal,
            "itemPosition": at,
            "mutationKind": kind,
            "isOpen": kind == "upsert" and is_open(item.value),
            "itemType": item.value["type"],
            "createdAtMs": item.created,
            "updatedAtMs": item.updated,
            "inherited": False,
            "materializedThreadItem": item.value,
        }

    def _summaries(self, before: Snapshot, after: Snapshot) -> Iterator[Any]:
        """P9, D10, D13, D14."""
        old = {turn.number: turn for turn in before}
        for turn in after:
            was = old.get(turn.number)
            if was is None or not equal(was.summary(), turn.summary()):
                yield "turn_summary", (turn.id,), self._summary_body(turn, removed=False), False
        live, numbers = {turn.id for turn in after}, {turn.number for turn in after}
        for turn in before:
            if turn.number not in numbers and turn.id not in live:
                yield "turn_summary", (turn.id,), self._summary_body(turn, removed=True), True

    def _summary_body(self, turn: RefTurn, *, removed: bool) -> dict[str, Any]:
        return {
            "turnId": turn.id,
            "turnOrdinal": turn.number,
            "removed": removed,
            "inherited": False,
            "mutation": turn.summary(),
        }

    def _lifecycles(self) -> Iterator[Any]:
        for event_type, turn_id, payload in self._happenings:  # P12, D15, D16
            self._lifecycle += 1
            body = {
                "lifecycleOrdinal": self._lifecycle,
                "eventType": event_type,
                "turnId": turn_id,
                "payload": payload,
            }
            yield "lifecycle", (str(self._lifecycle),), body, False

    def _placed(
        self, projection: str, key: tuple[str, ...], body: dict[str, Any], removes: bool, *, source: dict[str, Any]
    ) -> Mutation:
        self._sequence += 1
        self._topic_sequences[projection] = self._topic_sequences.get(projection, 0) + 1
        value = {
            "schemaVersion": 1,
            "threadId": self._thread_id,
            "generation": self._generation,
            "sequence": self._sequence,
            "topicSequence": self._topic_sequences[projection],
            "source": source,
            "reducerVersion": 1,
            **body,
        }
        return Mutation(projection, row_key(self._thread_id, *key), self._generation, self._sequence, value, removes)
