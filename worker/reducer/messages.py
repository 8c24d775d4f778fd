"""What was said: user and agent messages, reasoning (R30–R34); and the hook prompts among response items (R37)."""

from typing import Annotated, Any, Literal, NotRequired, cast

from typing_extensions import TypedDict

from worker.model.item import AgentMessage as AgentMessageItem
from worker.model.item import Item, Reasoning
from worker.model.item import UserMessage as UserMessageItem
from worker.model.scalar import U32, U64, WHITE_SPACE, Tagged
from worker.model.thread import Turn
from worker.reducer.hook_prompt import fragments_of
from worker.reducer.kind import KindTable, kind
from worker.reducer.transition import Transition

Detail = Literal["auto", "low", "high", "original"]


class ByteRange(TypedDict):
    """A range of a text's UTF-8 bytes; copied, not checked."""

    start: U64
    end: U64


class TextElement(TypedDict):
    """A part of a text that stands for something else."""

    byte_range: ByteRange
    placeholder: NotRequired[str | None]


class UserMessage(TypedDict):
    """What the user sent."""

    message: str
    client_id: NotRequired[str | None]
    images: NotRequired[list[str] | None]
    image_details: NotRequired[list[Detail | None]]
    local_images: NotRequired[list[str]]
    local_image_details: NotRequired[list[Detail | None]]
    audio: NotRequired[list[str] | None]
    local_audio: NotRequired[list[str]]
    text_elements: NotRequired[list[TextElement]]


class CitationEntry(TypedDict):
    """A place in a memory."""

    path: str
    lineStart: U32
    lineEnd: U32
    note: str


class MemoryCitation(TypedDict):
    """What an agent message rests on; camelCase on the wire."""

    entries: list[CitationEntry]
    rolloutIds: list[str]


class AgentMessage(TypedDict):
    """What the agent said."""

    message: str
    phase: NotRequired[Literal["commentary", "final_answer"] | None]
    memory_citation: NotRequired[MemoryCitation | None]


class AgentReasoning(TypedDict):
    """A fragment of reasoning."""

    text: str


class ContextCompacted(TypedDict):
    """The context was compacted; no key but `type` is accepted (F4)."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]  # noqa: RUF012
    type: str


class InputText(TypedDict):
    """Text of a response item."""

    type: Literal["input_text", "output_text"]
    text: str


class InputImage(TypedDict):
    """An image of a response item."""

    type: Literal["input_image"]
    image_url: str


class InputAudio(TypedDict):
    """Audio of a response item."""

    type: Literal["input_audio"]
    audio_url: str


class ResponseMessage(TypedDict):
    """A message as it went to the model; only hook prompts among the user's show."""

    id: NotRequired[str | None]
    role: str
    content: list[Annotated[InputText | InputImage | InputAudio, Tagged("type")]]


def text_element(found: TextElement) -> dict[str, Any]:
    """Return an element as output: its members are camelCase, unlike its own key."""
    span = found["byte_range"]
    return {
        "byteRange": {"start": span["start"], "end": span["end"]},
        "placeholder": found.get("placeholder"),
    }


def _detailed(kind_: str, key: str, found: list[str], details: list[Detail | None]) -> list[dict[str, Any]]:
    """Return images with the detail at the same place, null where there is none; surplus details are ignored."""
    return [
        {"type": kind_, key: image, "detail": details[at] if at < len(details) else None}
        for at, image in enumerate(found)
    ]


def user_content(event: UserMessage) -> list[dict[str, Any]]:
    """Return the content of a user message: text unless blank, images, local images, audio, local audio."""
    content: list[dict[str, Any]] = []
    if event["message"].strip(WHITE_SPACE):
        elements = [text_element(found) for found in event.get("text_elements", ())]
        content.append({"type": "text", "text": event["message"], "text_elements": elements})
    content += _detailed("image", "url", event.get("images") or [], event.get("image_details", []))
    content += _detailed("localImage", "path", event.get("local_images", []), event.get("local_image_details", []))
    content += [{"type": "audio", "url": found} for found in event.get("audio") or ()]
    content += [{"type": "localAudio", "path": found} for found in event.get("local_audio", ())]
    return content


