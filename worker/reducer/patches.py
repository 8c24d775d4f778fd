"""Patches: proposed, begun, applied (R43–R45, A4)."""

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from worker.model.item import FileChange
from worker.model.scalar import I64, Tagged
from worker.reducer.kind import KindTable, kind, to_turn_or_open


class Whole(TypedDict):
    """A file added or deleted."""

    type: Literal["add", "delete"]
    content: str


class Update(TypedDict):
    """A file changed, perhaps moved."""

    type: Literal["update"]
    unified_diff: str
    move_path: NotRequired[str | None]


Changes = dict[str, Annotated[Whole | Update, Tagged("type")]]


class PatchRequest(TypedDict):
    """A patch waits for approval."""

    call_id: str
    turn_id: NotRequired[str]
    started_at_ms: I64
    changes: Changes


class PatchBegin(TypedDict):
    """A patch is being applied."""

    call_id: str
    turn_id: NotRequired[str]
    auto_approved: bool
    changes: Changes


class PatchEnd(TypedDict):
    """A patch has been applied, or not; `success` is not read, `status` is."""

    call_id: str
    turn_id: NotRequired[str]
    stdout: str
    stderr: str
    success: bool
    changes: NotRequired[Changes]
    status: Literal["completed", "failed", "declined"]


def _components(path: str) -> tuple[str, ...]:
    """Return what tells two paths apart: `a//b`, `a/./b` and `a/b/` are one, `./a` and `a` are two (A4)."""
    if not path:
        return ()
    parts = path.split("/")
    kept = tuple(part for part in parts[1:] if part not in ("", "."))
    return (parts[0], *kept)


def files(changes: Changes) -> list[dict[str, Any]]:
    """Return the changes in path order, as output; of equal paths the first name and the last change (A4)."""
    merged: dict[tuple[str, ...], tuple[str, Any]] = {}
    for path in sorted(changes):
        same = _components(path)
        name = merged[same][0] if same in merged else path
        merged[same] = (name, changes[path])
    return [_file(path, change) for path, change in merged.values()]


def _file(path: str, change: Any) -> dict[str, Any]:
    if change["type"] != "update":
        return {"path": path, "kind": {"type": change["type"]}, "diff": change["content"]}
    moved, diff = change.get("move_path"), change["unified_diff"]
    if moved is not None:
        diff = f"{diff}\n\nMoved to: {moved}"
    return {"path": path, "kind": {"type": "update", "move_path": moved}, "diff": diff}


def running(event: PatchRequest | PatchBegin) -> FileChange:
    """Return the item of a patch that is not applied yet."""
    return {"type": "fileChange", "id": event["call_id"], "changes": files(event["changes"]), "status": "inProgress"}


def ended(event: PatchEnd) -> FileChange:
    """Return the item of a patch that is done with."""
    changes = files(event.get("changes", {}))
    return {"type": "fileChange", "id": event["call_id"], "changes": changes, "status": event["status"]}


KINDS: KindTable = {
    "apply_patch_approval_request": kind(PatchRequest, to_turn_or_open(running)),
    "patch_apply_begin": kind(PatchBegin, to_turn_or_open(running)),
    "patch_apply_end": kind(PatchEnd, to_turn_or_open(ended)),
}
