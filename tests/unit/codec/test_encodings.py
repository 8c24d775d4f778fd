"""Mutations there and back in every encoding, and by readers of earlier and later schemas (2.2, G10)."""

import copy
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
import orjson
import pytest
from hypothesis import given

from tests import made, strategies
from tests.reference import text
from tests.strategies import Given
from worker.codec.avro import AvroEncoder, confluent_framed, single_objects
from worker.codec.frames import FrameReader
from worker.codec.mutations import Encoder, JsonEncoder
from worker.codec.schemas import MUTATIONS, AvroSchema, avro_schema, schema
from worker.codec.values import ValueDecoder
from worker.errors import SchemaError, UnreadableError
from worker.model.mutation import Mutation

FOLDER = Path(__file__).parents[3] / "schemas"
SCHEMAS = {name: schema(name) for name in MUTATIONS}
IDS = {"thread_item": 1, "turn_summary": 258, "lifecycle": 2**31 - 1}


def registered(schema_id: int) -> str:
    """Return a schema by its id, as a registry does."""
    (name,) = (name for name, known in IDS.items() if known == schema_id)
    return SCHEMAS[name].text


DECODER = ValueDecoder(registered)
ENCODERS: dict[str, Encoder] = {
    "avro": single_objects(SCHEMAS),
    "avro-registry": confluent_framed(SCHEMAS, IDS),
    "json": JsonEncoder(),
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_every_mutation_of_the_vectors_comes_back_as_it_was(encoding: str) -> None:
    encoder = ENCODERS[encoding]
    found = made.of_vectors()
    kinds = {item["type"] for item in made.items(found)}

    assert [one.key for one in found if text(DECODER.decode(encoder.encode(one))) != text(one.value)] == []
    assert (len(kinds), {one.projection for one in found}) == (18, set(MUTATIONS))


@given(strategies.threads() | strategies.twins())
def test_every_mutation_comes_back_as_it_was(lines: list[Given]) -> None:
    for mutation in made.mutations(line.text for line in lines):
        for encoder in ENCODERS.values():
            assert text(DECODER.decode(encoder.encode(mutation))) == text(mutation.value)


def first(projection: str) -> Mutation:
    return next(one for one in made.of_vectors() if one.projection == projection)


def but(one: Mutation, **fields: Any) -> Mutation:
    """Return a mutation with other fields in its value."""
    return Mutation(one.projection, one.key, one.generation, one.sequence, {**one.value, **fields}, one.removes)


def test_an_item_that_was_cut_says_so_in_every_encoding() -> None:
    cut = but(first("thread_item"), truncated=True, originalBytes=2**33)

    assert [DECODER.decode(encoder.encode(cut)) for encoder in ENCODERS.values()] == [cut.value] * 3


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_single_object_is_read_with_the_schemas_file_alone(name: str) -> None:
    mutation = first(name)
    data = ENCODERS["avro"].encode(mutation)
    loaded = fastavro.schema.load_schema(str(FOLDER / f"{name}.avsc"))
    canonical = fastavro.schema.to_parsing_canonical_form(loaded)
    found: Any = fastavro.schemaless_reader(BytesIO(data[10:]), loaded, None)

    assert data[:10] == b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    assert (found["threadId"], found["source"]) == (mutation.value["threadId"], mutation.value["source"])


def test_the_fingerprint_is_in_the_order_that_the_specification_wants() -> None:
    # CRC-64-AVRO of the canonical form `"int"` is 7275d51a3f395c8f in the specification's test data.
    found = fastavro.schema.fingerprint('"int"', "CRC-64-AVRO")

    assert bytes.fromhex(found) == (0x7275D51A3F395C8F).to_bytes(8, "little")


def test_confluents_frame_is_a_zero_byte_and_the_id() -> None:
    data = ENCODERS["avro-registry"].encode(first("turn_summary"))

    assert (data[:5], data[5:]) == (b"\0\0\0\1\2", ENCODERS["avro"].encode(first("turn_summary"))[10:])


def test_json_inside_avro_is_text() -> None:
    found = read_plainly(SCHEMAS["turn_summary"], ENCODERS["avro"].encode(first("turn_summary")))["mutation"]

    assert all(isinstance(item, str) for item in found["summaryItems"])
    assert found["error"] is None or isinstance(found["error"], str)


def read_plainly(reader: AvroSchema, data: bytes) -> Any:
    return fastavro.schemaless_reader(BytesIO(data[10:]), reader.parsed, None)


# Earlier and later schemas


def grown(name: str) -> AvroSchema:
    """Return the schema of a later release: by the rules, two more fields."""
    source = copy.deepcopy(schema(name).source)
    source["fields"] += [
        {"name": "colour", "doc": "New.", "type": ["null", "string"], "default": None},
        {"name": "weight", "doc": "New.", "type": "long", "default": 7},
    ]
    return avro_schema(orjson.dumps(source))


def shrunk(name: str) -> AvroSchema:
    """Return the schema of an earlier release: without the fields that have a default."""
    source = copy.deepcopy(schema(name).source)
    source["fields"] = [field for field in source["fields"] if "default" not in field]
    return avro_schema(orjson.dumps(source))


@pytest.mark.parametrize("changed", [grown, shrunk])
def test_todays_reader_reads_what_other_releases_wrote(changed: Callable[[str], AvroSchema]) -> None:
    others = {name: changed(name) for name in MUTATIONS}
    encoder = confluent_framed(others, IDS)
    decoder = ValueDecoder(lambda schema_id: others[registered_name(schema_id)].text)

    for mutation in made.of_vectors()[:2_000]:
        kept = {
            key: found
            for key, found in mutation.value.items()
            if changed is grown or key not in ("truncated", "originalBytes", "originThreadId")
        }
        assert decoder.decode(encoder.encode(but(mutation, colour="red"))) == kept


def registered_name(schema_id: int) -> str:
    return next(name for name, known in IDS.items() if known == schema_id)


@pytest.mark.parametrize("changed", [grown, shrunk])
def test_readers_of_other_releases_read_what_is_written_today(changed: Callable[[str], AvroSchema]) -> None:
    others = [changed(name) for name in MUTATIONS]
    reader = FrameReader(others, earlier=SCHEMAS.values())
    defaults = {"colour": None, "weight": 7} if changed is grown else {}

    for mutation in made.of_vectors()[:2_000]:
        data = ENCODERS["avro"].encode(mutation)
        _, found = reader.read(data)
        plain = read_plainly(SCHEMAS[mutation.projection], data)
        optional = ("truncated", "originalBytes", "originThreadId") if changed is shrunk else ()
        assert found == {key: one for key, one in plain.items() if key not in optional} | defaults


# What cannot be read


@pytest.mark.parametrize("encoding", ENCODERS)
def test_another_major_version_is_refused(encoding: str) -> None:
    later = but(first("lifecycle"), schemaVersion=2)

    with pytest.raises(SchemaError, match="schema version 2, this release reads 1: install a newer one"):
        DECODER.decode(ENCODERS[encoding].encode(later))


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (b"", "bad_frame", "neither Avro nor JSON"),
        (b"[]", "bad_frame", "not a JSON object"),
        (b"\xff", "bad_frame", "neither Avro nor JSON"),
        (b"\xc3\x01abc", "bad_frame", "cut"),
        (b"\xc3\x01abcdefgh", "unknown_schema", "fingerprint 6162636465666768: written by a newer release"),
        (b"\xc3\x01" + SCHEMAS["lifecycle"].fingerprint + b"\x02", "bad_frame", "no thread_history.LifecycleMutation"),
        (b"\0\0\0\0", "bad_frame", "cut"),
        (b"\0\0\0\0\1", "bad_frame", "no thread_history.ThreadItemMutation: EOFError"),
    ],
)
def test_what_is_no_value_is_refused_with_the_reason(data: bytes, reason: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told) as refused:
        DECODER.decode(data)

    assert refused.value.reason == reason


