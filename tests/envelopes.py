"""Appends of several items as their producers write them: with nothing but the schema's file."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema

_SCHEMA = fastavro.schema.load_schema(str(Path(__file__).parents[1] / "schemas" / "rollout_append.avsc"))
_CANONICAL = fastavro.schema.to_parsing_canonical_form(_SCHEMA)
SINGLE_OBJECT = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(_CANONICAL, "CRC-64-AVRO"))
TIMESTAMP_MS = 1_780_531_234_567


def envelope(
    items: Sequence[bytes] = (),
    source_events: Sequence[bytes] = (),
    *,
    thread_id: str = "t",
    first_ordinal: int | None = None,
    timestamp: int = TIMESTAMP_MS,
    header: bytes = SINGLE_OBJECT,
) -> bytes:
    """Return an append as a record's value.

    Args:
        header: what comes before the body; by default that of a single object.
    """
    fields: dict[str, Any] = {
        "thread_id": thread_id,
        "first_ordinal": first_ordinal,
        "timestamp": timestamp,
        "items": [item.decode() for item in items],
        "source_events": [item.decode() for item in source_events],
    }
    buffer = BytesIO()
    buffer.write(header)
    fastavro.schemaless_writer(buffer, _SCHEMA, fields)
    return buffer.getvalue()
