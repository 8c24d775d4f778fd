"""Items that the protocol itemises itself (R40, U3, U11, D21)."""

from typing import Any

import pytest

from tests.factories import DURATION, OTHER_UUID, PATCH, REVIEW, UUID, Story, decoded, event, turn_item
from worker.reducer.turn_item_builders import BUILDERS, built

STARTED = event("task_started", turn_id="a")
COMMAND = {"command": ["ls", "-l"], "cwd": "/w", "parsed_cmd": [], "source": "agent", "status": "completed"}
COLLAB = {"tool": "spawn_agent", "status": "in_progress", "sender_thread_id": UUID}
ANSWER = {"content": [1], "structuredContent": {"k": 1}, "_meta": 2, "isError": True}

# By tag: the least that is accepted and what becomes of it; then everything there is.
ITEMS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("UserMessage", {"content": []}, {"type": "userMessage", "clientId": None, "content": []}),
    (
        "UserMessage",
        {
            "client_id": "k",
            "content": [
                {"type": "text", "text": " "},
                {"type": "text", "text": "x", "text_elements": [{"byte_range": {"start": 0, "end": 1}}]},
                {"type": "image", "image_url": "u"},
                {"type": "local_image", "path": "p", "detail": "low"},
                {"type": "audio", "audio_url": "v"},
                {"type": "local_audio", "path": "q"},
                {"type": "skill", "name": "n", "path": "r"},
                {"type": "mention", "name": "m", "path": "s"},
            ],
        },
        {
            "type": "userMessage",
            "clientId": "k",
            "content": [
                {"type": "text", "text": " ", "text_elements": []},
                {
                    "type": "text",
                    "text": "x",
                    "text_elements": [{"byteRange": {"start": 0, "end": 1}, "placeholder": None}],
                },
                {"type": "image", "url": "u", "detail": None},
                {"type": "localImage", "path": "p", "detail": "low"},
                {"type": "audio", "url": "v"},
                {"type": "localAudio", "path": "q"},
                {"type": "skill", "name": "n", "path": "r"},
                {"type": "mention", "name": "m", "path": "s"},
            ],
        },
    ),
    (
        "HookPrompt",
        {"fragments": [{"text": "x", "hookRunId": "r", "more": 1}]},
        {"type": "hookPrompt", "fragments": [{"text": "x", "hookRunId": "r"}]},
    ),
    ("AgentMessage", {"content": []}, {"type": "agentMessage", "text": "", "phase": None, "memoryCitation": None}),
    (
        "AgentMessage",
        {
            "content": [{"type": "Text", "text": "x"}, {"type": "Text", "text": "y"}],
            "phase": "commentary",
            "memory_citation": {"entries": [], "rolloutIds": ["r"]},
        },
        {
            "type": "agentMessage",
            "text": "xy",
            "phase": "commentary",
            "memoryCitation": {"entries": [], "threadIds": ["r"]},
        },
    ),
    ("Plan", {"text": ""}, {"type": "plan", "text": ""}),
    ("Reasoning", {"summary_text": ["x"]}, {"type": "reasoning", "summary": ["x"], "content": []}),
    (
        "Reasoning",
        {"summary_text": [], "raw_content": ["y"]},
        {"type": "reasoning", "summary": [], "content": ["y"]},
    ),
    (
        "CommandExecution",
        COMMAND,
        {
            "type": "commandExecution",
            "pluginId": None,
            "scriptPath": None,
            "command": "ls -l",
            "cwd": "/w",
            "processId": None,
            "source": "agent",
            "status": "completed",
            "commandActions": [],
            "aggregatedOutput": None,
            "exitCode": None,
            "durationMs": None,
        },
    ),
    (
        "CommandExecution",
        {
            **COMMAND,
            "status": "in_progress",
            "source": "user_shell",
            "cwd": "file:///C:/w",
            "parsed_cmd": [{"type": "read", "cmd": "type a", "name": "a", "path": "..\\a"}],
            "plugin_id": "p",
            "script_path": "s",
            "process_id": "1",
            "aggregated_output": "",
            "exit_code": 0,
            "duration": DURATION,
        },
        {
            "type": "commandExecution",
            "pluginId": "p",
            "scriptPath": "s",
            "command": "ls -l",
            "cwd": "C:\\w",
            "processId": "1",
            "source": "userShell",
            "status": "inProgress",
            "commandActions": [{"type": "read", "command": "type a", "name": "a", "path": "C:\\a"}],
            "aggregatedOutput": None,
            "exitCode": 0,
            "durationMs": 1002,
        },
    ),
    (
        "DynamicToolCall",
        {"tool": "t", "arguments": None, "status": "in_progress"},
        {
            "type": "dynamicToolCall",
            "namespace": None,
            "tool": "t",
            "arguments": None,
            "status": "inProgress",
            "contentItems": None,
            "success": None,
            "durationMs": None,
        },
    ),
    (
        "DynamicToolCall",
        {
            "tool": "t",
            "arguments": [1],
            "status": "failed",
            "namespace": "n",
            "content_items": [{"type": "inputText", "text": "x"}],
            "success": False,
            "error": "e",
            "duration": {"secs": 2**60, "nanos": 0},
        },
        {
            "type": "dynamicToolCall",
            "namespace": "n",
            "tool": "t",
            "arguments": [1],
            "status": "failed",
            "contentItems": [{"type": "inputText", "text": "x"}],
            "success": False,
            "durationMs": None,
        },
    ),
    (
        "CollabAgentToolCall",
        COLLAB,
        {
            "type": "collabAgentToolCall",
            "tool": "spawnAgent",
            "status": "inProgress",
            "senderThreadId": UUID,
            "receiverThreadIds": [],
            "prompt": None,
            "model": None,
            "reasoningEffort": None,
            "agentsStates": {},
        },
    ),
    (
        "CollabAgentToolCall",
        {
            "tool": "send_input",
            "status": "failed",
            "sender_thread_id": UUID.upper(),
            "receiver_thread_ids": [OTHER_UUID.upper(), UUID],
            "receiver_agents": 5,
            "prompt": "p",
            "model": "m",
            "reasoning_effort": "mega",
            "agents_states": {OTHER_UUID.upper(): "not_found"},
        },
        {
            "type": "collabAgentToolCall",
            "tool": "sendInput",
            "status": "failed",
            "senderThreadId": UUID,
            "receiverThreadIds": [OTHER_UUID, UUID],
            "prompt": "p",
            "model": "m",
            "reasoningEffort": "mega",
            "agentsStates": {OTHER_UUID: {"status": "notFound", "message": None}},
        },
    ),
    (
        "SubAgentActivity",
        {"kind": "started", "agent_thread_id": OTHER_UUID, "agent_path": "/root"},
        {"type": "subAgentActivity", "kind": "started", "agentThreadId": OTHER_UUID, "agentPath": "/root"},
    ),
    (
        "WebSearch",
        {"query": "q", "action": {"type": "open_page", "url": "u"}},
        {"type": "webSearch", "query": "q", "action": {"type": "openPage", "url": "u"}, "results": None},
    ),
    ("ImageView", {"path": "file:///a%20b"}, {"type": "imageView", "path": "/a b"}),
    (
        "ImageGeneration",
        {"status": "s", "result": "r"},
        {
            "type": "imageGeneration",
            "status": "s",
            "revisedPrompt": None,
            "result": "r",
            "transparentBackground": None,
        },
    ),
    (
        "ImageGeneration",
        {"status": "s", "result": "r", "revised_prompt": "p", "saved_path": "/a/./b", "transparent_background": True},
        {
            "type": "imageGeneration",
            "status": "s",
            "revisedPrompt": "p",
            "result": "r",
            "transparentBackground": None,
            "savedPath": "/a/b",
        },
    ),
    (
        "Extension",
        {"kind": "image_gen.generation", "status": "s", "result": "r"},
        {
            "type": "imageGeneration",
            "status": "s",
            "revisedPrompt": None,
            "result": "r",
            "transparentBackground": None,
        },
    ),
    (
        "Extension",
        {
            "kind": "image_gen.generation",
            "status": "s",
            "result": "r",
            "revisedPrompt": "p",
            "transparentBackground": True,
            "savedPath": "/a",
        },
        {
            "type": "imageGeneration",
            "status": "s",
            "revisedPrompt": "p",
            "result": "r",
            "transparentBackground": True,
            "savedPath": "/a",
        },
    ),
    ("Extension", {"kind": "clock.sleep", "durationMs": 2**64 - 1}, {"type": "sleep", "durationMs": 2**64 - 1}),
    (
        "Extension",
        {"kind": "web.search", "query": "q"},
        {"type": "webSearch", "query": "q", "action": None, "results": None},
    ),
    (
        "Extension",
        {"kind": "web.search", "query": "q", "action": {"type": "findInPage", "url": "u"}, "results": [1]},
        {
            "type": "webSearch",
            "query": "q",
            "action": {"type": "findInPage", "url": "u", "pattern": None},
            "results": [1],
        },
    ),
    (
        "Extension",
        {"kind": "web.search", "query": "q", "action": {"type": "open_page", "url": "u"}},
        {"type": "webSearch", "query": "q", "action": {"type": "other"}, "results": None},
    ),
    (
        "EnteredReviewMode",
        {"target": {"type": "custom", "instructions": "x"}, "user_facing_hint": ""},
        {"type": "enteredReviewMode", "review": ""},
    ),
    ("ExitedReviewMode", {}, {"type": "exitedReviewMode", "review": "Reviewer failed to output a response."}),
    ("ExitedReviewMode", {"review_output": REVIEW}, {"type": "exitedReviewMode", "review": "Looks good."}),
    ("FileChange", {"changes": {}}, {"type": "fileChange", "changes": [], "status": "inProgress"}),
    (
        "FileChange",
        {"changes": PATCH, "status": "declined"},
        {
            "type": "fileChange",
            "changes": [{"path": "a.txt", "kind": {"type": "add"}, "diff": "hello\n"}],
            "status": "declined",
        },
    ),
    (
        "McpToolCall",
        {"server": "s", "tool": "t", "arguments": None, "status": "inProgress"},
        {
            "type": "mcpToolCall",
            "server": "s",
            "tool": "t",
            "status": "inProgress",
            "arguments": None,
            "appContext": None,
            "pluginId": None,
            "readOnlyHint": None,
            "result": None,
            "error": None,
            "durationMs": None,
        },
    ),
    (
        "McpToolCall",
        {
            "server": "s",
            "tool": "t",
            "arguments": [1],
            "status": "completed",
            "connectorId": "k",
            "mcpAppResourceUri": "ui://",
            "linkId": "l",
            "appName": "n",
            "actionName": "o",
            "pluginId": "p",
            "readOnlyHint": True,
            "result": ANSWER,
            "error": {"message": "e", "more": 1},
            "duration": DURATION,
        },
        {
            "type": "mcpToolCall",
            "server": "s",
            "tool": "t",
            # As given, whatever the answer says.
            "status": "completed",
            "arguments": [1],
            "appContext": {
                "connectorId": "k",
                "linkId": "l",
                "resourceUri": "ui://",
                "appName": "n",
                "actionName": "o",
            },
            "mcpAppResourceUri": "ui://",
            "pluginId": "p",
            "readOnlyHint": True,
            "result": {"content": [1], "structuredContent": {"k": 1}, "_meta": 2},
            "error": {"message": "e"},
            "durationMs": 1002,
        },
    ),
    ("ContextCompaction", {}, {"type": "contextCompaction"}),
]


