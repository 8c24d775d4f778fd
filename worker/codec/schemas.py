"""The Avro schemas of the topics: read from `schemas/`, parsed once, told apart by fingerprint."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, parse_schema, to_parsing_canonical_form

from worker.errors import UnreadableError
from worker.model.value import value
from worker.packaged import packaged

MUTATIONS = ("thread_item", "turn_summary", "lifecycle")
# All types of values that readers meet.
VALUES = (*MUTATIONS, "thread")
APPEND = "rollout_append"


@value
class AvroSchema:
    """A schema of a record type.

    Attributes:
        name: the type's full name.
        text: the schema as JSON text, docs included: what a registry gets.
        source: the same, parsed as JSON.
        parsed: what fastavro made of it.
        fingerprint: CRC-64-AVRO of its canonical form, in the byte order of a single object's header.
    """

    name: str
    text: str
    source: dict[str, Any]
    parsed: Any
    fingerprint: bytes


def avro_schema(text: str | bytes) -> AvroSchema:
    """Parse a schema of a record.

    Raises:
        UnreadableError: it is none.
    """
    try:
        source = orjson.loads(text)
        parsed: Any = parse_schema(source)
        if not isinstance(parsed, dict) or parsed["type"] != "record":
            raise UnreadableError("unknown_schema", "the schema is not of a record")
        # fastavro gives the digest in the header's order, least significant byte first, as hexadecimal.
        digest = bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))
    except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType) as error:
        raise UnreadableError("unknown_schema", f"the schema is no Avro: {type(error).__name__}") from None
    return AvroSchema(parsed["name"], orjson.dumps(source).decode(), source, parsed, digest)


@cache
def schema(name: str) -> AvroSchema:
    """Return a schema as it is now, by the name of its file."""
    return avro_schema((packaged("schemas", "schemas") / f"{name}.avsc").read_text("utf-8"))


@cache
def released() -> tuple[AvroSchema, ...]:
    """Return all schemas of all releases, which records on the topics may have been written with."""
    return tuple(_released())


def _released() -> Iterator[AvroSchema]:
    for release in (packaged("schemas", "schemas") / "released").iterdir():
        for file in release.iterdir():
            yield avro_schema(file.read_text("utf-8"))
