"""Decoder, reducer and task against bytes that no producer meant: nothing is raised (G5).

About 20 s of it; `--hypothesis-profile=deep` goes on for hours.
"""

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from worker.codec.lines import LineDecoder
from worker.model.record import Headers, InRecord
from worker.model.thread import Thread
from worker.runtime.headers import THREAD_ID_BYTES_MAX

VECTORS = Path(__file__).parents[1] / "vectors" / "legacy-random.jsonl.gz"
DECODERS = LineDecoder(), LineDecoder(read_filter=True)


def _seeds() -> list[bytes]:
    """Return lines of all kinds from the conformance vectors, each kind a few times."""
    seeds: dict[tuple[str, str], list[bytes]] = {}
    with gzip.open(VECTORS, "rt") as cases:
        for case in map(json.loads, cases):
            for line in case["input"].encode("utf-8", "surrogateescape").split(b"\n"):
                read = DECODERS[0].decode(line)
                some = seeds.setdefault((read.status, read.kind), [])
                if len(some) < 5:
                    some.append(line)
    return [line for some in seeds.values() for line in some]


SEEDS = _seeds()
TOKENS = st.sampled_from([
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\ud800", b"\\u0000"),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc3\x01"),
    *(b"null", b"true", b"NaN", b"-0", b"1e999", b"9223372036854775808", b"-1", b"0.1", b"18446744073709551616"),
    *(b"[" * 130, b'{"a":' * 130, b'"type":"exec_command_end"', b'"turn_id":null', b'"num_turns":4294967295'),
])  # fmt: skip


VALUES = strategies.JSON | strategies.TURN_IDS | strategies.ITEM_IDS | st.text(max_size=5)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """Draw a line of the vectors with some bytes cut, doubled, exchanged or put in."""
    line = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(line)))
        end = min(len(line), start + draw(st.integers(0, 40)))
        middle = draw(TOKENS | st.just(b"") | st.just(line[start:end] * 2) | st.binary(max_size=8))
        line = line[:start] + middle + line[end:]
    return line


@st.composite
def twisted(draw: st.DrawFn) -> bytes:
    """Draw a line of the vectors that is JSON still, with values in the place of others."""
    found = orjson.loads(draw(st.sampled_from([line for line in SEEDS if _is_json(line)])))
    for _ in range(draw(st.integers(1, 4))):
        parent: Any = {"": found}
        key: Any = ""
        while isinstance(parent[key], dict | list) and parent[key] and draw(st.integers(0, 4)):
            parent = parent[key]
            key = draw(st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent))))
        if parent[key] is not found:
            parent[key] = deepcopy(draw(VALUES))
    return orjson.dumps(found)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


LINES = st.binary(max_size=200) | bent() | twisted()
KEYS = st.sampled_from([b"t", b"u/%", b"", None, b"\xff", b"k" * THREAD_ID_BYTES_MAX, b"k" * (THREAD_ID_BYTES_MAX + 1)])
NAMES = st.sampled_from(["rollout-ordinal", "thw-control", "thw-offset", "x"])
STATED = st.sampled_from([None, b"0", b"1", b"7", b"9223372036854775807", b"unpark", b"\xff"]) | st.binary(max_size=5)
HEADERS: st.SearchStrategy[Headers] = st.lists(st.tuples(NAMES, STATED), max_size=3)
EXAMPLES = settings.default.max_examples  # type: ignore[union-attr]


@settings(max_examples=25 * EXAMPLES)
@given(LINES)
def test_the_decoder_reads_whatever_comes(line: bytes) -> None:
    for decoder in DECODERS:
        read = decoder.decode(line)

        assert read.status in ("event", "ignored", "unknown", "rejected", "blank", "skipped")
        assert (read.handle is not None) == (read.status == "event")
        assert bool(read.error) == (read.status == "rejected")
        assert read.ordinal is None or 0 <= read.ordinal < 2**63


# Modes and forks: what comes first decides how all else is read.
BEGINS = st.sampled_from([
    [],
    [factories.line("session_meta", {"id": factories.UUID, "history_mode": "paginated"})],
    [
        factories.line("session_meta", {"id": factories.UUID, "forked_from_id": factories.OTHER_UUID}),
        factories.line("session_meta", {"id": factories.OTHER_UUID}),
    ],
])  # fmt: skip
ORDINALS = st.none() | st.integers(0, 40) | st.just(2**63 - 1)


@settings(max_examples=10 * EXAMPLES)
@given(BEGINS, st.lists(st.tuples(strategies.whole_items() | LINES, ORDINALS), max_size=12))
def test_no_line_order_repeat_gap_or_mangling_stops_a_thread_of_any_mode(
    begin: list[bytes], rest: list[tuple[bytes, int | None]]
) -> None:
    thread, appends = Thread("t"), factories.appends(redact=True)
    last = factories.event("task_started", turn_id="the last")
    lines = [*((line, None) for line in begin), *rest, (last, 10**6)]

    mutations = [
        mutation for line, ordinal in lines for mutation in appends.process(thread, line, ordinal, {"index": 0})[0]
    ]

    assert [mutation.sequence for mutation in mutations] == [*range(1, len(mutations) + 1)]
    assert mutations[-1].value["turnId"] == "the last"


@settings(max_examples=10 * EXAMPLES)
@given(st.lists(LINES, max_size=12))
def test_the_reducer_takes_whatever_the_decoder_accepts(lines: list[bytes]) -> None:
    thread, appends = Thread("t"), factories.appends(redact=True)

    sequences = [
        mutation.sequence
        for ordinal, line in enumerate(lines)
        for mutation in appends.process(thread, line, ordinal, {"index": 0})[0]
    ]

    assert sequences == [*range(1, len(sequences) + 1)]


@settings(max_examples=10 * EXAMPLES)
@given(st.lists(st.tuples(KEYS, st.none() | LINES, HEADERS), max_size=12))
def test_a_partition_gets_through_whatever_is_in_it(given: list[tuple[bytes | None, bytes | None, Headers]]) -> None:
    partition = factories.task()
    left = [
        InRecord("codex.rollout-items", factories.PARTITION, offset, key, value, headers, None)
        for offset, (key, value, headers) in enumerate(given)
    ]

    while left:
        folded = partition.process(left)
        partition.changed_rows()
        partition.committed(1, left[-1].offset + 1)
        left = [] if folded.resume_at is None else [one for one in left if one.offset >= folded.resume_at]