@pytest.mark.parametrize(("tag", "fields", "shown"), ITEMS)
def test_every_tag_becomes_its_item(tag: str, fields: dict[str, Any], shown: dict[str, Any]) -> None:
    read = decoded(turn_item(tag, id="i", **fields))

    assert (read.status, built(read.event["item"])) == ("event", {**shown, "id": "i"})


def test_there_is_a_case_for_every_tag() -> None:
    assert {tag for tag, _, _ in ITEMS} == set(BUILDERS)


@pytest.mark.parametrize("tag", sorted(BUILDERS))
def test_an_item_without_an_id_is_rejected(tag: str) -> None:
    assert decoded(turn_item(tag)).status == "rejected"


def test_an_item_of_an_unknown_tag_becomes_nothing_here() -> None:
    assert built({"type": "Hologram", "id": "x"}) is None


@pytest.mark.parametrize(
    ("tag", "fields"),
    [
        ("McpToolCall", {"server": "s", "tool": "t", "status": "completed"}),
        ("McpToolCall", {"server": "s", "tool": "t", "arguments": 1, "status": "in_progress"}),
        ("CommandExecution", {**COMMAND, "source": None}),
        ("CommandExecution", {**COMMAND, "exit_code": 1.5}),
        ("CollabAgentToolCall", {**COLLAB, "reasoning_effort": ""}),
        ("CollabAgentToolCall", {**COLLAB, "tool": "x"}),
        ("ImageGeneration", {"status": "s", "result": "r", "saved_path": "relative"}),
        ("Extension", {"kind": "clock.sleep", "durationMs": -1}),
        ("Extension", {"kind": "clock.sleep", "duration_ms": 1}),
        ("Extension", {"kind": "web.search", "query": "q", "action": {"type": "search", "query": 1}}),
        ("EnteredReviewMode", {"target": {"type": "uncommittedChanges"}}),
        ("EnteredReviewMode", {"user_facing_hint": "x"}),
        ("Reasoning", {"summary_text": [], "raw_content": None}),
    ],
)
def test_an_item_of_a_bad_shape_is_rejected(tag: str, fields: dict[str, Any]) -> None:
    assert decoded(turn_item(tag, id="i", **fields)).status == "rejected"


