"""Mutations as typed models."""

from typing import Any

import orjson
import pytest

from tests.made import of_vectors
from worker.changes import (
    Change,
    Gaps,
    LifecycleMutation,
    Mutation,
    ThreadItemMutation,
    TurnSummaryMutation,
    change_of,
)
from worker.codec.mutations import JsonEncoder, headers
from worker.errors import FatalError
from worker.model.record import Headers, InRecord

MODELS = {"thread_item": ThreadItemMutation, "turn_summary": TurnSummaryMutation, "lifecycle": LifecycleMutation}


def record(key: bytes, data: bytes | None, heads: Headers = ()) -> InRecord:  # type: ignore[assignment]
    return InRecord("codex.thread-items", 3, 17, key, data, list(heads), None)


def item(sequence: int, *, thread: str = "t", generation: int = 0) -> Change:
    fields = {
        "schemaVersion": 1,
        "threadId": thread,
        "generation": generation,
        "sequence": sequence * 2,
        "topicSequence": sequence,
        "source": {"topic": "i", "partition": 0, "offset": 0, "index": 0, "ordinal": None, "timestamp": None},
        "reducerVersion": 1,
    }
    return change_of(record(b"t/u/i", orjson.dumps(fields)), orjson.loads)


def test_every_mutation_of_every_vector_is_its_model_and_loses_nothing() -> None:
    encoder = JsonEncoder()
    for mutation in of_vectors():
        data = encoder.encode(mutation)
        change = change_of(record(mutation.key.encode(), data, headers(mutation)), orjson.loads)

        assert type(change.mutation) is MODELS[mutation.projection]
        assert change.mutation.model_dump(by_alias=True, exclude_unset=True) == orjson.loads(data)
        assert change[:4] == (mutation.key, change.mutation, mutation.generation, mutation.sequence)


def test_a_null_is_a_deletion_of_the_version_its_headers_state() -> None:
    heads: Headers = [("thw-schema-version", b"1"), ("thw-generation", b"4"), ("thw-sequence", b"9")]

    assert change_of(record(b"t/u/i", None, heads), orjson.loads) == (
        *("t/u/i", None, 4, 9),
        *("codex.thread-items", 3, 17, 0),
    )
    assert change_of(record(b"t/u/i", None), orjson.loads)[1:4] == (None, None, None)


def test_a_field_of_a_newer_worker_is_kept_aside() -> None:
    change = item(1)
    assert change.mutation is not None
    fields = change.mutation.model_dump(by_alias=True) | {"mood": "good"}
    newer = change_of(record(b"t/u/i", orjson.dumps(fields)), orjson.loads).mutation

    assert newer is not None
    assert newer.model_extra == {"mood": "good"}


def test_a_mutation_of_another_projection_has_at_least_what_all_have() -> None:
    assert type(item(1).mutation) is Mutation


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"threadId": "secret"}', b'{"materializedThreadItem": "secret"}'])
def test_what_is_no_mutation_is_refused_without_its_payload(data: bytes) -> None:
    with pytest.raises(FatalError) as caught:
        change_of(record(b"t", data), orjson.loads)

    assert "codex.thread-items[3] at offset 17" in str(caught.value)
    assert "secret" not in str(caught.value)


def missing(changes: list[Change], threads_max: int = 100) -> list[int]:
    gaps = Gaps(threads_max)
    return [gaps.missing(change) for change in changes]


def test_a_gap_in_a_threads_topic_sequence_is_how_many_are_missing() -> None:
    assert missing([item(5), item(6), item(9), item(10)]) == [0, 0, 2, 0]


def test_threads_are_counted_apart() -> None:
    assert missing([item(5), item(8, thread="v"), item(6), item(10, thread="v")]) == [0, 0, 0, 1]


def test_a_new_generation_counts_anew() -> None:
    assert missing([item(5), item(1, generation=7), item(3, generation=7)]) == [0, 0, 1]


def test_what_comes_twice_and_what_is_deleted_is_not_missing() -> None:
    gone: Any = Change("t/u/i", None, 0, 9, "codex.thread-items", 3, 17, 0)

    assert missing([item(5), item(4), item(5), gone, item(6)]) == [0, 0, 0, 0, 0]


def test_of_a_thread_that_was_long_ago_nothing_is_told() -> None:
    assert missing([item(1, thread=name) for name in "abc"] + [item(5, thread="a")], threads_max=2) == [0, 0, 0, 0]
    assert missing([item(1, thread=name) for name in "abac"] + [item(5, thread="a")], threads_max=2)[-1] == 3
