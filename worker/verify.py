"""The compacted view of the mutation topics held against a reduction of the input from scratch."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import unquote

import orjson

from worker.audit import folded
from worker.model.mutation import encoded
from worker.model.record import InRecord, OutRecord
from worker.model.shown import Form, Published
from worker.model.value import value
from worker.runtime.headers import EXPIRE, stated, thread_id_of
from worker.runtime.ports import Task

# Records folded at a time.
_BATCH_RECORDS = 1_000

Kind = Literal["missing", "extra", "stale", "sequence", "differs"]
Decode = Callable[[bytes], Any]


@value
class Row:
    """What a row shows, in few bytes.

    Attributes:
        sequence: of its last mutation.
        digest: of everything but the generation, which a rebuild changes.
    """

    sequence: int
    digest: bytes


@value
class Difference:
    """A row that is not as the input says.

    Attributes:
        kind: `missing`: not there; `extra`: should not be there; `stale`: of an earlier mutation; `sequence`: of a
            later one; `differs`: of the right one, with another content.
    """

    kind: Kind
    topic: str
    key: str
    found_sequence: int | None
    wanted_sequence: int | None


Rows = dict[tuple[str, bytes], Row]


class TopicForm:
    """Rows as the topics hold them."""

    def thread(self, thread_id: str) -> str:
        """Return a thread's name in keys."""
        return encoded(thread_id)

    def key(self, _topic: str, key: bytes) -> bytes:
        """Return the key."""
        return key

    def content(self, _topic: str, _key: bytes, fields: dict[str, Any]) -> Any:
        """Return all fields but the generation."""
        return {name: found for name, found in fields.items() if name != "generation"}


class Verification:
    """Collects both sides, thread by thread, and compares them.

    Args:
        decode: a value's bytes to its fields, whatever the encoding.
        topics: the mutation topics.
        new_task: makes the task of a partition, without any state.
        form: of the rows that are compared.
    """

    def __init__(
        self, decode: Decode, topics: Iterable[str], new_task: Callable[[int], Task], form: Form | None = None
    ) -> None:
        self.form = form or TopicForm()
        self._decode = decode
        self._topics = frozenset(topics)
        self._new_task = new_task
        self._tasks: dict[int, Task] = {}
        self._batches: dict[int, list[InRecord]] = defaultdict(list)
        self._found: dict[str, Rows] = defaultdict(dict)
        self._wanted: dict[str, Rows] = defaultdict(dict)
        # Where a thread's newest row and its life's first record are in the input, as its rows say.
        self._sources: dict[str, tuple[int, int]] = {}
        self._generations: dict[str, int] = {}
        # The first record of each thread that the input still has: its offset and its place in its thread.
        self._firsts: dict[str, tuple[int, int | None]] = {}

    def published(self, record: InRecord) -> None:
        """Take a record of a mutation topic."""
        row = self._enter(self._found, record.topic, record.key, record.value)
        if row is not None:
            self._place(row)

    def stored(self, row: Published) -> None:
        """Take a row of a store."""
        self._found[row.thread][row.topic, row.key] = Row(row.sequence, _digest(row.content))
        self._place(row)

    def _place(self, row: Published) -> None:
        self._generations[row.thread] = row.generation
        self._sources[row.thread] = max(row.source, self._sources.get(row.thread, row.source))

    def fold(self, record: InRecord) -> None:
        """Take a record of the input, which come in order within a partition; `finish` after the last."""
        ordinal, control = stated(record.headers)
        if control not in (None, EXPIRE):
            return
        thread_id = thread_id_of(record.key)
        if thread_id is not None and control is None:
            self._firsts.setdefault(self.form.thread(thread_id), (record.offset, ordinal))
        batch = self._batches[record.partition]
        batch.append(record)
        if len(batch) >= _BATCH_RECORDS:
            self._flush(record.partition)

    def finish(self) -> None:
        """Reduce what `fold` still holds."""
        for partition in list(self._batches):
            self._flush(partition)

    def _flush(self, partition: int) -> None:
        if partition not in self._tasks:
            self._tasks[partition] = self._new_task(partition)
        self._take(folded(self._tasks[partition], self._batches.pop(partition)))

    def _take(self, out: Iterator[OutRecord]) -> None:
        for record in out:
            if record.topic in self._topics:
                self._enter(self._wanted, record.topic, record.key, record.value)

    def _enter(self, side: dict[str, Rows], topic: str, key: bytes | None, data: bytes | None) -> Published | None:
        """Enter a record; return the row it sets, None when it deletes one."""
        assert key is not None, "mutations have keys"
        thread = self.form.thread(unquote(key.partition(b"/")[0].decode()))
        name = self.form.key(topic, key)
        if data is None:
            side[thread].pop((topic, name), None)
            return None
        fields = self._decode(data)
        sequence = fields["sequence"] if "sequence" in fields else fields["asOfSequence"]
        source = fields["source"]["partition"], fields["source"]["offset"]
        content = self.form.content(topic, key, fields)
        side[thread][topic, name] = Row(sequence, _digest(content))
        return Published(thread, topic, name, fields["generation"], sequence, source, content)

    def beginning_gone(self, begins: dict[int, int]) -> set[str]:
        """Return threads whose first record is not in the input any more: nothing can be said of them.

        Args:
            begins: the first offset that each partition of the input still has.
        """
        return {
            thread_key
            for thread_key, (partition, _) in self._sources.items()
            if begins.get(partition, 0) and not self._is_whole(thread_key)
        }

    def _is_whole(self, thread_key: str) -> bool:
        """Tell whether the input has a thread's first record, where it does not have its partition's."""
        offset, ordinal = self._firsts.get(thread_key, (None, None))
        return ordinal == 0 or offset == self._generations[thread_key]

    def moving(self, ends: dict[int, int]) -> set[str]:
        """Return threads with rows from records behind those that were folded.

        Args:
            ends: where folding stopped, by partition.
        """
        return {
            thread_key for thread_key, (partition, offset) in self._sources.items() if offset >= ends.get(partition, 0)
        }

    def differences(self, leave_out: set[str]) -> Iterator[Difference]:
        """Yield the rows that are not as the input says, by thread.

        Args:
            leave_out: thread keys that are not compared.
        """
        for thread_key in sorted((self._found.keys() | self._wanted.keys()) - leave_out):
            found, wanted = self._found[thread_key], self._wanted[thread_key]
            for topic, key in sorted(found.keys() | wanted.keys()):
                kind = _compared(found.get((topic, key)), wanted.get((topic, key)))
                if kind is not None:
                    yield _difference(kind, topic, key, found.get((topic, key)), wanted.get((topic, key)))

    @property
    def threads(self) -> int:
        """How many threads were seen."""
        return len(self._found.keys() | self._wanted.keys())

    @property
    def rows(self) -> int:
        """How many rows should be there."""
        return sum(map(len, self._wanted.values()))


def _digest(content: Any) -> bytes:
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _compared(found: Row | None, wanted: Row | None) -> Kind | None:
    if found is None or wanted is None:
        return "missing" if found is None else "extra"
    if found.sequence != wanted.sequence:
        return "stale" if found.sequence < wanted.sequence else "sequence"
    return None if found.digest == wanted.digest else "differs"


def _difference(kind: Kind, topic: str, key: bytes, found: Row | None, wanted: Row | None) -> Difference:
    return Difference(
        kind,
        topic,
        key.decode(),
        None if found is None else found.sequence,
        None if wanted is None else wanted.sequence,
    )