# R40, U3: where they go in a legacy thread

IN_NAMED_TURN = {"Plan", "CommandExecution", "DynamicToolCall", "CollabAgentToolCall", "SubAgentActivity", "Extension"}
REVIEWS = {"EnteredReviewMode", "ExitedReviewMode"}
FULL = {tag: fields for tag, fields, _ in ITEMS} | {"Plan": {"text": "x"}}


def ids_after(tag: str, turn_id: str) -> Any:
    story = Story(STARTED, event("task_started", turn_id="b"), turn_item(tag, turn_id=turn_id, id="i", **FULL[tag]))
    return story.ids()


@pytest.mark.parametrize("tag", sorted(IN_NAMED_TURN))
def test_what_legacy_events_do_not_cover_goes_to_the_turn_it_names(tag: str) -> None:
    found = ids_after(tag, "a"), ids_after(tag, "x")

    assert found == ([("a", ["i"]), ("b", [])], [("a", []), ("b", [])])


@pytest.mark.parametrize("tag", sorted(REVIEWS))
def test_a_review_goes_to_the_turn_it_names_or_opens_it(tag: str) -> None:
    found = ids_after(tag, "a"), ids_after(tag, "x")

    assert found == ([("a", ["i"]), ("b", [])], [("a", []), ("b", []), ("x", ["i"])])


