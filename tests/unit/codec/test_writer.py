"""The writer made of a schema, byte for byte beside fastavro."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import made, strategies
from tests.strategies import Given
from worker.codec.avro import AvroEncoder, by_fastavro
from worker.codec.frames import FrameReader, single_object_header
from worker.codec.schemas import MUTATIONS, avro_schema, schema
from worker.codec.writer import KEPT_BYTES_MAX, KEPT_MAX, UnsupportedError, number, writer
from worker.model.mutation import Mutation

WRITERS = {name: (writer(schema(name).source), by_fastavro(schema(name))) for name in MUTATIONS}


def differing(mutations: list[Mutation]) -> list[str]:
    """Return the keys of mutations that the two write differently."""
    return [one.key for one in mutations if len({write(one.value) for write in WRITERS[one.projection]}) > 1]


def test_every_mutation_of_the_vectors_is_written_alike() -> None:
    assert differing(made.of_vectors()) == []


@given(strategies.threads() | strategies.twins())
def test_every_mutation_is_written_alike(lines: list[Given]) -> None:
    assert differing(made.mutations(line.text for line in lines)) == []


def _record(name: str) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": "x", "type": "long"}]}


FIELDS: list[dict[str, Any]] = [
    {"name": "number", "type": "long"},
    {"name": "small", "type": "int"},
    {"name": "late", "type": ["null", "string"], "default": None},
    {"name": "text", "type": "string"},
    {"name": "flag", "type": "boolean"},
    {"name": "maybe", "type": ["null", "long"]},
    {"name": "texts", "type": {"type": "array", "items": "string"}},
    {"name": "inner", "type": _record("Inner")},
    {"name": "perhaps", "type": ["null", _record("Perhaps")]},
    {"name": "inners", "type": {"type": "array", "items": _record("Inners")}},
    {"name": "later", "type": "long", "default": 7},
]
SCHEMA = avro_schema(orjson.dumps({"type": "record", "name": "a.B", "fields": FIELDS}))
LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, -1, 63, 64, 8_191, 8_192, 2**14, 2**27 - 1, 2**27, 2**41 - 1, 2**41, 2**63 - 1, -(2**63)]
)
INNER = st.fixed_dictionaries({"x": LONGS})
RECORDS = st.fixed_dictionaries(
    {
        "number": LONGS,
        "small": st.integers(-(2**31), 2**31 - 1),
        "text": st.text(max_size=200),
        "flag": st.booleans(),
        "maybe": st.none() | LONGS,
        "texts": st.lists(st.text(max_size=3), max_size=3),
        "inner": INNER,
        "perhaps": st.none() | INNER,
        "inners": st.lists(INNER, max_size=3),
    },
    optional={"late": st.none() | st.text(), "later": LONGS},
)


@given(RECORDS)
def test_values_at_their_bounds_are_written_alike_and_read_back(record: dict[str, Any]) -> None:
    data = writer(SCHEMA.source)(record)

    assert data == by_fastavro(SCHEMA)(record)
    assert FrameReader([SCHEMA]).read(single_object_header(SCHEMA) + data)[1] == {"late": None, "later": 7, **record}


@pytest.mark.parametrize("found", [2**63, -(2**63) - 1, 2**200])
def test_a_number_beyond_64_bits_is_refused(found: int) -> None:
    with pytest.raises(OverflowError):
        number(found)


@pytest.mark.parametrize(
    "record",
    [{}, {"x": None}, {"x": "1"}, {"x": 2**63}],
)
def test_a_record_that_does_not_keep_to_the_schema_is_refused(record: dict[str, Any]) -> None:
    write = writer({"type": "record", "name": "a.B", "fields": [{"name": "x", "type": "long"}]})

    with pytest.raises((KeyError, TypeError, OverflowError)):
        write(record)


def test_texts_are_kept_within_bounds() -> None:
    write = writer({"type": "record", "name": "a.B", "fields": [{"name": "x", "type": "string"}]})
    written = [write({"x": text}) for text in (*map(str, range(KEPT_MAX + 5)), "y" * KEPT_BYTES_MAX)]

    assert written[-2:] == [b"\x0a" + str(KEPT_MAX + 4).encode(), b"\xa0\x01" + b"y" * KEPT_BYTES_MAX]


TEXT = {"type": "string", "contentMediaType": "application/json"}


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("double", 1.5),
        ({"type": "map", "values": "long"}, {"a": 1}),
        (["long", "null"], None),
        (["null", "long", "string"], "x"),
        ({"type": "long", "logicalType": "timestamp-millis"}, 5),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "A"),
    ],
)
def test_other_types_are_left_to_fastavro(kind: Any, found: Any) -> None:
    other = avro_schema(orjson.dumps({"type": "record", "name": "a.B", "fields": [{"name": "x", "type": kind}]}))
    with pytest.raises(UnsupportedError):
        writer(other.source)
    data = AvroEncoder({"p": other}, {"p": b"!"}).encode(Mutation("p", "k", 0, 1, {"x": found}, False))

    assert data == b"!" + by_fastavro(other)({"x": found})


def test_a_default_that_is_json_as_text_is_left_to_fastavro() -> None:
    with pytest.raises(UnsupportedError):
        writer({"type": "record", "name": "a.B", "fields": [{"name": "a", "type": TEXT, "default": "[]"}]})
