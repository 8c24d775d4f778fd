"""Agents among themselves (R53–R57, U3, U8)."""

from typing import Any

import pytest

from tests.factories import OTHER_UUID, UUID, Story, decoded, event

CALL: dict[str, Any] = {
    "type": "collabAgentToolCall",
    "id": "c",
    "status": "inProgress",
    "senderThreadId": UUID,
    "receiverThreadIds": [OTHER_UUID],
    "prompt": None,
    "model": None,
    "reasoningEffort": None,
    "agentsStates": {},
}
SPAWN = {**CALL, "tool": "spawnAgent", "prompt": "p", "model": "m", "reasoningEffort": "high"}
RUNNING = {"status": "running", "message": None}
STATES: list[tuple[Any, Any, str]] = [
    ("pending_init", {"status": "pendingInit", "message": None}, "completed"),
    ("running", RUNNING, "completed"),
    ("interrupted", {"status": "interrupted", "message": None}, "completed"),
    ("shutdown", {"status": "shutdown", "message": None}, "completed"),
    ("not_found", {"status": "notFound", "message": None}, "failed"),
    ({"completed": None}, {"status": "completed", "message": None}, "completed"),
    ({"completed": "x"}, {"status": "completed", "message": "x"}, "completed"),
    ({"errored": "y"}, {"status": "errored", "message": "y"}, "failed"),
]


def item(kind: str, /, **fields: Any) -> Any:
    return Story(event(kind, **fields)).items()[0][0]


def test_an_agent_that_is_being_spawned_is_not_known_yet() -> None:
    assert item("collab_agent_spawn_begin") == {**SPAWN, "receiverThreadIds": []}


@pytest.mark.parametrize(("state", "shown", "status"), STATES)
def test_a_spawned_agent_shows_its_state(state: Any, shown: Any, status: str) -> None:
    found = item("collab_agent_spawn_end", new_thread_id=OTHER_UUID.upper(), status=state)

    assert found == {**SPAWN, "status": status, "agentsStates": {OTHER_UUID: shown}}


@pytest.mark.parametrize("fields", [{}, {"new_thread_id": None}])
def test_a_spawn_without_an_agent_failed(fields: dict[str, Any]) -> None:
    assert item("collab_agent_spawn_end", **fields) == {**SPAWN, "status": "failed", "receiverThreadIds": []}


TO_ONE = [
    ("collab_agent_interaction", {**CALL, "tool": "sendInput", "prompt": "p"}),
    ("collab_close", {**CALL, "tool": "closeAgent"}),
    ("collab_resume", {**CALL, "tool": "resumeAgent"}),
]


@pytest.mark.parametrize(("kind", "shown"), TO_ONE)
def test_what_begins_with_one_agent(kind: str, shown: dict[str, Any]) -> None:
    assert item(f"{kind}_begin") == shown


@pytest.mark.parametrize(("kind", "begun"), TO_ONE)
@pytest.mark.parametrize(("state", "shown", "status"), STATES)
def test_what_ended_with_one_agent(kind: str, begun: dict[str, Any], state: Any, shown: Any, status: str) -> None:
    assert item(f"{kind}_end", status=state) == {**begun, "status": status, "agentsStates": {OTHER_UUID: shown}}


def test_a_wait_keeps_the_order_of_its_agents() -> None:
    found = item("collab_waiting_begin", receiver_thread_ids=[OTHER_UUID, UUID], receiver_agents=[5])

    assert found == {**CALL, "tool": "wait", "receiverThreadIds": [OTHER_UUID, UUID]}


ERRORED = {"status": "errored", "message": ""}


@pytest.mark.parametrize(
    ("statuses", "shown", "status"),
    [
        ({}, {}, "completed"),
        ({OTHER_UUID.upper(): "running", UUID: "running"}, {UUID: RUNNING, OTHER_UUID: RUNNING}, "completed"),
        ({OTHER_UUID: {"errored": ""}, UUID: "running"}, {UUID: RUNNING, OTHER_UUID: ERRORED}, "failed"),
    ],
)
def test_a_wait_that_is_over_sorts_its_agents(statuses: Any, shown: dict[str, Any], status: str) -> None:
    found = item("collab_waiting_end", statuses=statuses)

    assert found == {
        **CALL,
        "tool": "wait",
        "status": status,
        "receiverThreadIds": list(shown),
        "agentsStates": shown,
    }


@pytest.mark.parametrize("activity", ["started", "interacted", "interrupted"])
def test_an_activity_of_a_sub_agent(activity: str) -> None:
    assert item("sub_agent_activity", kind=activity) == {
        "type": "subAgentActivity",
        "id": "c",
        "kind": activity,
        "agentThreadId": OTHER_UUID,
        "agentPath": "/root/w",
    }


@pytest.mark.parametrize(
    "state", ["", "completed", "of the future", {}, {"completed": 5}, {"errored": None}, {"running": None}, None]
)
def test_a_state_that_is_not_known_is_rejected(state: Any) -> None:
    assert decoded(event("collab_close_end", status=state)).status == "rejected"


def test_what_is_no_thread_id_is_rejected() -> None:
    lines = [
        event("collab_close_end", receiver_thread_id="x"),
        event("collab_agent_spawn_end", new_thread_id=""),
        event("collab_waiting_begin", receiver_thread_ids=["x"]),
        event("collab_waiting_end", statuses={"x": "running"}),
        event("sub_agent_activity", agent_thread_id="x"),
    ]

    assert [decoded(line).status for line in lines] == ["rejected"] * len(lines)


def test_an_end_goes_to_the_open_turn_and_leaves_its_begin_behind() -> None:
    story = Story(event("collab_close_begin"), event("task_started"), event("collab_close_end"))

    assert [[found["status"] for found in items] for items in story.items()] == [["inProgress"], ["completed"]]
