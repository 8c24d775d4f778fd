"""Mutations to bytes: the encoder is a port, so that another encoding is another class (design: encodings)."""

from typing import Protocol

import orjson

from worker import __version__
from worker.model.mutation import SCHEMA_VERSION, Mutation
from worker.model.record import Headers


class Encoder(Protocol):
    """Makes the value of a mutation's record."""

    def encode(self, mutation: Mutation) -> bytes:
        """Return the record's value."""


class JsonEncoder:
    """The value as one JSON object, items nested."""

    def encode(self, mutation: Mutation) -> bytes:
        """Return the value as JSON."""
        return orjson.dumps(mutation.value)


_CONSTANT: Headers = [
    ("thw-schema-version", str(SCHEMA_VERSION).encode()),
    ("thw-worker-version", __version__.encode()),
]


def headers(mutation: Mutation) -> Headers:
    """Return the headers of a mutation's record, and of the null row that follows a removal."""
    return [
        *_CONSTANT,
        ("thw-generation", b"%d" % mutation.generation),
        ("thw-sequence", b"%d" % mutation.sequence),
    ]
