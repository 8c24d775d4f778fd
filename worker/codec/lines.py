"""Rollout lines: bytes to checked events (F1–F6, D1–D3, U1, U10).

One strict JSON parser (orjson refuses exactly what the reference's parser refuses, F2) and then, for the kinds the
reducer reads, one pass of pydantic-core over the payload against the kind's shape. Kinds that are ignored are looked
at no further than their type (D2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Literal

import orjson
from pydantic import TypeAdapter, ValidationError
from xxhash import xxh3_64_digest

from worker.model.scalar import I64_MAX, WHITE_SPACE
from worker.reducer.kind import Handler, Kind, KindTable
from worker.reducer.table import EVENTS, LINES, PERSISTED_EVENTS, PERSISTED_RESPONSE_ITEMS, RESPONSE_ITEMS

DEPTH_MAX = 127

Status = Literal["event", "ignored", "unknown", "rejected", "blank", "skipped"]


@dataclass(slots=True)
class Line:
    """A rollout line as read.

    Attributes:
        status: `event`: checked, to be folded; `ignored`: accepted, takes an index; `unknown`: of a kind not known,
            takes none; `rejected`: bad; `blank`; `skipped`: accepted and left out, takes no index.
        kind: what it is: the type of the event, the response item or the line, "" when it could not be told.
        handle: folds the event.
        event: the checked payload.
        ordinal: its place in its thread if stated, at most 2^63 - 1 (D22).
        digest: 8 bytes of its text, by XXH3 (D22).
        timestamp_ms: its own timestamp, None when it cannot be read as RFC 3339.
        error: why it was rejected; holds no payload.
        indexed: an event that takes a rollout index (F5).
    """

    status: Status
    kind: str = ""
    handle: Handler | None = None
    event: Any = None
    ordinal: int | None = None
    digest: bytes = b""
    timestamp_ms: int | None = None
    error: str = ""
    indexed: bool = True


class RefusedError(Exception):
    """A line that is no JSON or has a bad shape; its text is for the dead letter and holds no payload."""


_Kinds = dict[str, tuple[TypeAdapter[Any] | None, Kind]]


def _adapted(table: KindTable) -> _Kinds:
    return {name: (None if kind.shape is None else TypeAdapter(kind.shape), kind) for name, kind in table.items()}


class LineDecoder:
    """Reads lines; made once, since the checks of all kinds are compiled then.

    Args:
        read_filter: leave out what a rollout of June 2026 would not hold (F9).
    """

    def __init__(self, *, read_filter: bool = False) -> None:
        self._events = _adapted(EVENTS)
        self._response_items = _adapted(RESPONSE_ITEMS)
        self._lines = _adapted(LINES)
        kinds = chain(self._events.values(), self._response_items.values(), self._lines.values())
        self._names = frozenset(
            name for adapter, _ in kinds if adapter is not None for name in _names(adapter.core_schema)
        )
        self._read_filter = read_filter

    def decode(self, text: bytes, ordinal: int | None = None, timestamp_ms: int | None = None) -> Line:
        """Read a line.

        Args:
            text: the line, with or without its end.
            ordinal: its ordinal if it states none itself.
            timestamp_ms: its timestamp if it states none itself, which without this rejects it.
        """
        digest = xxh3_64_digest(text.strip(b" \t\r\n"))
        stated = None
        try:
            found = parse(text)
            if found is None:
                return Line("blank")
            stated = _ordinal(found["ordinal"]) if "ordinal" in found else None
            dated = timestamp_ms is None or "timestamp" in found
            line = self._read(found if dated else {**found, "timestamp": ""})
            if not dated:
                line.timestamp_ms = timestamp_ms
        except RefusedError as refused:
            line = Line("rejected", error=str(refused))
        line.digest = digest
        line.ordinal = ordinal if stated is None else stated
        return line

    def _read(self, found: dict[str, Any]) -> Line:
        """Read a parsed line: its envelope, then its payload by kind."""
        kind, payload = found.get("type"), found.get("payload")
        if not isinstance(found.get("timestamp"), str):
            raise RefusedError("timestamp: a string is required")
        if not isinstance(kind, str):
            raise RefusedError("type: a string is required")
        if kind not in ("event_msg", "response_item") and kind not in self._lines:
            return Line("unknown", kind)
        if not isinstance(payload, dict):
            raise RefusedError("payload: an object is required")
        if kind == "event_msg":
            return self._checked(self._events, _tag(payload), payload, found, PERSISTED_EVENTS)
        if kind == "response_item":
            return self._response_item(_tag(payload), payload, found)
        return self._checked(self._lines, kind, payload, found, None)

    def _response_item(self, kind: str, payload: dict[str, Any], found: dict[str, Any]) -> Line:
        if kind == "ghost_snapshot":
            return Line("skipped", kind)
        if self._read_filter and kind not in PERSISTED_RESPONSE_ITEMS:
            return Line("skipped", kind)
        if kind not in self._response_items:
            return Line("ignored", "response_item")
        return self._checked(self._response_items, kind, payload, found, None)

    def _checked(
        self,
        kinds: _Kinds,
        kind: str,
        payload: dict[str, Any],
        found: dict[str, Any],
        persisted: frozenset[str] | None,
    ) -> Line:
        known = kinds.get(kind)
        if known is None:
            return Line("unknown", kind)
        adapter, found_kind = known
        event = payload if adapter is None else self._validated(adapter, kind, payload)
        if self._read_filter and persisted is not None and not _is_persisted(kind, payload, persisted):
            return Line("skipped", kind)
        if found_kind.handle is None:
            return Line("ignored", kind)
        stamp = milliseconds(found["timestamp"])
        return Line("event", kind, found_kind.handle, event, timestamp_ms=stamp, indexed=found_kind.indexed)

    def _validated(self, adapter: TypeAdapter[Any], kind: str, payload: dict[str, Any]) -> Any:
        try:
            # The adapter's own method does nothing else, and takes as long as a small check.
            return adapter.validator.validate_python(payload, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            # A key or a tag that no shape declares is payload.
            place = ".".join(
                str(part) if part in self._names or isinstance(part, int) else "*" for part in first["loc"]
            )
            what = "unknown tag" if first["type"] == "union_tag_invalid" else first["msg"].removeprefix("Value error, ")
            raise RefusedError(f"{kind}: {place or 'payload'}: {what}") from None


def parse(text: bytes) -> dict[str, Any] | None:
    """Parse one strict JSON object (F2); None for a blank line.

    Raises:
        RefusedError: it is none.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not text.decode("utf-8", "replace").strip(WHITE_SPACE):
            return None
        raise RefusedError(f"not JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(found, dict):
        raise RefusedError("not a JSON object")
    # Counting brackets is cheap and never too low; only what may be too deep is measured.
    if text.count(b"{") + text.count(b"[") > DEPTH_MAX and _depth(found) > DEPTH_MAX:
        raise RefusedError(f"nested deeper than {DEPTH_MAX}")
    return found


def _depth(found: Any) -> int:
    depth, level = 0, [found]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth


def _tag(payload: dict[str, Any]) -> str:
    kind = payload.get("type")
    if not isinstance(kind, str):
        raise RefusedError("payload.type: a string is required")
    return kind


def _ordinal(ordinal: Any) -> int | None:
    """Return the ordinal a line states; one beyond 63 bits counts as absent (U1, D22)."""
    if ordinal is None:
        return None
    if type(ordinal) is not int or ordinal < 0:
        if type(ordinal) is float and ordinal > I64_MAX:
            return None
        raise RefusedError("ordinal: not an unsigned integer")
    return ordinal if ordinal <= I64_MAX else None


def _is_persisted(kind: str, payload: dict[str, Any], persisted: frozenset[str]) -> bool:
    if kind == "item_completed":
        return bool(payload["item"]["type"] in ("Plan", "Extension"))
    return kind in persisted


def _names(schema: Any) -> Iterator[str]:
    """Yield the names of fields and tags that a schema of pydantic-core declares."""
    if isinstance(schema, dict):
        for named in ("fields", "choices"):
            if isinstance(schema.get(named), dict):
                yield from schema[named]
    if isinstance(schema, dict | list):
        for child in schema.values() if isinstance(schema, dict) else schema:
            yield from _names(child)


def milliseconds(timestamp: str) -> int | None:
    """Return an RFC 3339 timestamp in milliseconds since the epoch, None when it is none."""
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is None:
            return None
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = (datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)) - _EPOCH