@pytest.mark.parametrize("tag", sorted(BUILDERS.keys() - IN_NAMED_TURN - REVIEWS))
def test_what_legacy_events_cover_is_left_to_them(tag: str) -> None:
    assert ids_after(tag, "a") == [("a", []), ("b", [])]


def test_an_unknown_tag_takes_its_index_and_shows_nothing() -> None:
    assert Story(turn_item("Hologram", id="x"), event("agent_message")).ids() == [("rollout-1", ["item-1"])]


def test_an_empty_plan_shows_nothing() -> None:
    assert Story(STARTED, turn_item("Plan", id="i", text="")).ids() == [("a", [])]


def test_a_started_item_is_replaced_by_the_completed_one() -> None:
    item = {"type": "CommandExecution", "id": "i", **COMMAND}
    story = Story(STARTED, event("item_started", item={**item, "status": "in_progress"}), event("user_message"))

    story.tell(event("item_completed", item=item))

    assert [one.get("status") for one in story.items()[0]] == ["completed", None]


@pytest.mark.parametrize(
    "line",
    [
        event("item_started", started_at_ms=None),
        event("item_completed", thread_id="x"),
        event("item_completed", completed_at_ms=None),
        event("item_completed", started_at_ms="x"),
        event("item_completed", turn_id=None),
        event("item_completed", item=None),
    ],
)
def test_an_envelope_of_a_bad_shape_is_rejected(line: bytes) -> None:
    assert decoded(line).status == "rejected"
