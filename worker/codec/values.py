"""Values of the mutation topics, read back: every encoding gives the same fields, items nested."""

from collections.abc import Iterable
from typing import Any

import orjson

from worker.codec.frames import FrameReader, Lookup, is_framed
from worker.codec.schemas import VALUES, AvroSchema, released, schema
from worker.codec.texts import to_nested
from worker.errors import SchemaError, UnreadableError
from worker.model.mutation import SCHEMA_VERSION


class ValueDecoder:
    """Reads values in any of the encodings, told by their first bytes.

    Args:
        lookup: a schema's text by its id in the registry; without it, Confluent's frames cannot be read.
        types: schemas of the values; by default those that come with the project.
    """

    def __init__(self, lookup: Lookup | None = None, types: Iterable[AvroSchema] | None = None) -> None:
        known = [schema(name) for name in VALUES] if types is None else list(types)
        self._frames = FrameReader(known, earlier=released(), lookup=lookup)
        self._nested = {found.name: to_nested(found.source) for found in known}

    def decode(self, data: bytes) -> dict[str, Any]:
        """Return a value's fields, in the shape of the JSON encoding.

        Raises:
            UnreadableError: it is none, or was written with a schema that cannot be had.
            SchemaError: it is of a major version that this release does not know.
            RetryError: its schema is in the registry, which does not answer.
        """
        found = self._unframed(data) if is_framed(data) else _json(data)
        version = found.get("schemaVersion")
        if version != SCHEMA_VERSION:
            raise SchemaError(
                f"a value has schema version {version}, this release reads {SCHEMA_VERSION}: install a newer one and "
                "go on from here"
            )
        return found

    def _unframed(self, data: bytes) -> dict[str, Any]:
        name, found = self._frames.read(data)
        try:
            nested: dict[str, Any] = self._nested[name](found)
        except orjson.JSONDecodeError as error:
            raise UnreadableError("bad_frame", f"a text in a {name} is not JSON: {error.msg}") from None
        return nested


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UnreadableError("bad_frame", f"neither Avro nor JSON: {error.msg}") from None
    if not isinstance(found, dict):
        raise UnreadableError("bad_frame", "not a JSON object")
    return found
