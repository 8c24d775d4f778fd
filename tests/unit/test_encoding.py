"""The encoding that the settings name, made ready for the projections that are installed (2.2, 5)."""

from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
import pytest

from worker import app, encoding
from worker.codec.mutations import JsonEncoder
from worker.codec.schemas import schema
from worker.config import Settings, load
from worker.errors import ConfigError
from worker.model.change import ChangeSet
from worker.model.mutation import Draft, Mutation
from worker.model.thread import Thread, Turn
from worker.projections.table import PROJECTIONS

VALUE = {"schemaVersion": 1, "weight": 1.5, "notes": [{"a": None}]}
FIELDS = [
    {"name": "schemaVersion", "type": "int"},
    {"name": "weight", "type": "double"},
    {"name": "notes", "type": {"type": "string", "contentMediaType": "application/json"}},
]


class Weights:
    """A projection of another package."""

    name = "weights"
    topic = "weights"

    def observe(self, _thread: Thread, _changes: ChangeSet) -> Iterator[Draft]:
        yield from ()

    def shown(self, _kind: str, _row: Any, _turn: Turn) -> Iterator[tuple[str, ...]]:
        yield from ()


class Described(Weights):
    """One that has a schema."""

    schema: ClassVar[Any] = {"type": "record", "name": "elsewhere.Weight", "fields": FIELDS}


class Misdescribed(Weights):
    """One whose schema is none."""

    schema: ClassVar[Any] = {"type": "record"}


MUTATION = Mutation("weights", "t/1", 0, 1, VALUE, False)
TOPICS = {"weights": "codex.weights"}


def settings(**more: object) -> Settings:
    return load(None, more)


def test_single_objects_are_the_default() -> None:
    data = app.encoder(settings()).encode(
        Mutation(
            "lifecycle",
            "t/1",
            0,
            1,
            {**_common(), "lifecycleOrdinal": 1, "eventType": "x", "turnId": None, "payload": {}},
            False,
        )
    )

    assert data[:10] == b"\xc3\x01" + schema("lifecycle").fingerprint


def _common() -> dict[str, Any]:
    source = {"topic": "i", "partition": 0, "offset": 0, "index": 0, "ordinal": None, "timestamp": None}
    counts = {"schemaVersion": 1, "generation": 0, "sequence": 1, "topicSequence": 1, "reducerVersion": 1}
    return {**counts, "threadId": "t", "source": source}


def test_json_needs_no_schema() -> None:
    made = encoding.encoder(settings(encoding="json"), [Weights()], TOPICS)

    assert isinstance(made, JsonEncoder)
    assert orjson.loads(made.encode(MUTATION)) == VALUE


def test_a_projection_of_another_package_brings_its_schema() -> None:
    data = encoding.encoder(settings(), [Described()], TOPICS).encode(MUTATION)

    assert encoding.value_decoder(settings(), [Described()])(data) == VALUE
    assert data[:2] == b"\xc3\x01"


@pytest.mark.parametrize(
    ("projection", "told"),
    [
        (Weights(), "projection weights has no Avro schema: give it one"),
        (Misdescribed(), "projection weights: the schema"),
    ],
)
def test_one_without_a_schema_is_told(projection: Weights, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        encoding.encoder(settings(), [projection], TOPICS)


def test_values_of_a_projection_without_a_schema_are_read_as_json() -> None:
    decode = encoding.value_decoder(settings(), [*PROJECTIONS.values(), Weights()])

    assert decode(orjson.dumps(VALUE)) == VALUE


def test_nobody_asks_a_registry_that_is_not_needed() -> None:
    silent = settings(registry={"url": "http://127.0.0.1:1"})

    assert app.encoder(silent) is not None
    assert app.value_decoder(silent)(orjson.dumps(VALUE)) == VALUE
