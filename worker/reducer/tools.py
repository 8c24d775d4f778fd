"""Tools: MCP, the client's own, the web (R46–R50, U6)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.item import DynamicToolCall, McpToolCall, ToolStatus, WebSearch
from worker.model.scalar import I64_MAX, DurationMs, Parsed, Tagged, only
from worker.reducer.kind import KindTable, kind, to_open_turn, to_turn_or_open
from worker.reducer.transition import Transition


class Invocation(TypedDict):
    """Which MCP tool is called, with what."""

    server: str
    tool: str
    arguments: NotRequired[Any]


class McpBegin(TypedDict):
    """A call of an MCP tool begins."""

    call_id: str
    invocation: Invocation
    mcp_app_resource_uri: NotRequired[str | None]
    connector_id: NotRequired[str | None]
    link_id: NotRequired[str | None]
    app_name: NotRequired[str | None]
    action_name: NotRequired[str | None]
    plugin_id: NotRequired[str | None]
    read_only_hint: NotRequired[bool | None]


class McpResult(TypedDict):
    """What an MCP tool answered."""

    content: list[Any]
    structuredContent: NotRequired[Any]
    isError: NotRequired[bool | None]
    _meta: NotRequired[Any]


class McpOutcome(TypedDict, total=False):
    """Exactly one of the two."""

    Ok: McpResult
    Err: str


class McpEnd(McpBegin):
    """A call of an MCP tool has ended."""

    duration: DurationMs
    result: Annotated[McpOutcome, Parsed(only({"Ok": None, "Err": None}))]


class ContentText(TypedDict):
    """Text that a tool of the client answered."""

    type: Literal["inputText"]
    text: str


class ContentImage(TypedDict):
    """An image that a tool of the client answered."""

    type: Literal["inputImage"]
    imageUrl: str


class ContentAudio(TypedDict):
    """Audio that a tool of the client answered."""

    type: Literal["inputAudio"]
    audioUrl: str


ContentItem = Annotated[ContentText | ContentImage | ContentAudio, Tagged("type")]


class DynamicRequest(TypedDict):
    """A tool of the client is called; camelCase on the wire."""

    callId: str
    turnId: str
    namespace: NotRequired[str | None]
    tool: str
    arguments: Any


class DynamicResponse(TypedDict):
    """A tool of the client has answered; its `error` is not shown."""

    call_id: str
    turn_id: str
    namespace: NotRequired[str | None]
    tool: str
    arguments: Any
    content_items: list[ContentItem]
    success: bool
    duration: DurationMs


class OtherWebAction(TypedDict):
    """An action of a type that is not known."""

    type: str


class Search(TypedDict):
    """A search."""

    type: Literal["search"]
    query: NotRequired[str | None]
    queries: NotRequired[list[str] | None]


class OpenPage(TypedDict):
    """A page was opened."""

    type: Literal["open_page"]
    url: NotRequired[str | None]


class FindInPage(TypedDict):
    """A page was searched."""

    type: Literal["find_in_page"]
    url: NotRequired[str | None]
    pattern: NotRequired[str | None]


AnyAction = Annotated[Search | OpenPage | FindInPage, Tagged("type", otherwise=OtherWebAction)]


class WebBegin(TypedDict):
    """A web search begins."""

    call_id: str


class WebEnd(TypedDict):
    """A web search has ended."""

    call_id: str
    query: str
    action: AnyAction
    results: NotRequired[list[Any] | None]


def app_context(
    *,
    connector_id: str | None,
    link_id: str | None,
    resource_uri: str | None,
    app_name: str | None,
    action_name: str | None,
) -> dict[str, Any] | None:
    """Return the app a tool belongs to; there is none without a connector (U6)."""
    if connector_id is None:
        return None
    return {
        "connectorId": connector_id,
        "linkId": link_id,
        "resourceUri": resource_uri,
        "appName": app_name,
        "actionName": action_name,
    }


def mcp_began(event: McpBegin) -> McpToolCall:
    """Return the item of an MCP call that runs."""
    call, uri = event["invocation"], event.get("mcp_app_resource_uri")
    item: McpToolCall = {
        "type": "mcpToolCall",
        "id": event["call_id"],
        "server": call["server"],
        "tool": call["tool"],
        "status": "inProgress",
        "arguments": call.get("arguments"),
        "appContext": app_context(
            connector_id=event.get("connector_id"),
            link_id=event.get("link_id"),
            resource_uri=uri,
            app_name=event.get("app_name"),
            action_name=event.get("action_name"),
        ),
        "pluginId": event.get("plugin_id"),
        "readOnlyHint": event.get("read_only_hint"),
        "result": None,
        "error": None,
        "durationMs": None,
    }
    if uri is not None:
        item["mcpAppResourceUri"] = uri
    return item


def mcp_result(found: McpResult) -> dict[str, Any]:
    """Return an MCP answer as output; `isError` shows in the status alone."""
    return {
        "content": found["content"],
        "structuredContent": found.get("structuredContent"),
        "_meta": found.get("_meta"),
    }


def bounded_ms(milliseconds: int) -> int | None:
    """Return a duration, or None when it is beyond 64 bits (A3)."""
    return milliseconds if milliseconds <= I64_MAX else None


def mcp_ended(event: McpEnd) -> McpToolCall:
    """Return the item of an MCP call that has ended; a failed one keeps its result."""
    item, result = mcp_began(event), event["result"]
    item["durationMs"] = bounded_ms(event["duration"])
    if "Ok" in result:
        item["status"] = "failed" if result["Ok"].get("isError") else "completed"
        item["result"] = mcp_result(result["Ok"])
    else:
        item["status"] = "failed"
        item["error"] = {"message": result["Err"]}
    return item


def _dynamic(call_id: str, event: DynamicRequest | DynamicResponse, status: ToolStatus) -> DynamicToolCall:
    return {
        "type": "dynamicToolCall",
        "id": call_id,
        "namespace": event.get("namespace"),
        "tool": event["tool"],
        "arguments": event["arguments"],
        "status": status,
        "contentItems": None,
        "success": None,
        "durationMs": None,
    }


def on_dynamic_request(transition: Transition, event: DynamicRequest) -> None:
    """R46: the turn named, or the open one when none is."""
    turn = transition.find_turn(event["turnId"]) if event["turnId"] else transition.ensured_turn()
    if turn is not None:
        transition.put_item(turn, _dynamic(event["callId"], event, "inProgress"))


def dynamic_ended(event: DynamicResponse) -> DynamicToolCall:
    """Return the item of a call that the client has answered."""
    item = _dynamic(event["call_id"], event, "completed" if event["success"] else "failed")
    item["contentItems"] = list(event["content_items"])  # type: ignore[arg-type]
    item["success"] = event["success"]
    item["durationMs"] = bounded_ms(event["duration"])
    return item


def web_action(found: Any) -> dict[str, Any]:
    """Return what was done on the web, as output."""
    match found["type"]:
        case "search":
            return {"type": "search", "query": found.get("query"), "queries": found.get("queries")}
        case "open_page":
            return {"type": "openPage", "url": found.get("url")}
        case "find_in_page":
            return {"type": "findInPage", "url": found.get("url"), "pattern": found.get("pattern")}
        case _:
            return {"type": "other"}


def web_began(event: WebBegin) -> WebSearch:
    """Return the item of a search that runs."""
    return {"type": "webSearch", "id": event["call_id"], "query": "", "action": None, "results": None}


def web_ended(event: WebEnd) -> WebSearch:
    """Return the item of a search that has ended."""
    return {
        "type": "webSearch",
        "id": event["call_id"],
        "query": event["query"],
        "action": web_action(event["action"]),
        "results": event.get("results"),
    }


KINDS: KindTable = {
    "mcp_tool_call_begin": kind(McpBegin, to_open_turn(mcp_began)),
    "mcp_tool_call_end": kind(McpEnd, to_open_turn(mcp_ended)),
    "dynamic_tool_call_request": kind(DynamicRequest, on_dynamic_request),
    "dynamic_tool_call_response": kind(DynamicResponse, to_turn_or_open(dynamic_ended)),
    "web_search_begin": kind(WebBegin, to_open_turn(web_began)),
    "web_search_end": kind(WebEnd, to_open_turn(web_ended)),
}