def on_user_message(transition: Transition, event: UserMessage) -> None:
    """R30: in implicit mode every user message starts a turn, unless it may join one that only saw a compaction."""
    turn = transition.current()
    if turn is None or not (turn.explicit or (turn.saw_compaction and not turn.items)):
        turn = transition.open_turn(f"rollout-{transition.rollout_index}", explicit=False)
    item = UserMessageItem(
        type="userMessage",
        id=transition.next_item_id(),
        clientId=event.get("client_id"),
        content=user_content(event),
    )
    transition.push_item(turn, item)


def citation(found: MemoryCitation | None) -> dict[str, Any] | None:
    """Return a memory citation as output."""
    if found is None:
        return None
    return {"entries": found["entries"], "threadIds": found["rolloutIds"]}


def on_agent_message(transition: Transition, event: AgentMessage) -> None:
    """R31: an empty one does nothing at all."""
    if not event["message"]:
        return
    turn = transition.ensured_turn()
    item = AgentMessageItem(
        type="agentMessage",
        id=transition.next_item_id(),
        text=event["message"],
        phase=event.get("phase"),
        memoryCitation=citation(event.get("memory_citation")),
    )
    transition.push_item(turn, item)


def _reasoned(transition: Transition, part: Literal["summary", "content"], text: str) -> None:
    """R32, R33: a fragment joins the run that the turn ends with, else begins one."""
    if not text:
        return
    turn = transition.ensured_turn()
    run = _run(transition, turn)
    if run is not None:
        grown = cast("Item", {**run, part: [*run[part], text]})
        transition.grow_last(turn, grown)
        return
    item: Reasoning = {"type": "reasoning", "id": transition.next_item_id(), "summary": [], "content": []}
    item[part] = [text]
    transition.push_item(turn, item)


def _run(transition: Transition, turn: Turn) -> Reasoning | None:
    last = transition.last_item(turn)
    return last.value if last is not None and last.value["type"] == "reasoning" else None


def on_agent_reasoning(transition: Transition, event: AgentReasoning) -> None:
    """R32: a summary text."""
    _reasoned(transition, "summary", event["text"])


def on_agent_reasoning_raw_content(transition: Transition, event: AgentReasoning) -> None:
    """R33: a raw text."""
    _reasoned(transition, "content", event["text"])


def on_context_compacted(transition: Transition, _event: ContextCompacted) -> None:
    """R34."""
    turn = transition.ensured_turn()
    transition.push_item(turn, {"type": "contextCompaction", "id": transition.next_item_id()})


def on_response_message(transition: Transition, event: ResponseMessage) -> None:
    """R37: a user's message whose every part is a hook fragment; D8: without an id it is named after its line."""
    if event["role"] != "user":
        return
    texts = [part["text"] if part["type"] == "input_text" else None for part in event["content"]]
    fragments = fragments_of(texts)
    if fragments is None:
        return
    item_id = event.get("id")
    item_id = f"hook-{transition.rollout_index}" if item_id is None else item_id
    turn = transition.ensured_turn()
    transition.push_item(turn, {"type": "hookPrompt", "id": item_id, "fragments": fragments})


KINDS: KindTable = {
    "user_message": kind(UserMessage, on_user_message),
    "agent_message": kind(AgentMessage, on_agent_message),
    "agent_reasoning": kind(AgentReasoning, on_agent_reasoning),
    "agent_reasoning_raw_content": kind(AgentReasoning, on_agent_reasoning_raw_content),
    "context_compacted": kind(ContextCompacted, on_context_compacted),
}
RESPONSE_ITEMS: KindTable = {"message": kind(ResponseMessage, on_response_message)}