def test_bytes_behind_a_value_are_refused() -> None:
    with pytest.raises(UnreadableError, match="1 bytes follow it"):
        DECODER.decode(ENCODERS["avro"].encode(first("lifecycle")) + b"\0")


def test_a_text_that_is_no_json_is_refused() -> None:
    value = {**first("lifecycle").value, "payload": "{"}
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, SCHEMAS["lifecycle"].parsed, value)

    with pytest.raises(UnreadableError, match=r"a text in a thread_history\.LifecycleMutation is not JSON"):
        DECODER.decode(b"\xc3\x01" + SCHEMAS["lifecycle"].fingerprint + buffer.getvalue())


def test_a_confluent_frame_without_a_registry_names_the_setting() -> None:
    with pytest.raises(UnreadableError, match=r"schema id 1 cannot be looked up: set registry\.url"):
        ValueDecoder().decode(ENCODERS["avro-registry"].encode(first("thread_item")))


@pytest.mark.parametrize(
    "text_",
    [
        '"string"',
        "{",
        '{"type":"record","name":"a.B","fields":[{"name":"x","type":"a.C"}]}',
        '{"type":"record","name":"a.B","fields":[]}',
        '{"type":"record"}',
        '["null"]',
        "7",
    ],
)
def test_a_registered_schema_that_is_of_no_use_is_refused(text_: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        ValueDecoder(lambda _: text_).decode(b"\0\0\0\0\1")

    assert refused.value.reason == "unknown_schema"


def test_a_schema_is_looked_up_once() -> None:
    asked: list[int] = []

    def lookup(schema_id: int) -> str:
        asked.append(schema_id)
        return registered(schema_id)

    decoder = ValueDecoder(lookup)
    for _ in range(3):
        decoder.decode(ENCODERS["avro-registry"].encode(first("thread_item")))

    assert asked == [1]


def test_an_encoder_wants_a_header_for_each_schema() -> None:
    with pytest.raises(KeyError):
        AvroEncoder(SCHEMAS, {})
