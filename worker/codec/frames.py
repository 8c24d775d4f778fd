"""Avro values in their frames: a single object or Confluent's, told by their first bytes (design: input values).

A single object begins with `C3 01` and the eight-byte fingerprint of the schema it was written with; Confluent's frame
with `00` and the four-byte id, big-endian, that the registry gave that schema. No JSON begins with either.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader

from worker.codec.schemas import AvroSchema, avro_schema
from worker.errors import UnreadableError

SINGLE_OBJECT = b"\xc3\x01"
CONFLUENT = b"\x00"
_FINGERPRINT_ENDS = 10
_ID_ENDS = 5
# Ids whose schemas are remembered; one writer has a handful in its life.
IDS_MAX = 1_000

# A schema's text by its id in the registry. Raises UnreadableError when the registry has none, RetryError when it
# does not answer.
Lookup = Callable[[int], str]


def is_framed(data: bytes) -> bool:
    """Tell whether a value is Avro in a frame."""
    return data[:1] == CONFLUENT or data[:2] == SINGLE_OBJECT


def single_object_header(schema: AvroSchema) -> bytes:
    """Return what a single object begins with."""
    return SINGLE_OBJECT + schema.fingerprint


def confluent_header(schema_id: int) -> bytes:
    """Return what a value in Confluent's frame begins with."""
    return CONFLUENT + schema_id.to_bytes(4, "big")


class FrameReader:
    """Reads values of some record types, whatever schema they were written with, as these types are now.

    Args:
        types: the types.
        earlier: schemas that values may have been written with before.
        lookup: finds schemas by their id in the registry; without it, values in Confluent's frame cannot be read.
    """

    def __init__(
        self, types: Iterable[AvroSchema], *, earlier: Iterable[AvroSchema] = (), lookup: Lookup | None = None
    ) -> None:
        self._types = {found.name: found for found in types}
        known = [found for found in (*earlier, *self._types.values()) if found.name in self._types]
        self._by_fingerprint = {found.fingerprint: found for found in known}
        self._by_id: dict[int, AvroSchema] = {}
        self._lookup = lookup

    def read(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Read a framed value.

        Returns:
            The full name of its type, and its fields.

        Raises:
            UnreadableError: its schema is not known, or it does not keep to it.
            RetryError: the registry is needed and does not answer.
        """
        writer, start = self._writer(data)
        reader = self._types[writer.name]
        same = writer.fingerprint == reader.fingerprint
        body = BytesIO(data)
        body.seek(start)
        try:
            found: Any = schemaless_reader(body, writer.parsed, None if same else reader.parsed)
        except Exception as error:  # fastavro has no error of its own for bytes that are no Avro, or not of this type
            raise UnreadableError("bad_frame", f"no {writer.name}: {type(error).__name__}") from None
        if body.tell() != len(data):
            raise UnreadableError("bad_frame", f"no {writer.name}: {len(data) - body.tell()} bytes follow it")
        return writer.name, found

    def _writer(self, data: bytes) -> tuple[AvroSchema, int]:
        if data[:2] == SINGLE_OBJECT:
            return self._of_fingerprint(data[2:_FINGERPRINT_ENDS]), _FINGERPRINT_ENDS
        if data[:1] != CONFLUENT or len(data) < _ID_ENDS:
            raise UnreadableError("bad_frame", "no frame, or one that is cut")
        return self._of_id(int.from_bytes(data[1:_ID_ENDS], "big")), _ID_ENDS

    def _of_fingerprint(self, fingerprint: bytes) -> AvroSchema:
        if len(fingerprint) < _FINGERPRINT_ENDS - 2:
            raise UnreadableError("bad_frame", "a frame that is cut")
        found = self._by_fingerprint.get(fingerprint)
        if found is None:
            told = f"no {self._names()} this release knows has the schema fingerprint {fingerprint.hex()}"
            raise UnreadableError("unknown_schema", f"{told}: written by a newer release, or something else")
        return found

    def _of_id(self, schema_id: int) -> AvroSchema:
        known = self._by_id.get(schema_id)
        if known is not None:
            return known
        if self._lookup is None:
            raise UnreadableError("unknown_schema", f"schema id {schema_id} cannot be looked up: set registry.url")
        found = avro_schema(self._lookup(schema_id))
        if found.name not in self._types:
            raise UnreadableError("unknown_schema", f"schema id {schema_id} is of another type than {self._names()}")
        if len(self._by_id) >= IDS_MAX:
            self._by_id.clear()
        self._by_id[schema_id] = found
        return found

    def _names(self) -> str:
        return " or ".join(self._types)
