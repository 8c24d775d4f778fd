"""Tools: MCP, the client's own, the web (R46–R50, A3, U6)."""

from typing import Any

import pytest

from tests.factories import Story, checked, decoded, event
from worker.reducer.tools import dynamic_ended, mcp_began, mcp_ended, web_began, web_ended

STARTED = [event("task_started", turn_id=turn_id) for turn_id in "ab"]
MCP: dict[str, Any] = {
    "type": "mcpToolCall",
    "id": "c",
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
}
DYNAMIC: dict[str, Any] = {
    "type": "dynamicToolCall",
    "id": "c",
    "namespace": None,
    "tool": "t",
    "arguments": {},
    "status": "inProgress",
    "contentItems": None,
    "success": None,
    "durationMs": None,
}

# R48, R49


def test_an_mcp_call_that_runs() -> None:
    assert mcp_began(checked("mcp_tool_call_begin")) == MCP


def test_an_mcp_call_shows_where_it_comes_from() -> None:
    event_ = checked(
        "mcp_tool_call_begin",
        invocation={"server": "s", "tool": "t", "arguments": [1]},
        mcp_app_resource_uri="ui://",
        connector_id="k",
        link_id="l",
        app_name="n",
        action_name="o",
        plugin_id="p",
        read_only_hint=False,
    )

    context = {"connectorId": "k", "linkId": "l", "resourceUri": "ui://", "appName": "n", "actionName": "o"}
    assert mcp_began(event_) == {
        **MCP,
        "arguments": [1],
        "appContext": context,
        "mcpAppResourceUri": "ui://",
        "pluginId": "p",
        "readOnlyHint": False,
    }


def test_there_is_no_app_without_a_connector_and_no_uri_without_one() -> None:
    item = mcp_began(checked("mcp_tool_call_begin", link_id="l", mcp_app_resource_uri=None))

    assert item == MCP


ANSWER = {"content": [1, {"k": None}], "structuredContent": {"x": 1}, "_meta": [2]}


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ({"Ok": {"content": []}}, {"status": "completed", "result": {**dict.fromkeys(ANSWER), "content": []}}),
        ({"Ok": {**ANSWER, "isError": False}}, {"status": "completed", "result": ANSWER}),
        ({"Ok": {**ANSWER, "isError": None}}, {"status": "completed", "result": ANSWER}),
        ({"Ok": {**ANSWER, "isError": True}}, {"status": "failed", "result": ANSWER}),
        ({"Err": "bad"}, {"status": "failed", "error": {"message": "bad"}}),
        ({"Err": ""}, {"status": "failed", "error": {"message": ""}}),
    ],
)
def test_an_mcp_call_that_ended_shows_its_answer_or_its_error(result: Any, shown: dict[str, Any]) -> None:
    assert mcp_ended(checked("mcp_tool_call_end", result=result)) == {**MCP, "durationMs": 1002, **shown}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"Ok": {"content": []}, "Err": "x"},
        {"Maybe": 1},
        {"Ok": {}},
        {"Ok": {"content": [], "isError": 1}},
        {"Err": None},
        "Ok",
    ],
)
def test_an_mcp_answer_of_a_bad_shape_is_rejected(result: Any) -> None:
    assert decoded(event("mcp_tool_call_end", result=result)).status == "rejected"


@pytest.mark.parametrize(("secs", "milliseconds"), [(9_223_372_036_854_775, 9_223_372_036_854_775_000), (10**17, None)])
def test_a_duration_beyond_64_bits_is_null(secs: int, milliseconds: int | None) -> None:
    duration = {"secs": secs, "nanos": 0}

    found = [
        mcp_ended(checked("mcp_tool_call_end", duration=duration))["durationMs"],
        dynamic_ended(checked("dynamic_tool_call_response", duration=duration))["durationMs"],
    ]

    assert found == [milliseconds] * 2


