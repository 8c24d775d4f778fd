"""What the headers of an output record say before its value is decoded: the schema's version and the row's."""

from worker.errors import SchemaError
from worker.model.mutation import SCHEMA_VERSION
from worker.model.record import InRecord
from worker.model.value import value

_OURS = str(SCHEMA_VERSION).encode()
_FIRST = ("thw-schema-version", _OURS)


@value
class Version:
    """Orders what happens to a thread; of a null row, the version of the mutation before it."""

    generation: int
    sequence: int


def version_of(record: InRecord) -> Version | None:
    """Return the version in a record's headers; None when it is not there, as on a null that others wrote."""
    heads = dict(record.headers)
    generation, sequence = heads.get("thw-generation"), heads.get("thw-sequence")
    return None if generation is None or sequence is None else Version(int(generation), int(sequence))


def insist_on_schema(record: InRecord) -> None:
    """Refuse a record whose schema has another major version, what stands before a dot, than this release knows.

    Raises:
        SchemaError: it has.
    """
    # The worker's first header, asked of every record.
    if record.headers and record.headers[0] == _FIRST:
        return
    schema = dict(record.headers).get("thw-schema-version")
    if schema is not None and schema.partition(b".")[0] != _OURS:
        raise SchemaError(
            f"{record.topic}[{record.partition}] at offset {record.offset} has schema version "
            f"{schema.decode(errors='replace')}, this release reads {SCHEMA_VERSION}: install a newer one and go on "
            "from here"
        )
