"""The thread items that clients read: the v2 API's JSON, one typed dictionary per `type`.

Keys are the wire's own, so that an item is encoded as it stands. A value of None is written as null; the keys that
are left out when absent are `NotRequired`. Rules: output tables 2.2 and 2.3, U6.
"""

from typing import Any, Literal, NotRequired, get_args, get_type_hints

from typing_extensions import TypedDict

ToolStatus = Literal["inProgress", "completed", "failed"]
WorkStatus = Literal["inProgress", "completed", "failed", "declined"]


class UserMessage(TypedDict):
    """What the user sent; `content` may be empty (R30)."""

    type: Literal["userMessage"]
    id: str
    clientId: str | None
    content: list[dict[str, Any]]


class HookPrompt(TypedDict):
    """A prompt injected by hooks; `fragments` are `{text, hookRunId}` (R37)."""

    type: Literal["hookPrompt"]
    id: str
    fragments: list[dict[str, str]]


class AgentMessage(TypedDict):
    """What the agent said (R31)."""

    type: Literal["agentMessage"]
    id: str
    text: str
    phase: str | None
    memoryCitation: dict[str, Any] | None


class Plan(TypedDict):
    """A plan (R40)."""

    type: Literal["plan"]
    id: str
    text: str


class Reasoning(TypedDict):
    """A run of reasoning; grows while it is the last item of the open turn (R32, R33)."""

    type: Literal["reasoning"]
    id: str
    summary: list[str]
    content: list[str]


class CommandExecution(TypedDict):
    """A command, running or done; `durationMs` in milliseconds (R41, R42)."""

    type: Literal["commandExecution"]
    id: str
    pluginId: str | None
    scriptPath: str | None
    command: str
    cwd: str
    processId: str | None
    source: str
    status: WorkStatus
    commandActions: list[dict[str, Any]]
    aggregatedOutput: str | None
    exitCode: int | None
    durationMs: int | None


class FileChange(TypedDict):
    """A patch; `changes` are `{path, kind, diff}` in path order (R43–R45)."""

    type: Literal["fileChange"]
    id: str
    changes: list[dict[str, Any]]
    status: WorkStatus


class McpToolCall(TypedDict):
    """A call of an MCP tool (R48, R49)."""

    type: Literal["mcpToolCall"]
    id: str
    server: str
    tool: str
    status: ToolStatus
    arguments: Any
    appContext: dict[str, Any] | None
    mcpAppResourceUri: NotRequired[str]
    pluginId: str | None
    readOnlyHint: bool | None
    result: dict[str, Any] | None
    error: dict[str, str] | None
    durationMs: int | None


class DynamicToolCall(TypedDict):
    """A call of a tool that the client offers (R46, R47)."""

    type: Literal["dynamicToolCall"]
    id: str
    namespace: str | None
    tool: str
    arguments: Any
    status: ToolStatus
    contentItems: list[dict[str, Any]] | None
    success: bool | None
    durationMs: int | None


class CollabAgentToolCall(TypedDict):
    """One agent dealing with others; thread ids are canonical UUIDs (R53–R57)."""

    type: Literal["collabAgentToolCall"]
    id: str
    tool: str
    status: ToolStatus
    senderThreadId: str
    receiverThreadIds: list[str]
    prompt: str | None
    model: str | None
    reasoningEffort: str | None
    agentsStates: dict[str, dict[str, str | None]]


class SubAgentActivity(TypedDict):
    """A sub-agent started, spoken to or interrupted (U3, U6)."""

    type: Literal["subAgentActivity"]
    id: str
    kind: str
    agentThreadId: str
    agentPath: str


class WebSearch(TypedDict):
    """A web search; `action` is null until it has ended (R50)."""

    type: Literal["webSearch"]
    id: str
    query: str
    action: dict[str, Any] | None
    results: list[Any] | None


class ImageView(TypedDict):
    """An image the agent looked at (R51)."""

    type: Literal["imageView"]
    id: str
    path: str


class ImageGeneration(TypedDict):
    """An image the agent made; `status` is empty until it has ended (R52)."""

    type: Literal["imageGeneration"]
    id: str
    status: str
    revisedPrompt: str | None
    result: str
    transparentBackground: bool | None
    savedPath: NotRequired[str]


class Sleep(TypedDict):
    """The agent waited, `durationMs` milliseconds (U6)."""

    type: Literal["sleep"]
    id: str
    durationMs: int


class ReviewMode(TypedDict):
    """A review began or ended; `review` is what to show (R35, R36, U5)."""

    type: Literal["enteredReviewMode", "exitedReviewMode"]
    id: str
    review: str


class ContextCompaction(TypedDict):
    """The context was compacted (R34)."""

    type: Literal["contextCompaction"]
    id: str


Item = (
    UserMessage
    | HookPrompt
    | AgentMessage
    | Plan
    | Reasoning
    | CommandExecution
    | FileChange
    | McpToolCall
    | DynamicToolCall
    | CollabAgentToolCall
    | SubAgentActivity
    | WebSearch
    | ImageView
    | ImageGeneration
    | Sleep
    | ReviewMode
    | ContextCompaction
)

# The `type` of every item that is known.
TYPES = frozenset(name for kind in get_args(Item) for name in get_args(get_type_hints(kind)["type"]))
_BY_STATUS = frozenset({"commandExecution", "mcpToolCall", "dynamicToolCall", "collabAgentToolCall", "fileChange"})


def is_open(item: Any) -> bool:
    """Tell whether an item may still change (P4); the end of its turn does not close it (D18)."""
    kind = item["type"]
    if kind in _BY_STATUS:
        return bool(item["status"] == "inProgress")
    if kind == "webSearch":
        return item["action"] is None
    return kind == "imageGeneration" and not item["status"]
