"""Agents among themselves: spawned, spoken to, waited for, closed, resumed (R53–R57, U3)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.item import CollabAgentToolCall, SubAgentActivity, ToolStatus
from worker.model.scalar import Effort, Parsed, Uuid
from worker.reducer.kind import KindTable, kind, to_open_turn

_PLAIN = {
    "pending_init": "pendingInit",
    "running": "running",
    "interrupted": "interrupted",
    "shutdown": "shutdown",
    "not_found": "notFound",
}


def _agent_status(found: Any) -> dict[str, str | None]:
    """Return an agent's status as output: `{status, message}`.

    Raises:
        ValueError: it is of no known form.
    """
    if isinstance(found, str) and found in _PLAIN:
        return {"status": _PLAIN[found], "message": None}
    if isinstance(found, dict) and len(found) == 1:
        name, message = next(iter(found.items()))
        if name == "completed" and (message is None or isinstance(message, str)):
            return {"status": "completed", "message": message}
        if name == "errored" and isinstance(message, str):
            return {"status": "errored", "message": message}
    raise ValueError("unknown agent status")


State = Annotated[Any, Parsed(_agent_status)]


class _Call(TypedDict):
    call_id: str
    sender_thread_id: Uuid


class SpawnBegin(_Call):
    """An agent is being spawned."""

    prompt: str
    model: str
    reasoning_effort: Effort


class SpawnEnd(SpawnBegin):
    """An agent was spawned, or not."""

    new_thread_id: NotRequired[Uuid | None]
    status: State


class ToOne(_Call):
    """Something is done with one agent."""

    receiver_thread_id: Uuid


class ToOneEnd(ToOne):
    """Something was done with one agent."""

    status: State


class InteractionBegin(ToOne):
    """An agent is spoken to."""

    prompt: str


class InteractionEnd(InteractionBegin):
    """An agent was spoken to."""

    status: State


class WaitingBegin(_Call):
    """Agents are waited for."""

    receiver_thread_ids: list[Uuid]


class WaitingEnd(_Call):
    """Agents were waited for."""

    statuses: dict[Uuid, State]


class Activity(TypedDict):
    """A sub-agent started, was spoken to or interrupted."""

    event_id: str
    agent_thread_id: Uuid
    agent_path: str
    kind: Literal["started", "interacted", "interrupted"]


def _failed(state: dict[str, Any]) -> bool:
    return state["status"] in ("errored", "notFound")


def _call(
    event: Any, tool: str, status: ToolStatus, receivers: list[str], states: dict[str, Any]
) -> CollabAgentToolCall:
    return {
        "type": "collabAgentToolCall",
        "id": event["call_id"],
        "tool": tool,
        "status": status,
        "senderThreadId": event["sender_thread_id"],
        "receiverThreadIds": receivers,
        "prompt": event.get("prompt"),
        "model": event.get("model"),
        "reasoningEffort": event.get("reasoning_effort"),
        "agentsStates": states,
    }


def spawn_began(event: SpawnBegin) -> CollabAgentToolCall:
    """Return the item of an agent being spawned."""
    return _call(event, "spawnAgent", "inProgress", [], {})


def spawn_ended(event: SpawnEnd) -> CollabAgentToolCall:
    """Return the item of an agent that was spawned, or failed to be."""
    new, state = event.get("new_thread_id"), event["status"]
    status: ToolStatus = "failed" if new is None or _failed(state) else "completed"
    return _call(event, "spawnAgent", status, [new] if new else [], {new: state} if new else {})


def to_one_began(tool: str) -> Any:
    """Make the builder of a tool that begins to deal with one agent."""

    def build(event: ToOne) -> CollabAgentToolCall:
        return _call(event, tool, "inProgress", [event["receiver_thread_id"]], {})

    return build


def to_one_ended(tool: str) -> Any:
    """Make the builder of a tool that has dealt with one agent."""

    def build(event: ToOneEnd) -> CollabAgentToolCall:
        receiver, state = event["receiver_thread_id"], event["status"]
        return _call(event, tool, "failed" if _failed(state) else "completed", [receiver], {receiver: state})

    return build


def wait_began(event: WaitingBegin) -> CollabAgentToolCall:
    """Return the item of a wait."""
    return _call(event, "wait", "inProgress", event["receiver_thread_ids"], {})


def wait_ended(event: WaitingEnd) -> CollabAgentToolCall:
    """Return the item of a wait that is over."""
    states = event["statuses"]
    status: ToolStatus = "failed" if any(map(_failed, states.values())) else "completed"
    return _call(event, "wait", status, sorted(states), states)


def active(event: Activity) -> SubAgentActivity:
    """Return the item of a sub-agent's activity."""
    return {
        "type": "subAgentActivity",
        "id": event["event_id"],
        "kind": event["kind"],
        "agentThreadId": event["agent_thread_id"],
        "agentPath": event["agent_path"],
    }


KINDS: KindTable = {
    "collab_agent_spawn_begin": kind(SpawnBegin, to_open_turn(spawn_began)),
    "collab_agent_spawn_end": kind(SpawnEnd, to_open_turn(spawn_ended)),
    "collab_agent_interaction_begin": kind(InteractionBegin, to_open_turn(to_one_began("sendInput"))),
    "collab_agent_interaction_end": kind(InteractionEnd, to_open_turn(to_one_ended("sendInput"))),
    "collab_waiting_begin": kind(WaitingBegin, to_open_turn(wait_began)),
    "collab_waiting_end": kind(WaitingEnd, to_open_turn(wait_ended)),
    "collab_close_begin": kind(ToOne, to_open_turn(to_one_began("closeAgent"))),
    "collab_close_end": kind(ToOneEnd, to_open_turn(to_one_ended("closeAgent"))),
    "collab_resume_begin": kind(ToOne, to_open_turn(to_one_began("resumeAgent"))),
    "collab_resume_end": kind(ToOneEnd, to_open_turn(to_one_ended("resumeAgent"))),
    "sub_agent_activity": kind(Activity, to_open_turn(active)),
}
