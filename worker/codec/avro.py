"""Mutations to Avro: single objects, or in Confluent's frame (implements `worker.codec.mutations.Encoder`)."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from fastavro import schemaless_writer

from worker.codec.frames import confluent_header, single_object_header
from worker.codec.schemas import AvroSchema
from worker.codec.texts import to_texts
from worker.codec.writer import UnsupportedError, Write, writer
from worker.model.mutation import Mutation


class AvroEncoder:
    """The value as an Avro record behind a header; everything that does not depend on the mutation is made ready.

    Args:
        schemas: what each projection's values are written with.
        headers: what each projection's values begin with.
    """

    def __init__(self, schemas: Mapping[str, AvroSchema], headers: Mapping[str, bytes]) -> None:
        self._kinds = {projection: (headers[projection], _write(found)) for projection, found in schemas.items()}

    def encode(self, mutation: Mutation) -> bytes:
        """Return the record's value."""
        header, write = self._kinds[mutation.projection]
        return header + write(mutation.value)


def _write(schema: AvroSchema) -> Write:
    try:
        return writer(schema.source)
    except UnsupportedError:
        return by_fastavro(schema)


def by_fastavro(schema: AvroSchema) -> Write:
    """Return what writes records of any schema; what it marks as JSON text is given nested."""
    texts = to_texts(schema.source)

    def written(found: Any) -> bytes:
        buffer = BytesIO()
        schemaless_writer(buffer, schema.parsed, texts(found))
        return buffer.getvalue()

    return written


def single_objects(schemas: Mapping[str, AvroSchema]) -> AvroEncoder:
    """Return an encoder of single objects, which name their schema by its fingerprint and need no server.

    Args:
        schemas: by projection.
    """
    return AvroEncoder(schemas, {projection: single_object_header(found) for projection, found in schemas.items()})


def confluent_framed(schemas: Mapping[str, AvroSchema], ids: Mapping[str, int]) -> AvroEncoder:
    """Return an encoder of values in Confluent's frame.

    Args:
        schemas: by projection.
        ids: their ids in the registry, by projection.
    """
    return AvroEncoder(schemas, {projection: confluent_header(ids[projection]) for projection in schemas})
