"""Whether what one Avro schema wrote can be read with another: the specification's rules, asked of schemas as JSON.

Beyond those rules a text that is JSON must stay JSON: its mark tells readers to parse it.
"""

from collections.abc import Iterator
from typing import Any

_PROMOTED = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = ("record", "enum", "fixed")


def problems(reader: Any, writer: Any, place: str = "") -> Iterator[str]:
    """Yield why a reader's schema cannot read what a writer's schema wrote; nothing when it can."""
    if isinstance(writer, list):
        for branch in writer:
            yield from problems(reader, branch, place)
    elif isinstance(reader, list):
        if all(any(problems(branch, writer, place)) for branch in reader):
            yield f"{place}: no branch for {_kind(writer)}"
    elif _kind(reader) != _kind(writer):
        if _kind(reader) not in _PROMOTED.get(_kind(writer), ()):
            yield f"{place}: {_kind(writer)} became {_kind(reader)}"
    else:
        yield from _same_kind(reader, writer, place)


def _kind(schema: Any) -> str:
    kind: str = schema["type"] if isinstance(schema, dict) else schema
    return kind


def _same_kind(reader: Any, writer: Any, place: str) -> Iterator[str]:
    kind = _kind(reader)
    if kind in _NAMED and _full_name(reader) != _full_name(writer):
        yield f"{place}: {_full_name(writer)} became {_full_name(reader)}"
    if _mark(reader) != _mark(writer):
        yield f"{place}: {_mark(writer)} became {_mark(reader)}"
    if kind == "record":
        yield from _of_records(reader, writer, place)
    elif kind == "array":
        yield from problems(reader["items"], writer["items"], f"{place}[]")
    elif kind == "map":
        yield from problems(reader["values"], writer["values"], f"{place}{{}}")
    elif kind in ("enum", "fixed"):
        yield f"{place}: {kind} has no rule here yet"


def _full_name(schema: dict[str, Any]) -> str:
    return f"{schema.get('namespace', '')}.{schema['name']}"


def _mark(schema: Any) -> str | None:
    return schema.get("contentMediaType") if isinstance(schema, dict) else None


def _of_records(reader: Any, writer: Any, place: str) -> Iterator[str]:
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        inside = f"{place}.{field['name']}"
        if field["name"] in written:
            yield from problems(field["type"], written[field["name"]]["type"], inside)
        elif "default" not in field:
            yield f"{inside}: no default, and the writer has no such field"
