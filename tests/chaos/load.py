"""The input: many threads at once, realistic lines and hostile ones, each record with an id of its own."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from benchmarks import threads as made_up
from tests import factories
from tests.integration.harness import vector_threads

ID = "chaos-id"
_ORDINAL = "rollout-ordinal"
# Threads that grow at the same time.
ACTIVE = 120
# Every n-th thread is one of the conformance cases, which have all kinds of lines.
_VECTOR_EVERY = 4
_PAGINATED_EVERY = 5
_HOSTILE = 0.04
OVERSIZED_BYTES = 1_200_000
_OVERSIZED_MAX = 8

_STAMP = '{"timestamp":"2026-06-04T10:00:00.000Z",'
_EVENT = _STAMP + '"type":"event_msg","payload":'


@dataclass(frozen=True)
class Record:
    """One record of the input, to be partitioned by its key."""

    number: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class _Thread:
    """A thread that grows."""

    def __init__(self, key: bytes, lines: Iterator[bytes]) -> None:
        self.key = key
        self.lines = lines
        self.ordinal = 0
        self.last: tuple[int, bytes] | None = None


def records(seed: int, count: int, threads: int) -> Iterator[Record]:
    """Yield the input's records, the same for the same arguments.

    Args:
        count: how many.
        threads: over how many threads at least, if there are some hundred records for each.
    """
    chance = random.Random(f"load-{seed}")
    made = islice(_endless(chance, seed, max(1, count // threads), threads), count)
    for number, (key, value, headers) in enumerate(made):
        yield Record(number, key, value, (*headers, (ID, b"%d" % number)))


_Made = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]


def _endless(chance: random.Random, seed: int, length: int, threads: int) -> Iterator[_Made]:
    waiting = _threads(seed, length)
    active = [next(waiting) for _ in range(min(ACTIVE, threads))]
    hostile = _Hostile(chance)
    number = 0
    while True:
        at = chance.randrange(len(active))
        thread = active[at]
        if chance.random() < _HOSTILE:
            yield hostile.make(thread)
            continue
        line = next(thread.lines, None)
        if line is None:
            active[at] = next(waiting)
            continue
        number += 1
        yield _grown(thread, unique(line, number))


def _threads(seed: int, length: int) -> Iterator[_Thread]:
    """Yield threads without end: made-up ones, somewhat shorter than the average allows, and conformance cases."""
    cases = (found for copy in range(1_000_000) for found in vector_threads_of(copy))
    number = seed % 1_000 * 100_000
    while True:
        number += 1
        if number % _PAGINATED_EVERY == 0:
            yield _Thread(b"paginated-%d" % number, paginated(length, number))
        elif number % _VECTOR_EVERY:
            lines = made_up.lines(max(1, length * 4 // 5), number)
            yield _Thread(made_up.thread_id(number).encode(), lines)
        else:
            name, texts = next(cases)
            yield _Thread(name.encode(), iter(texts[: 2 * length]))


def paginated(length: int, number: int) -> Iterator[bytes]:
    """Yield the lines of a paginated thread, which in every other case begins with copies of another's."""
    forked = {"forked_from_id": factories.OTHER_UUID, "subagent_history_start_ordinal": 8} if number % 2 else {}
    yield factories.line("session_meta", {"id": factories.UUID, "history_mode": "paginated", **forked})
    for turn in range(1, length // 7 + 2):
        turn_id = f"{number}-{turn}"
        text = [{"type": "text", "text": f"question {turn}"}]
        answer = [{"type": "Text", "text": f"answer {turn}"}]
        yield factories.event("task_started", turn_id=turn_id, started_at=turn)
        yield factories.turn_item("UserMessage", turn_id=turn_id, id=f"u{turn}", content=text)
        yield factories.turn_item("Reasoning", turn_id=turn_id, id=f"r{turn}", summary_text=["hm"])
        yield factories.turn_item("Plan", turn_id=turn_id, id=f"p{turn}", text="one")
        yield factories.turn_item("Plan", turn_id=turn_id, id=f"p{turn}", text="one, two")
        yield factories.turn_item("AgentMessage", turn_id=turn_id, id=f"a{turn}", content=answer, phase="final_answer")
        yield factories.event("task_complete", turn_id=turn_id, started_at=turn, completed_at=turn + 1)


def vector_threads_of(copy: int) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the conformance cases under names of their own."""
    for name, texts in vector_threads():
        yield f"{name}-{copy}", texts


def unique(line: bytes, number: int) -> bytes:
    """Return a line that differs from all others, by a field that no reader looks at, else by blanks."""
    if line.startswith(b'{"'):
        return b'{"chaos":%d,' % number + line[1:]
    return line + b" " * (number % 1_000)


def _grown(thread: _Thread, value: bytes) -> _Made:
    ordinal = thread.ordinal
    thread.ordinal += 1
    thread.last = (ordinal, value)
    return thread.key, value, ((_ORDINAL, b"%d" % ordinal),)


class _Hostile:
    """Makes what a topic should not hold and does."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0
        self._oversized = 0
        # By name, with how often.
        self._makers: dict[Any, int] = {
            self._text: 40,
            self._bad_key: 8,
            self._again: 20,
            self._conflict: 4,
            self._gap: 4,
            self._late: 4,
            self._rollback: 12,
            self._forget: 3,
            self._control: 2,
            self._oversize: 1,
        }

    def make(self, thread: _Thread) -> _Made:
        """Return a record that harms a thread, or would like to."""
        self._number += 1
        maker = self._chance.choices(list(self._makers), list(self._makers.values()))[0]
        made: _Made = maker(thread)
        return made

    def _text(self, thread: _Thread) -> _Made:
        number = self._number
        texts = [
            b"",
            b" " * (number % 500) + b"\n",
            b'{"timestamp":"2026-06-04T10:00:00.000Z","type":"event_msg","pay%d' % number,
            b"\x00\xff\xc3\x28 %d" % number,
            b"[%d]" % number,
            (_EVENT + f'{{"type":"task_started","turn_id":{number}}}}}').encode(),
            (_EVENT + f'{{"type":"exec_command_end","call_id":"c{number}"}}}}').encode(),
            (_EVENT + f'{{"type":"agent_message","message":"NaN","x":NaN,"n":{number}}}}}').encode(),
            (_EVENT + f'{{"type":"no_such_kind_{number % 90}","n":{number}}}}}').encode(),
            (_STAMP + f'"type":"no_such_line","payload":{{"n":{number}}}}}').encode(),
            (_EVENT + f'{{"type":"agent_message","message":"{number}","deep":{"[" * 300}{"]" * 300}}}}}').encode(),
            (_EVENT + f'{{"type":"agent_message","message":"\\ud800 {number}"}}}}').encode(),
            (_EVENT + f'{{"type":"token_count","info":{10**30 + number},"rate_limits":null}}}}').encode(),
        ]
        return _grown(thread, self._chance.choice(texts))

    def _bad_key(self, _thread: _Thread) -> _Made:
        key = self._chance.choice([None, b"", b"\xff\xfe%d" % (self._number % 7)])
        return key, (_EVENT + f'{{"type":"agent_message","message":"{self._number}"}}}}').encode(), ()

    def _again(self, thread: _Thread) -> _Made:
        if thread.last is None:
            return self._text(thread)
        ordinal, value = thread.last
        return thread.key, value, ((_ORDINAL, b"%d" % ordinal),)

    def _conflict(self, thread: _Thread) -> _Made:
        ordinal = max(0, thread.ordinal - 1 - self._chance.randrange(3))
        return thread.key, self._message(), ((_ORDINAL, b"%d" % ordinal),)

    def _gap(self, thread: _Thread) -> _Made:
        thread.ordinal += self._chance.randrange(1, 80)
        return _grown(thread, self._message())

    def _late(self, thread: _Thread) -> _Made:
        return thread.key, self._message(), ((_ORDINAL, b"%d" % self._chance.randrange(thread.ordinal + 1)),)

    def _message(self) -> bytes:
        return (_EVENT + f'{{"type":"agent_message","message":"message {self._number}"}}}}').encode()

    def _rollback(self, thread: _Thread) -> _Made:
        turns = self._chance.choice([0, 1, 1, 2, 1_000])
        text = _EVENT + f'{{"type":"thread_rolled_back","num_turns":{turns},"n":{self._number}}}}}'
        return _grown(thread, text.encode())

    def _forget(self, thread: _Thread) -> _Made:
        return thread.key, None, ()

    def _control(self, thread: _Thread) -> _Made:
        return thread.key, b"", (("thw-control", b"unpark"),)

    def _oversize(self, thread: _Thread) -> _Made:
        if self._oversized >= _OVERSIZED_MAX:
            return self._text(thread)
        self._oversized += 1
        text = f"{self._number} " + 'long \\" text é ' * (OVERSIZED_BYTES // 16)
        return _grown(
            thread, (_EVENT + f'{{"type":"agent_message","message":{orjson.dumps(text).decode()}}}}}').encode()
        )
