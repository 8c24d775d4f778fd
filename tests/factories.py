"""Events and rollout lines with defaults: a test names only what it is about.

`DEFAULTS` holds the least payload of every kind that the reducer reads; a test compares it with the table of kinds.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from worker.codec.lines import Line, LineDecoder
from worker.codec.mutations import JsonEncoder
from worker.codec.rows import DEFAULT_FORMAT, row_encoder
from worker.model.record import Headers, InRecord, OutRecord
from worker.model.thread import Thread
from worker.model.topic import TopicNames
from worker.pipeline import Pipeline
from worker.projections.projection import Projection
from worker.projections.table import PROJECTIONS
from worker.projections.threads import THREADS
from worker.reducer.error_info import as_output
from worker.replay import Replay
from worker.runtime.append import Appends
from worker.runtime.erasure import Erasure
from worker.runtime.expiry import Expiry
from worker.runtime.facts import Facts
from worker.runtime.formats import RowFormats
from worker.runtime.headers import restored
from worker.runtime.outbox import Outbox
from worker.runtime.parking import Parking
from worker.runtime.placement import Placement
from worker.runtime.ports import StateStore
from worker.runtime.task import PartitionTask
from worker.runtime.threads import Budget, Threads
from worker.store.memory import MemoryStore

TIMESTAMP = "2026-06-04T00:00:00.000Z"
TIMESTAMP_MS = 1_780_531_200_000
UUID = "019b0000-0000-7000-8000-00000000000a"
OTHER_UUID = "019b0000-0000-7000-8000-00000000000b"
DURATION = {"secs": 1, "nanos": 2_999_999}
PATCH = {"a.txt": {"type": "add", "content": "hello\n"}}
REVIEW = {
    "findings": [],
    "overall_correctness": "patch is correct",
    "overall_explanation": "Looks good.",
    "overall_confidence_score": 0.5,
}
_EXEC = {"call_id": "c", "turn_id": "a", "command": ["ls", "-l"], "cwd": "/w", "parsed_cmd": []}
_MCP = {"call_id": "c", "invocation": {"server": "s", "tool": "t"}}
_SPAWN = {"call_id": "c", "sender_thread_id": UUID, "prompt": "p", "model": "m", "reasoning_effort": "high"}
_TO_ONE = {"call_id": "c", "sender_thread_id": UUID, "receiver_thread_id": OTHER_UUID}
_PLAN = {"thread_id": UUID, "turn_id": "a", "item": {"type": "Plan", "id": "p", "text": "do it"}}

DEFAULTS: dict[str, dict[str, Any]] = {
    "task_started": {"turn_id": "a"},
    "turn_started": {"turn_id": "a"},
    "task_complete": {"turn_id": "a"},
    "turn_complete": {"turn_id": "a"},
    "turn_aborted": {"reason": "interrupted"},
    "error": {"message": "bad luck"},
    "thread_rolled_back": {"num_turns": 1},
    "user_message": {"message": "hello"},
    "agent_message": {"message": "hi"},
    "agent_reasoning": {"text": "hm"},
    "agent_reasoning_raw_content": {"text": "raw"},
    "context_compacted": {},
    "exec_command_begin": _EXEC,
    "exec_command_end": {
        **_EXEC,
        "stdout": "",
        "stderr": "",
        "exit_code": 0,
        "duration": DURATION,
        "formatted_output": "",
        "status": "completed",
    },
    "guardian_assessment": {
        "id": "g",
        "target_item_id": "c",
        "status": "in_progress",
        "action": {"type": "command", "source": "shell", "command": "ls", "cwd": "/w"},
    },
    "apply_patch_approval_request": {"call_id": "c", "started_at_ms": 1, "changes": PATCH},
    "patch_apply_begin": {"call_id": "c", "auto_approved": True, "changes": PATCH},
    "patch_apply_end": {
        "call_id": "c",
        "stdout": "",
        "stderr": "",
        "success": True,
        "changes": PATCH,
        "status": "completed",
    },
    "mcp_tool_call_begin": _MCP,
    "mcp_tool_call_end": {**_MCP, "duration": DURATION, "result": {"Ok": {"content": []}}},
    "dynamic_tool_call_request": {"callId": "c", "turnId": "a", "tool": "t", "arguments": {}},
    "dynamic_tool_call_response": {
        "call_id": "c",
        "turn_id": "a",
        "tool": "t",
        "arguments": {},
        "content_items": [],
        "success": True,
        "duration": DURATION,
    },
    "web_search_begin": {"call_id": "c"},
    "web_search_end": {"call_id": "c", "query": "q", "action": {"type": "search"}},
    "view_image_tool_call": {"call_id": "c", "path": "/i.png"},
    "image_generation_begin": {"call_id": "c"},
    "image_generation_end": {"call_id": "c", "status": "completed", "result": "aGk="},
    "collab_agent_spawn_begin": _SPAWN,
    "collab_agent_spawn_end": {**_SPAWN, "status": "running"},
    "collab_agent_interaction_begin": {**_TO_ONE, "prompt": "p"},
    "collab_agent_interaction_end": {**_TO_ONE, "prompt": "p", "status": "running"},
    "collab_waiting_begin": {"call_id": "c", "sender_thread_id": UUID, "receiver_thread_ids": [OTHER_UUID]},
    "collab_waiting_end": {"call_id": "c", "sender_thread_id": UUID, "statuses": {OTHER_UUID: "running"}},
    "collab_close_begin": _TO_ONE,
    "collab_close_end": {**_TO_ONE, "status": "shutdown"},
    "collab_resume_begin": _TO_ONE,
    "collab_resume_end": {**_TO_ONE, "status": "running"},
    "sub_agent_activity": {
        "event_id": "c",
        "agent_thread_id": OTHER_UUID,
        "agent_path": "/root/w",
        "kind": "started",
    },
    "entered_review_mode": {"target": {"type": "uncommittedChanges"}},
    "exited_review_mode": {},
    "item_started": {**_PLAN, "started_at_ms": 1},
    "item_completed": _PLAN,
    "token_count": {},
    "thread_name_updated": {},
}

DECODER = LineDecoder()


def line(kind: str, payload: Any, /, *, timestamp: Any = TIMESTAMP, **more: Any) -> bytes:
    """Return a rollout line of any type."""
    return orjson.dumps({"timestamp": timestamp, "type": kind, "payload": payload, **more})


def payload(kind: str, /, **fields: Any) -> dict[str, Any]:
    """Return an event's payload as a line holds it."""
    return {"type": kind, **DEFAULTS.get(kind, {}), **fields}


