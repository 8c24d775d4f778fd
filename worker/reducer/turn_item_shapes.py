"""The shapes of TurnItems, by their tag `type` (U11)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.scalar import I32, U64, AbsolutePath, DurationMs, Effort, Location, Tagged, Uuid
from worker.reducer.agents import State
from worker.reducer.commands import ParsedCommand, Source
from worker.reducer.messages import Detail, MemoryCitation, TextElement
from worker.reducer.patches import Changes
from worker.reducer.review import ReviewOutput, Target
from worker.reducer.tools import AnyAction, ContentItem, McpResult


class Text(TypedDict):
    """Text of a user."""

    type: Literal["text"]
    text: str
    text_elements: NotRequired[list[TextElement]]


class Image(TypedDict):
    """An image of a user, by URL."""

    type: Literal["image"]
    image_url: str
    detail: NotRequired[Detail | None]


class LocalImage(TypedDict):
    """An image of a user, by path."""

    type: Literal["local_image"]
    path: str
    detail: NotRequired[Detail | None]


class Audio(TypedDict):
    """Audio of a user, by URL."""

    type: Literal["audio"]
    audio_url: str


class LocalAudio(TypedDict):
    """Audio of a user, by path."""

    type: Literal["local_audio"]
    path: str


class Named(TypedDict):
    """A skill or something mentioned."""

    type: Literal["skill", "mention"]
    name: str
    path: str


class _Identified(TypedDict):
    id: str


class UserMessage(_Identified):
    """What the user sent."""

    type: Literal["UserMessage"]
    client_id: NotRequired[str | None]
    content: list[Annotated[Text | Image | LocalImage | Audio | LocalAudio | Named, Tagged("type")]]


class Fragment(TypedDict):
    """A part of a hook prompt."""

    text: str
    hookRunId: str


class HookPrompt(_Identified):
    """A prompt injected by hooks."""

    type: Literal["HookPrompt"]
    fragments: list[Fragment]


class AgentText(TypedDict):
    """Text of the agent."""

    type: Literal["Text"]
    text: str


class AgentMessage(_Identified):
    """What the agent said."""

    type: Literal["AgentMessage"]
    content: list[AgentText]
    phase: NotRequired[Literal["commentary", "final_answer"] | None]
    memory_citation: NotRequired[MemoryCitation | None]


class Plan(_Identified):
    """A plan."""

    type: Literal["Plan"]
    text: str


class Reasoning(_Identified):
    """Reasoning, whole."""

    type: Literal["Reasoning"]
    summary_text: list[str]
    raw_content: NotRequired[list[str]]


class CommandExecution(_Identified):
    """A command."""

    type: Literal["CommandExecution"]
    plugin_id: NotRequired[str | None]
    script_path: NotRequired[str | None]
    process_id: NotRequired[str | None]
    command: list[str]
    cwd: Location
    parsed_cmd: list[ParsedCommand]
    source: Source
    status: Literal["in_progress", "completed", "failed", "declined"]
    aggregated_output: NotRequired[str | None]
    exit_code: NotRequired[I32 | None]
    duration: NotRequired[DurationMs | None]


class DynamicToolCall(_Identified):
    """A call of a tool of the client."""

    type: Literal["DynamicToolCall"]
    namespace: NotRequired[str | None]
    tool: str
    arguments: Any
    status: Literal["in_progress", "completed", "failed"]
    content_items: NotRequired[list[ContentItem] | None]
    success: NotRequired[bool | None]
    duration: NotRequired[DurationMs | None]


class CollabAgentToolCall(_Identified):
    """One agent dealing with others."""

    type: Literal["CollabAgentToolCall"]
    tool: Literal["spawn_agent", "send_input", "resume_agent", "wait", "close_agent"]
    status: Literal["in_progress", "completed", "failed"]
    sender_thread_id: Uuid
    receiver_thread_ids: NotRequired[list[Uuid]]
    prompt: NotRequired[str | None]
    model: NotRequired[str | None]
    reasoning_effort: NotRequired[Effort | None]
    agents_states: NotRequired[dict[Uuid, State]]


class SubAgentActivity(_Identified):
    """A sub-agent's activity."""

    type: Literal["SubAgentActivity"]
    kind: Literal["started", "interacted", "interrupted"]
    agent_thread_id: Uuid
    agent_path: str


