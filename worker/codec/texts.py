"""JSON inside Avro: fields that a schema marks as JSON text, and their nested form (design: output values).

Items, errors and payloads travel as text, so that what is new in them breaks no reader. The schema says which fields:
strings with `"contentMediaType": "application/json"`. Everywhere else in the program, and in the JSON encoding, they
are nested.
"""

from collections.abc import Callable
from typing import Any

import orjson

Convert = Callable[[Any], Any]
_Fields = list[tuple[str, Any]]
# Makes the converter of a record from those of its fields and from the defaults of its fields.
_OfRecord = Callable[[_Fields, _Fields], Convert | None]


def to_texts(source: dict[str, Any]) -> Convert:
    """Return what makes a record that fastavro writes of one with everything nested.

    Args:
        source: the record's schema.
    """
    return _converter(source, _text, _texts) or _same


def to_nested(source: dict[str, Any]) -> Convert:
    """Return what nests everything in a record that fastavro read, in place.

    A field that has a default and holds it is left out, as it is in the JSON encoding.

    Args:
        source: the record's schema.
    """
    return _converter(source, orjson.loads, _nested) or _same


def _same(found: Any) -> Any:
    return found


def _text(found: Any) -> str:
    return orjson.dumps(found).decode()


def _converter(kind: Any, of_text: Convert, of_record: _OfRecord) -> Convert | None:
    """Return what converts a value of a type; None when there is nothing in it to convert."""
    match kind:
        case {"contentMediaType": "application/json"}:
            return of_text
        case {"type": "array", "items": items}:
            return _of_array(_converter(items, of_text, of_record))
        case {"type": "record", "fields": fields}:
            inner = [(field["name"], _converter(field["type"], of_text, of_record)) for field in fields]
            defaults = [(field["name"], field["default"]) for field in fields if "default" in field]
            return of_record([(name, convert) for name, convert in inner if convert is not None], defaults)
        case ["null", other]:
            return _of_optional(_converter(other, of_text, of_record))
        case _:
            return None


def _of_array(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda found: [convert(element) for element in found]


def _of_optional(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda found: None if found is None else convert(found)


def _texts(fields: _Fields, _defaults: _Fields) -> Convert | None:
    def converted(found: dict[str, Any]) -> dict[str, Any]:
        written = found.copy()
        for name, convert in fields:
            if name in found:
                written[name] = convert(found[name])
        return written

    return converted if fields else None


def _nested(fields: _Fields, defaults: _Fields) -> Convert | None:
    def converted(found: dict[str, Any]) -> dict[str, Any]:
        for name, default in defaults:
            if found[name] == default:
                del found[name]
        for name, convert in fields:
            if name in found:
                found[name] = convert(found[name])
        return found

    return converted if fields or defaults else None