def event(kind: str, /, **fields: Any) -> bytes:
    """Return an event's line."""
    return line("event_msg", payload(kind, **fields))


def without(kind: str, /, *names: str, **fields: Any) -> bytes:
    """Return an event's line that lacks some fields."""
    return line("event_msg", {key: found for key, found in payload(kind, **fields).items() if key not in names})


def message(text: str, **fields: Any) -> bytes:
    """Return a response item that holds a user's message of one text."""
    content = [{"type": "input_text", "text": text}]
    return line("response_item", {"type": "message", "role": "user", "content": content, **fields})


def hook_prompt(text: str = "do it", run_id: str = "run", **fields: Any) -> bytes:
    """Return a response item that is a hook prompt."""
    return message(f'<hook hook_run_id="{run_id}">{text}</hook>', **fields)


def compacted() -> bytes:
    """Return the line of a compaction."""
    return line("compacted", {"message": ""})


def turn_item(tag: str, /, *, turn_id: str = "a", **fields: Any) -> bytes:
    """Return the line of a complete item that the protocol itemises itself."""
    return event("item_completed", turn_id=turn_id, item={"type": tag, **fields})


def decoded(text: bytes, ordinal: int | None = None) -> Line:
    """Return a line as the decoder reads it."""
    return DECODER.decode(text, ordinal)


def checked(kind: str, /, **fields: Any) -> Any:
    """Return an event's payload as checked."""
    return decoded(event(kind, **fields)).event


def pipeline(*, redact: bool = False) -> Pipeline:
    """Return the pipeline with the projections that come with the project."""
    return Pipeline(list(PROJECTIONS.values()), redact=redact)


def appends(*, redact: bool = False) -> Appends:
    """Return what folds lines; redaction is off unless a test is about it."""
    return Appends(DECODER, pipeline(redact=redact))


