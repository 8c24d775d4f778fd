"""What the headers of an output record say."""

import pytest

from worker.codec.versions import Version, insist_on_schema, version_of
from worker.errors import SchemaError
from worker.model.record import Headers, InRecord


def record(headers: Headers) -> InRecord:
    return InRecord("codex.thread-items", 3, 17, b"t/u/i", b"never looked at", headers, None)


OURS: Headers = [("thw-schema-version", b"1"), ("thw-generation", b"40"), ("thw-sequence", b"7")]


def test_a_records_version_is_in_its_headers() -> None:
    assert version_of(record(OURS)) == Version(40, 7)


def test_a_record_without_them_has_none() -> None:
    assert version_of(record([])) is None
    assert version_of(record(OURS[:2])) is None


def test_our_own_version_minor_ones_of_it_and_none_are_read() -> None:
    some: list[Headers] = [OURS, OURS[1:], [("thw-schema-version", b"1.4")], [("other", b"2"), *OURS], []]
    for heads in some:
        insist_on_schema(record(heads))


@pytest.mark.parametrize("schema", [b"2", b"10", b"0", b"2.1", b"", b"\xff"])
@pytest.mark.parametrize("before", [[], [("other", b"1")]])
def test_another_major_version_is_refused_and_the_place_named(schema: bytes, before: Headers) -> None:
    with pytest.raises(SchemaError, match=r"codex.thread-items\[3\] at offset 17 has schema version"):
        insist_on_schema(record([*before, ("thw-schema-version", schema)]))
