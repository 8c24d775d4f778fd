"""Review mode: entered, left (R35, R36, U5)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.scalar import I32, U32, WHITE_SPACE, Parsed, Tagged
from worker.model.thread import Turn
from worker.reducer.kind import Kind, KindTable, kind
from worker.reducer.transition import Transition

_NO_TEXT = "Reviewer failed to output a response."
_NO_HINT = "Review requested."


class UncommittedChanges(TypedDict):
    """Review what is not committed."""

    type: Literal["uncommittedChanges"]


class BaseBranch(TypedDict):
    """Review against a branch."""

    type: Literal["baseBranch"]
    branch: str


class Commit(TypedDict):
    """Review a commit."""

    type: Literal["commit"]
    sha: str


class Custom(TypedDict):
    """Review by instructions."""

    type: Literal["custom"]
    instructions: str


Target = Annotated[UncommittedChanges | BaseBranch | Commit | Custom, Tagged("type")]


class EnteredReviewMode(TypedDict):
    """A review begins; the old form with a `prompt` and no target is accepted (U10)."""

    target: NotRequired[Target]
    prompt: NotRequired[Any]
    user_facing_hint: NotRequired[str | None]
    turn_id: NotRequired[str | None]
    item_id: NotRequired[str | None]


class LineRange(TypedDict):
    """Lines, both included."""

    start: U32
    end: U32


class CodeLocation(TypedDict):
    """Where a finding is."""

    absolute_file_path: str
    line_range: LineRange


class Finding(TypedDict):
    """What a reviewer found."""

    title: str
    body: str
    confidence_score: float
    priority: I32
    code_location: CodeLocation


class ReviewOutput(TypedDict):
    """What a reviewer says."""

    findings: list[Finding]
    overall_correctness: str
    overall_explanation: str
    overall_confidence_score: float


class ExitedReviewMode(TypedDict):
    """A review is over."""

    review_output: NotRequired[ReviewOutput | None]
    turn_id: NotRequired[str | None]
    item_id: NotRequired[str | None]


def review_text(output: ReviewOutput | None) -> str:
    """Return a review as text: the explanation, then the findings (U5)."""
    if output is None:
        return _NO_TEXT
    sections = [output["overall_explanation"].strip(WHITE_SPACE), _findings_text(output["findings"])]
    return "\n\n".join(section for section in sections if section) or _NO_TEXT


def _findings_text(findings: list[Finding]) -> str:
    if not findings:
        return ""
    lines = ["Full review comments:" if len(findings) > 1 else "Review comment:"]
    for found in findings:
        place = found["code_location"]
        span = place["line_range"]
        lines += ["", f"- {found['title']} — {place['absolute_file_path']}:{span['start']}-{span['end']}"]
        lines += [f"  {line}" for line in _lines(found["body"])]
    return "\n".join(lines).strip(WHITE_SPACE)


def _lines(text: str) -> list[str]:
    """Split at line feeds as Rust does: no last empty line, and a carriage return goes with its line feed."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def turn_for_review(transition: Transition, turn_id: str | None) -> Turn:
    """Return the named turn; one of an unknown id is opened, and not explicit (U5)."""
    if turn_id is None:
        return transition.ensured_turn()
    return transition.find_turn(turn_id) or transition.open_turn(turn_id, explicit=False)


def _put(transition: Transition, event: Any, name: Literal["enteredReviewMode", "exitedReviewMode"], text: str) -> None:
    turn = turn_for_review(transition, event.get("turn_id"))
    item_id = event.get("item_id")
    item_id = transition.next_item_id() if item_id is None else item_id
    transition.put_item(turn, {"type": name, "id": item_id, "review": text})


def on_entered(transition: Transition, event: EnteredReviewMode) -> None:
    """R35, U5: an empty hint is kept."""
    hint = event.get("user_facing_hint")
    _put(transition, event, "enteredReviewMode", _NO_HINT if hint is None else hint)


def on_exited(transition: Transition, event: ExitedReviewMode) -> None:
    """R36, U5."""
    _put(transition, event, "exitedReviewMode", review_text(event.get("review_output")))


def _with_target(event: Any) -> Any:
    if "target" not in event and not isinstance(event.get("prompt"), str):
        raise ValueError("target: Field required")
    return event


KINDS: KindTable = {
    "entered_review_mode": Kind(Annotated[EnteredReviewMode, Parsed(_with_target)], on_entered),
    "exited_review_mode": kind(ExitedReviewMode, on_exited),
}
