"""Commands: begun, ended, judged by a guardian (R41, R42, A1, A3, D5, U6, U7)."""

from typing import Any

import pytest

from tests.factories import Story, checked, decoded, event
from worker.reducer.commands import actions, began, ended, judged

STARTED = event("task_started", turn_id="a")
RUNNING: dict[str, Any] = {
    "type": "commandExecution",
    "id": "c",
    "pluginId": None,
    "scriptPath": None,
    "command": "ls -l",
    "cwd": "/w",
    "processId": None,
    "source": "agent",
    "status": "inProgress",
    "commandActions": [],
    "aggregatedOutput": None,
    "exitCode": None,
    "durationMs": None,
}


def test_a_command_that_runs() -> None:
    assert began(checked("exec_command_begin")) == RUNNING


def test_a_command_that_ended() -> None:
    event_ = checked(
        "exec_command_end",
        process_id="1",
        source="user_shell",
        plugin_id="p",
        script_path="s",
        aggregated_output="out",
        exit_code=-1,
        status="failed",
    )

    assert ended(event_) == {
        **RUNNING,
        "processId": "1",
        "source": "userShell",
        "pluginId": "p",
        "scriptPath": "s",
        "status": "failed",
        "aggregatedOutput": "out",
        "exitCode": -1,
        "durationMs": 1002,
    }


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("agent", "agent"),
        ("user_shell", "userShell"),
        ("unified_exec_startup", "unifiedExecStartup"),
        ("unified_exec_interaction", "unifiedExecInteraction"),
    ],
)
def test_sources_are_shown_in_camel_case(source: str, shown: str) -> None:
    assert began(checked("exec_command_begin", source=source))["source"] == shown


@pytest.mark.parametrize("fields", [{}, {"aggregated_output": ""}])
def test_an_empty_output_is_null(fields: dict[str, Any]) -> None:
    assert ended(checked("exec_command_end", **fields))["aggregatedOutput"] is None


def test_a_duration_beyond_64_bits_is_the_longest_there_is() -> None:
    item = ended(checked("exec_command_end", duration={"secs": 2**64 - 1, "nanos": 0}))

    assert item["durationMs"] == 2**63 - 1


def test_what_a_command_does() -> None:
    parsed = [
        {"type": "read", "cmd": "cat ../a", "name": "a", "path": "../a"},
        {"type": "read", "cmd": "cat b", "name": "b", "path": "/x//b"},
        {"type": "list_files", "cmd": "ls"},
        {"type": "list_files", "cmd": "ls c", "path": "c"},
        {"type": "search", "cmd": "rg"},
        {"type": "search", "cmd": "rg q c", "query": "q", "path": "c"},
        {"type": "unknown", "cmd": "make"},
    ]

    assert actions(parsed, "/w") == [
        {"type": "read", "command": "cat ../a", "name": "a", "path": "/a"},
        {"type": "read", "command": "cat b", "name": "b", "path": "/x/b"},
        {"type": "listFiles", "command": "ls", "path": None},
        {"type": "listFiles", "command": "ls c", "path": "c"},
        {"type": "search", "command": "rg", "query": None, "path": None},
        {"type": "search", "command": "rg q c", "query": "q", "path": "c"},
        {"type": "unknown", "command": "make"},
    ]


def test_a_read_of_a_path_that_cannot_be_one_is_dropped() -> None:
    parsed = [{"type": "read", "cmd": "cat", "name": "a", "path": "a\0"}, {"type": "unknown", "cmd": "x"}]

    assert actions(parsed, "/w") == [{"type": "unknown", "command": "x"}]


def test_a_command_that_ends_late_goes_to_its_own_turn() -> None:
    story = Story(STARTED, event("exec_command_begin"), event("task_started", turn_id="b"))

    story.tell(event("exec_command_end", status="declined"))

    assert [[item["status"] for item in items] for items in story.items()] == [["declined"], []]


def test_an_end_replaces_its_begin_whole_and_in_place() -> None:
    story = Story(
        STARTED, event("exec_command_begin", process_id="1"), event("user_message"), event("exec_command_end")
    )

    assert story.items()[0][0] == ended(checked("exec_command_end"))


@pytest.mark.parametrize("turn_id", ["x", ""])
@pytest.mark.parametrize("kind", ["exec_command_begin", "exec_command_end"])
def test_a_command_of_an_unknown_turn_is_dropped(kind: str, turn_id: str) -> None:
    story = Story(STARTED)

    assert (story.tell(event(kind, turn_id=turn_id)), story.ids()) == ([], [("a", [])])


def test_a_command_may_name_an_implicit_turn() -> None:
    story = Story(event("agent_message"), event("exec_command_end", turn_id="rollout-0"))

    assert story.ids() == [("rollout-0", ["item-1", "c"])]


# R42


@pytest.mark.parametrize(
    ("status", "shown"),
    [("in_progress", "inProgress"), ("denied", "declined"), ("aborted", "declined"), ("timed_out", "failed")],
)
def test_a_guardian_shows_the_command_it_looks_at(status: str, shown: str) -> None:
    found = judged(checked("guardian_assessment", status=status))

    assert found == {
        **RUNNING,
        "command": "ls",
        "status": shown,
        "commandActions": [{"type": "unknown", "command": "ls"}],
    }


@pytest.mark.parametrize(
    ("program", "argv", "command"),
    [("/bin/bash", ["bash", "-lc", "a b"], "/bin/bash -lc 'a b'"), ("ls", [], "ls"), ("ls", ["x"], "ls")],
)
def test_an_execve_is_one_unknown_action_with_its_command(program: str, argv: list[str], command: str) -> None:
    action = {"type": "execve", "source": "shell", "program": program, "argv": argv, "cwd": "/w/."}

    found = judged(checked("guardian_assessment", action=action))

    assert found == {**RUNNING, "command": command, "commandActions": [{"type": "unknown", "command": command}]}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "approved"},
        {"target_item_id": None},
        {"action": {"type": "apply_patch", "cwd": "/", "files": []}},
        {"action": {"type": "network_access", "target": "x", "host": "h", "protocol": "https", "port": 1}},
        {"action": {"type": "of the future"}},
    ],
)
def test_a_guardian_shows_nothing_else(fields: dict[str, Any]) -> None:
    story = Story()

    assert (story.tell(event("guardian_assessment", **fields)), story.turns()) == ([], [])


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({"turn_id": "a"}, [("a", ["c"]), ("b", [])]),
        ({"turn_id": ""}, [("a", []), ("b", ["c"])]),
        ({}, [("a", []), ("b", ["c"])]),
        ({"turn_id": "x"}, [("a", []), ("b", [])]),
    ],
)
def test_a_guardian_names_a_turn_or_means_the_open_one(fields: dict[str, Any], ids: Any) -> None:
    story = Story(STARTED, event("task_started", turn_id="b"), event("guardian_assessment", **fields))

    assert story.ids() == ids


def test_a_guardian_without_any_turn_opens_one() -> None:
    assert Story(event("guardian_assessment")).ids() == [("rollout-0", ["c"])]


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "x"},
        {"status": "in_progress"},
        {"exit_code": 2**31},
        {"command": "ls"},
        {"command": [1]},
        {"parsed_cmd": [{"type": "x", "cmd": "x"}]},
        {"parsed_cmd": [{"type": "read", "cmd": "x", "name": "x"}]},
        {"aggregated_output": None},
        {"duration": 5},
    ],
)
def test_a_command_of_a_bad_shape_is_rejected(fields: dict[str, Any]) -> None:
    assert decoded(event("exec_command_end", **fields)).status == "rejected"
