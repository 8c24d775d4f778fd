"""Commands: begun, ended, judged by a guardian (R41, R42, U7)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.item import CommandExecution
from worker.model.scalar import I32, I64_MAX, DurationMs, Location, Tagged, joined
from worker.reducer.kind import KindTable, kind, to_named_turn, to_turn_or_open
from worker.reducer.shell import shell_join

Source = Literal["agent", "user_shell", "unified_exec_startup", "unified_exec_interaction"]
SOURCES = {
    "agent": "agent",
    "user_shell": "userShell",
    "unified_exec_startup": "unifiedExecStartup",
    "unified_exec_interaction": "unifiedExecInteraction",
}


class ReadAction(TypedDict):
    """The command reads a file."""

    type: Literal["read"]
    cmd: str
    name: str
    path: str


class ListAction(TypedDict):
    """The command lists files."""

    type: Literal["list_files"]
    cmd: str
    path: NotRequired[str | None]


class SearchAction(TypedDict):
    """The command searches."""

    type: Literal["search"]
    cmd: str
    query: NotRequired[str | None]
    path: NotRequired[str | None]


class UnknownAction(TypedDict):
    """The command does something else."""

    type: Literal["unknown"]
    cmd: str


ParsedCommand = Annotated[ReadAction | ListAction | SearchAction | UnknownAction, Tagged("type")]


class ExecBegin(TypedDict):
    """A command begins."""

    call_id: str
    turn_id: str
    command: list[str]
    cwd: Location
    parsed_cmd: list[ParsedCommand]
    process_id: NotRequired[str | None]
    source: NotRequired[Source]
    plugin_id: NotRequired[str | None]
    script_path: NotRequired[str | None]


class ExecEnd(ExecBegin):
    """A command has ended."""

    stdout: str
    stderr: str
    aggregated_output: NotRequired[str]
    exit_code: I32
    duration: DurationMs
    formatted_output: str
    status: Literal["completed", "failed", "declined"]


class CommandAction(TypedDict):
    """A guardian's subject: a command line."""

    type: Literal["command"]
    source: Literal["shell", "unified_exec"]
    command: str
    cwd: Location


class ExecveAction(TypedDict):
    """A guardian's subject: a program with its arguments, the first of which is its name."""

    type: Literal["execve"]
    source: Literal["shell", "unified_exec"]
    program: str
    argv: list[str]
    cwd: Location


class OtherAction(TypedDict):
    """A guardian's subject that is no command."""

    type: str


class GuardianAssessment(TypedDict):
    """A guardian's word on what the agent is about to do."""

    id: str
    target_item_id: NotRequired[str | None]
    turn_id: NotRequired[str]
    status: Literal["in_progress", "approved", "denied", "timed_out", "aborted"]
    action: Annotated[CommandAction | ExecveAction, Tagged("type", otherwise=OtherAction)]


def actions(parsed: list[Any], cwd: str) -> list[dict[str, Any]]:
    """Return what a command does, as output; a read of a path that cannot be one is dropped (U7)."""
    shown = []
    for found in parsed:
        action: dict[str, Any] = {"type": found["type"], "command": found["cmd"]}
        if found["type"] == "read":
            try:
                action |= {"name": found["name"], "path": joined(cwd, found["path"])}
            except ValueError:
                continue
        elif found["type"] == "list_files":
            action |= {"type": "listFiles", "path": found.get("path")}
        elif found["type"] == "search":
            action |= {"query": found.get("query"), "path": found.get("path")}
        shown.append(action)
    return shown


def began(event: ExecBegin) -> CommandExecution:
    """Return the item of a command that runs."""
    return {
        "type": "commandExecution",
        "id": event["call_id"],
        "pluginId": event.get("plugin_id"),
        "scriptPath": event.get("script_path"),
        "command": shell_join(event["command"]),
        "cwd": event["cwd"],
        "processId": event.get("process_id"),
        "source": SOURCES[event.get("source", "agent")],
        "status": "inProgress",
        "commandActions": actions(event["parsed_cmd"], event["cwd"]),
        "aggregatedOutput": None,
        "exitCode": None,
        "durationMs": None,
    }


def ended(event: ExecEnd) -> CommandExecution:
    """Return the item of a command that has ended; nothing is taken over from its begin."""
    item = began(event)
    item["status"] = event["status"]
    item["aggregatedOutput"] = event.get("aggregated_output") or None
    item["exitCode"] = event["exit_code"]
    item["durationMs"] = min(event["duration"], I64_MAX)
    return item


_JUDGED: dict[str, Literal["inProgress", "declined", "failed"]] = {
    "in_progress": "inProgress",
    "denied": "declined",
    "aborted": "declined",
    "timed_out": "failed",
}


def judged(event: GuardianAssessment) -> CommandExecution | None:
    """Return the item of a command that a guardian looks at; None when it shows nothing (R42)."""
    target, action = event.get("target_item_id"), event["action"]
    if event["status"] == "approved" or target is None:
        return None
    if action["type"] == "command":
        command = action["command"]
    elif action["type"] == "execve":  # D5: one unknown action with the joined command
        command = shell_join([action["program"], *action["argv"][1:]])
    else:
        return None
    return {
        "type": "commandExecution",
        "id": target,
        "pluginId": None,
        "scriptPath": None,
        "command": command,
        "cwd": action["cwd"],
        "processId": None,
        "source": "agent",
        "status": _JUDGED[event["status"]],
        "commandActions": [{"type": "unknown", "command": command}],
        "aggregatedOutput": None,
        "exitCode": None,
        "durationMs": None,
    }


KINDS: KindTable = {
    "exec_command_begin": kind(ExecBegin, to_named_turn(began)),
    "exec_command_end": kind(ExecEnd, to_named_turn(ended)),
    "guardian_assessment": kind(GuardianAssessment, to_turn_or_open(judged)),
}