class WebSearch(_Identified):
    """A web search."""

    type: Literal["WebSearch"]
    query: str
    action: AnyAction
    results: NotRequired[list[Any] | None]


class ImageView(_Identified):
    """An image looked at."""

    type: Literal["ImageView"]
    path: Location


class ImageGeneration(_Identified):
    """An image made."""

    type: Literal["ImageGeneration"]
    status: str
    revised_prompt: NotRequired[str | None]
    result: str
    saved_path: NotRequired[AbsolutePath | None]


class ExtensionImage(_Identified):
    """An image made by an extension; camelCase like all of them."""

    type: Literal["Extension"]
    kind: Literal["image_gen.generation"]
    status: str
    revisedPrompt: NotRequired[str | None]
    result: str
    transparentBackground: NotRequired[bool | None]
    savedPath: NotRequired[str | None]


class ExtensionSleep(_Identified):
    """A wait of an extension."""

    type: Literal["Extension"]
    kind: Literal["clock.sleep"]
    durationMs: U64


class WebSearched(TypedDict):
    """A search in an extension's words."""

    type: Literal["search"]
    query: NotRequired[str | None]
    queries: NotRequired[list[str] | None]


class WebOpened(TypedDict):
    """A page opened, in an extension's words."""

    type: Literal["openPage"]
    url: NotRequired[str | None]


class WebFound(TypedDict):
    """A page searched, in an extension's words."""

    type: Literal["findInPage"]
    url: NotRequired[str | None]
    pattern: NotRequired[str | None]


class WebOther(TypedDict):
    """Something else on the web."""

    type: str


class ExtensionWeb(_Identified):
    """A web search of an extension."""

    type: Literal["Extension"]
    kind: Literal["web.search"]
    query: str
    action: NotRequired[Annotated[WebSearched | WebOpened | WebFound, Tagged("type", otherwise=WebOther)] | None]
    results: NotRequired[list[Any] | None]


class EnteredReviewMode(_Identified):
    """A review began."""

    type: Literal["EnteredReviewMode"]
    target: Target
    user_facing_hint: str


class ExitedReviewMode(_Identified):
    """A review is over."""

    type: Literal["ExitedReviewMode"]
    review_output: NotRequired[ReviewOutput | None]


class FileChange(_Identified):
    """A patch."""

    type: Literal["FileChange"]
    changes: Changes
    status: NotRequired[Literal["completed", "failed", "declined"] | None]


class ErrorMessage(TypedDict):
    """What went wrong."""

    message: str


class McpToolCall(_Identified):
    """A call of an MCP tool; camelCase on the wire."""

    type: Literal["McpToolCall"]
    server: str
    tool: str
    arguments: Any
    connectorId: NotRequired[str | None]
    mcpAppResourceUri: NotRequired[str | None]
    linkId: NotRequired[str | None]
    appName: NotRequired[str | None]
    actionName: NotRequired[str | None]
    pluginId: NotRequired[str | None]
    readOnlyHint: NotRequired[bool | None]
    status: Literal["inProgress", "completed", "failed"]
    result: NotRequired[McpResult | None]
    error: NotRequired[ErrorMessage | None]
    duration: NotRequired[DurationMs | None]


class ContextCompaction(_Identified):
    """The context was compacted."""

    type: Literal["ContextCompaction"]


class UnknownItem(TypedDict):
    """An item of a tag that is not known yet (D21)."""

    type: str
    id: str


# An extension is told apart by its kind, one of which must be known (U11).
Extension = Annotated[ExtensionImage | ExtensionSleep | ExtensionWeb, Tagged("kind")]
TurnItem = Annotated[
    UserMessage
    | HookPrompt
    | AgentMessage
    | Plan
    | Reasoning
    | CommandExecution
    | DynamicToolCall
    | CollabAgentToolCall
    | SubAgentActivity
    | WebSearch
    | ImageView
    | ImageGeneration
    | EnteredReviewMode
    | ExitedReviewMode
    | FileChange
    | McpToolCall
    | ContextCompaction,
    Tagged("type", otherwise=UnknownItem, nested={"Extension": Extension}),
]
