"""Mutations as records: value and headers (2.2)."""

import orjson

from worker import __version__
from worker.codec.mutations import JsonEncoder, headers
from worker.model.mutation import Mutation

MUTATION = Mutation("lifecycle", "t/1", 7, 9, {"payload": {"startedAt": None}, "turnId": "é"}, True)


def test_the_value_is_json_with_everything_nested() -> None:
    assert JsonEncoder().encode(MUTATION) == '{"payload":{"startedAt":null},"turnId":"é"}'.encode()


def test_the_value_reads_back() -> None:
    assert orjson.loads(JsonEncoder().encode(MUTATION)) == MUTATION.value


def test_the_headers_name_versions_generation_and_sequence() -> None:
    assert headers(MUTATION) == [
        ("thw-schema-version", b"1"),
        ("thw-worker-version", __version__.encode()),
        ("thw-generation", b"7"),
        ("thw-sequence", b"9"),
    ]
