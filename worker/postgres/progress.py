"""How far each partition was read: rows of thread_progress, moved in the transactions that write what was read.

Whoever writes locks the rows of its partitions first and compares: so of two processes that believe to own one, only
one at a time goes on, and the other notices.
"""

from collections.abc import Collection, Mapping
from typing import Any

from worker.model.value import value
from worker.postgres.session import Connection

Place = tuple[str, int]

_MAKE = """
    INSERT INTO thread_progress (topic, partition, topic_id, next_offset)
    SELECT topic, partition, topic_id, 0
    FROM unnest(%s::text[], %s::integer[], %s::text[]) AS new (topic, partition, topic_id)
    ON CONFLICT DO NOTHING
"""
_FETCH = """
    SELECT topic, partition, next_offset FROM thread_progress
    JOIN unnest(%s::text[], %s::integer[]) AS wanted (topic, partition) USING (topic, partition)
"""
# In one order everywhere, so that two processes never wait for one another.
_LOCK = """
    SELECT topic, partition, next_offset FROM thread_progress
    JOIN unnest(%s::text[], %s::integer[]) AS wanted (topic, partition) USING (topic, partition)
    ORDER BY topic, partition FOR UPDATE OF thread_progress
"""
_MOVE = """
    UPDATE thread_progress AS known SET next_offset = moved.next_offset, read_at = now()
    FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS moved (topic, partition, next_offset)
    WHERE known.topic = moved.topic AND known.partition = moved.partition
"""
_TOUCH = """
    UPDATE thread_progress AS known SET read_at = now()
    FROM unnest(%s::text[], %s::integer[]) AS wanted (topic, partition)
    WHERE known.topic = wanted.topic AND known.partition = wanted.partition
"""
_KNOWN = """
    SELECT topic, partition, topic_id, next_offset, extract(epoch FROM now() - read_at)::float8
    FROM thread_progress WHERE topic = ANY (%s)
"""


@value
class Known:
    """What there is of a partition.

    Attributes:
        topic_id: Kafka's id of the topic it was read from.
        away_s: seconds since it was last read.
    """

    place: Place
    topic_id: str
    offset: int
    away_s: float


def fetched(connection: Connection, places: Collection[Place], topic_ids: Mapping[str, str]) -> dict[Place, int]:
    """Return the next offset of each partition; new ones begin at 0."""
    connection.execute(_MAKE, [*_columns(places), [topic_ids[topic] for topic, _ in places]])
    return _by_place(connection.execute(_FETCH, _columns(places)).fetchall())


def locked(connection: Connection, places: Collection[Place]) -> dict[Place, int]:
    """Return the next offset of each partition there is, theirs to move for this transaction alone."""
    return _by_place(connection.execute(_LOCK, _columns(places)).fetchall())


def move(connection: Connection, offsets: Mapping[Place, int]) -> None:
    """Set the next offset of each partition."""
    connection.execute(_MOVE, [*_columns(offsets), list(offsets.values())])


def touch(connection: Connection, places: Collection[Place]) -> None:
    """Note that partitions are read to their ends now."""
    connection.execute(_TOUCH, _columns(places))


def known(connection: Connection, topics: Collection[str]) -> list[Known]:
    """Return what there is of some topics' partitions."""
    rows = connection.execute(_KNOWN, [list(topics)]).fetchall()
    return [Known((topic, partition), *rest) for topic, partition, *rest in rows]


def _columns(places: Collection[Place]) -> list[list[str] | list[int]]:
    return [[topic for topic, _ in places], [partition for _, partition in places]]


def _by_place(rows: list[tuple[Any, ...]]) -> dict[Place, int]:
    return {(topic, partition): offset for topic, partition, offset in rows}