@pytest.mark.parametrize("kind", ["mcp_tool_call_begin", "mcp_tool_call_end", "web_search_begin", "web_search_end"])
def test_a_late_end_lands_in_whatever_turn_is_open(kind: str) -> None:
    open_, closed = Story(*STARTED), Story(*STARTED, event("task_complete", turn_id="b"))
    open_.tell(event(kind, turn_id="a"))
    closed.tell(event(kind, turn_id="a"))

    assert (open_.ids(), closed.ids()) == ([("a", []), ("b", ["c"])], [("a", []), ("b", []), ("rollout-3", ["c"])])


# R46, R47


def test_a_call_of_a_clients_tool_is_shown_when_asked_for() -> None:
    story = Story(*STARTED, event("dynamic_tool_call_request", namespace="n", arguments=[None]))

    assert story.items() == [[{**DYNAMIC, "namespace": "n", "arguments": [None]}], []]


@pytest.mark.parametrize(("success", "status"), [(True, "completed"), (False, "failed")])
def test_a_clients_answer_is_shown_and_its_error_is_not(success: bool, status: str) -> None:
    content = [
        {"type": "inputText", "text": "x"},
        {"type": "inputImage", "imageUrl": "u"},
        {"type": "inputAudio", "audioUrl": "v"},
    ]
    event_ = checked("dynamic_tool_call_response", content_items=content, success=success, error="e")

    assert dynamic_ended(event_) == {
        **DYNAMIC,
        "status": status,
        "contentItems": content,
        "success": success,
        "durationMs": 1002,
    }


@pytest.mark.parametrize(
    ("kind", "field"), [("dynamic_tool_call_request", "turnId"), ("dynamic_tool_call_response", "turn_id")]
)
@pytest.mark.parametrize(
    ("turn_id", "ids"),
    [
        ("a", [("a", ["c"]), ("b", [])]),
        ("", [("a", []), ("b", ["c"])]),
        ("x", [("a", []), ("b", [])]),
    ],
)
def test_a_clients_tool_names_a_turn_or_means_the_open_one(kind: str, field: str, turn_id: str, ids: Any) -> None:
    assert Story(*STARTED, event(kind, **{field: turn_id})).ids() == ids


@pytest.mark.parametrize("fields", [{"content_items": None}, {"content_items": [{"type": "x"}]}, {"success": None}])
def test_a_clients_answer_of_a_bad_shape_is_rejected(fields: dict[str, Any]) -> None:
    assert decoded(event("dynamic_tool_call_response", **fields)).status == "rejected"


# R50

WEB = {"type": "webSearch", "id": "c", "query": "", "action": None, "results": None}


def test_a_web_search_that_runs() -> None:
    assert web_began(checked("web_search_begin")) == WEB


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ({"type": "search"}, {"type": "search", "query": None, "queries": None}),
        ({"type": "search", "query": "q", "queries": ["r"]}, {"type": "search", "query": "q", "queries": ["r"]}),
        ({"type": "open_page", "url": "u"}, {"type": "openPage", "url": "u"}),
        ({"type": "open_page"}, {"type": "openPage", "url": None}),
        ({"type": "find_in_page", "url": "u", "pattern": "p"}, {"type": "findInPage", "url": "u", "pattern": "p"}),
        ({"type": "of the future", "query": 5}, {"type": "other"}),
    ],
)
def test_a_web_search_that_ended_shows_what_was_done(action: Any, shown: Any) -> None:
    item = web_ended(checked("web_search_end", action=action, results=[{"k": 1}]))

    assert item == {**WEB, "query": "q", "action": shown, "results": [{"k": 1}]}


@pytest.mark.parametrize("action", [None, {}, {"type": "search", "query": 5}, {"type": "search", "queries": "q"}])
def test_a_web_action_of_a_bad_shape_is_rejected(action: Any) -> None:
    assert decoded(event("web_search_end", action=action)).status == "rejected"
