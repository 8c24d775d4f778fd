"""Records of a topic as what is to be done to its table."""

from typing import Any

import orjson
import pytest

from tests.made import of_vectors
from worker.codec.mutations import JsonEncoder, headers
from worker.errors import FatalError, SchemaError
from worker.model.mutation import Mutation
from worker.model.record import Headers, InRecord
from worker.postgres.changes import Changes, changes
from worker.postgres.tables import TABLES

ITEMS = TABLES["thread_item"]


def records(mutation: Mutation, offset: int = 0) -> list[InRecord]:
    key, heads = mutation.key.encode(), headers(mutation)
    values = [JsonEncoder().encode(mutation), *([None] if mutation.removes else [])]
    return [InRecord("codex.thread-items", 0, offset, key, data, heads, None) for data in values]


def null(key: bytes, heads: Headers) -> InRecord:
    return InRecord("codex.thread-items", 0, 9, key, None, heads, None)


def found(some: list[InRecord]) -> Changes:
    return changes(ITEMS, some, orjson.loads)


def an_item(*, removes: bool = False) -> Mutation:
    return next(one for one in of_vectors() if one.projection == "thread_item" and one.removes == removes)


def test_every_mutation_is_a_row_of_its_table_or_a_removal() -> None:
    for mutation in of_vectors():
        table = TABLES[mutation.projection]
        done = changes(table, records(mutation), orjson.loads)

        assert (len(done.rows), len(done.removals)) == ((0, 1) if mutation.removes else (1, 0))
        for row in done.rows:
            named = dict(zip(table.columns, row, strict=True))
            assert (named["thread_id"], named["sequence"]) == (mutation.value["threadId"], mutation.sequence)
        for removal in done.removals:
            assert removal[len(table.key) :] == (mutation.generation, mutation.sequence)


def test_only_the_last_record_of_a_row_counts_and_the_others_are_not_even_decoded() -> None:
    (one,) = records(an_item())
    broken = InRecord(one.topic, 0, 0, one.key, b"never decoded", one.headers, None)
    gone = null(one.key or b"", one.headers)

    assert found([broken, one]) == found([one])
    assert found([one, gone]) == found([gone])
    assert found([gone, one]) == found([one])


def test_a_tombstone_without_its_null_removes_as_well() -> None:
    mutation = an_item(removes=True)
    tombstone, gone = records(mutation)

    assert found([tombstone]) == found([tombstone, gone]) == found([gone])


def test_a_null_without_a_version_removes_whatever_there_is() -> None:
    assert found([null(b"t/u/i", [])]).removals == [("t", "u", "i", 2**63 - 1, 2**63 - 1)]


def test_keys_are_decoded_part_by_part() -> None:
    assert found([null(b"a%2Fb/%25/c%00d", [])]).removals[0][:3] == ("a/b", "%", "c%00d")


def test_the_number_of_a_lifecycle_event_is_a_number() -> None:
    assert TABLES["lifecycle"].key_of(b"t/12") == ("t", 12)


BAD: list[tuple[bytes | None, bytes | None]] = [
    (None, None),
    (b"t/u", None),
    (b"\xff/u/i", None),
    (b"t/u/i", b"{"),
    (b"t/u/i", b"[]"),
    (b"t/u/i", b'{"secret": 1}'),
]


@pytest.mark.parametrize(("key", "data"), BAD)
def test_what_is_no_mutation_stops_the_sink_and_its_place_is_named(key: bytes | None, data: bytes | None) -> None:
    with pytest.raises(FatalError, match=r"codex.thread-items\[2\] at offset 17: no mutation of this topic") as caught:
        found([InRecord("codex.thread-items", 2, 17, key, data, [], None)])

    assert "secret" not in str(caught.value)


def test_a_newer_schema_is_refused_even_of_a_record_that_a_later_one_replaces() -> None:
    (one,) = records(an_item())
    newer: Any = InRecord(one.topic, 0, 0, one.key, b"", [("thw-schema-version", b"2")], None)

    with pytest.raises(SchemaError):
        found([newer, one])