class Story:
    """A thread told line by line.

    Attributes:
        thread: the state after the lines told so far.
    """

    def __init__(self, *lines: bytes, redact: bool = False) -> None:
        self._replay = Replay("t", appends(redact=redact))
        self.thread: Thread = self._replay.thread
        self.tell(*lines)

    def tell(self, *lines: bytes) -> list[tuple[str, dict[str, Any]]]:
        """Fold further lines and return projection and value of each mutation, without what all have in common."""
        return [(found.projection, own_fields(found.value)) for found in self._replay.mutations(lines)]

    def turns(self) -> list[dict[str, Any]]:
        """Return the turns as the v2 API shows them."""
        return self._replay.turns()

    def items(self) -> list[list[dict[str, Any]]]:
        """Return the items of each turn."""
        return [turn["items"] for turn in self.turns()]

    def ids(self) -> list[tuple[str, list[str]]]:
        """Return the id of each turn with the ids of its items."""
        return [(turn["id"], [item["id"] for item in turn["items"]]) for turn in self.turns()]

    def statuses(self) -> list[tuple[str, str]]:
        """Return the id of each turn with its status."""
        return [(turn["id"], turn["status"]) for turn in self.turns()]


COMMON_FIELDS = frozenset({
    "schemaVersion",
    "threadId",
    "generation",
    "sequence",
    "topicSequence",
    "source",
    "reducerVersion",
})  # fmt: skip


def own_fields(value: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a mutation's value that its projection adds."""
    return {key: found for key, found in value.items() if key not in COMMON_FIELDS}


def turn(turn_id: str, items: Sequence[Any] = (), **fields: Any) -> dict[str, Any]:
    """Return a turn as the v2 API shows it."""
    return {
        "id": turn_id,
        "items": list(items),
        "itemsView": "full",
        "status": "inProgress",
        "error": None,
        "startedAt": None,
        "completedAt": None,
        "durationMs": None,
        **fields,
    }


def record(
    value: bytes | None,
    *,
    key: bytes | None = b"t",
    offset: int = 0,
    headers: Headers | None = None,
    timestamp_ms: int | None = 5,
) -> InRecord:
    """Return a record of the input topic."""
    return InRecord("codex.rollout-items", 3, offset, key, value, headers or [], timestamp_ms)


TOPICS = TopicNames.of(
    prefix="codex.", group="g", projections={found.name: found.topic for found in (*PROJECTIONS.values(), THREADS)}
)
PARTITION = 3


class Parked:
    """The topic of parked records, in memory (implements `worker.runtime.parking.ParkedLog`)."""

    def __init__(self, size_max: int = 2) -> None:
        self.records: list[InRecord] = []
        self._size_max = size_max

    def add(self, out: list[OutRecord]) -> None:
        """Take what was parked in a transaction that was committed."""
        for one in out:
            if one.topic == TOPICS.parked:
                self.records.append(
                    InRecord(one.topic, PARTITION, len(self.records), one.key, one.value, one.headers, None)
                )

    def end(self, _partition: int) -> int:
        """Return the offset after the last record."""
        return len(self.records)

    def read(self, _partition: int, key: bytes, start: int) -> tuple[list[tuple[int, InRecord]], int | None]:
        """Return a few of a thread's records."""
        found = [(at, restored(one)) for at, one in enumerate(self.records) if at >= start and one.key == key]
        rest = found[self._size_max :]
        return found[: self._size_max], rest[0][0] if rest else None


def task(
    store: StateStore | None = None,
    *,
    cache_bytes: int = 1 << 20,
    partitions: int = 4,
    parked: Parked | None = None,
    parked_threads_max: int = 10,
    now: float = 0.0,
    projections: Sequence[Projection] = tuple(PROJECTIONS.values()),
    row_format: int = DEFAULT_FORMAT,
    forget_after_s: float | None = None,
) -> PartitionTask:
    """Return the task of a partition."""
    rows = store or MemoryStore()
    facts = Facts(rows)
    log = parked or Parked()
    appended = Appends(DECODER, Pipeline(projections, redact=False))
    expiry = None
    if forget_after_s is not None:
        expiry = Expiry(rows, TOPICS.input, after_s=forget_after_s, wall=lambda: now)
    return PartitionTask(
        store=rows,
        threads=Threads(rows, Budget(cache_bytes), row_encoder(row_format)),
        facts=facts,
        formats=RowFormats(facts, row_format),
        placement=Placement(PARTITION, partitions, facts),
        parking=Parking(PARTITION, facts, log, threads_max=parked_threads_max, within_s=60.0),
        erasure=Erasure(rows, projections, TOPICS.projections, row_encoder(row_format)),
        expiry=expiry,
        appends=appended,
        outbox=Outbox(TOPICS, JsonEncoder(), appended.tally),
        wall=lambda: now,
    )


def shown_error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a checked error as a turn shows it (2.3)."""
    if error is None:
        return None
    return {
        "message": error["message"],
        "codexErrorInfo": as_output(error.get("codex_error_info")),
        "additionalDetails": None,
    }
