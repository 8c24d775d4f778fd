"""The tables: which column shows which field of a mutation. Their definition is in sql/."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any
from urllib.parse import unquote

from worker.model.value import value
from worker.postgres.storable import is_plain, stored_id, stored_json, stored_text

Row = tuple[Any, ...]

# Last in every table, in this order, behind what tells versions of a row apart.
COMMON = (
    *("source_topic", "source_partition", "source_offset", "source_index", "source_ordinal", "source_timestamp_ms"),
    *("schema_version", "reducer_version"),
)
_SOURCE_FIELDS = itemgetter("topic", "partition", "offset", "index", "ordinal", "timestamp")
_VERSION_FIELDS = itemgetter("schemaVersion", "reducerVersion")


# Columns that hold JSON.
JSON_COLUMNS = frozenset({"item", "error", "summary_items", "payload", "git", "items", "tokens_used"})


@value
class Table:
    """A topic's rows.

    Attributes:
        key: the columns that the parts of a record's key go to, in order; those are the primary key.
        numbered: the last of them is a number.
        own: the columns between the key and the common ones.
        fields: returns the values of `own`.
        removes: tells of a mutation that its row is gone.
        version: the columns that order the versions of a row, generation and sequence first.
        versions: returns their values.
        is_latest: of two of one version the later record counts.
    """

    name: str
    key: tuple[str, ...]
    own: tuple[str, ...]
    fields: Callable[[dict[str, Any]], Row]
    removes: Callable[[dict[str, Any]], bool]
    numbered: bool = False
    version: tuple[str, ...] = ("generation", "sequence", "topic_sequence")
    versions: Callable[[dict[str, Any]], Row] = itemgetter("generation", "sequence", "topicSequence")
    is_latest: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order of `row`."""
        return (*self.key, *self.own, *self.version, *COMMON)

    def key_of(self, key: bytes) -> Row:
        """Return the primary key that a record's key stands for.

        Raises:
            ValueError: it is none of this topic.
        """
        text = key.decode()
        parts = text.split("/")
        if len(parts) != len(self.key):
            raise ValueError(f"a key has {len(parts)} parts, not {len(self.key)}")
        if not is_plain(text):
            parts = [stored_id(unquote(part) if "%" in part else part) for part in parts]
        return (*parts[:-1], int(parts[-1])) if self.numbered else tuple(parts)

    def row(self, key: bytes, mutation: dict[str, Any]) -> Row:
        """Return a mutation as a row.

        Raises:
            ValueError, KeyError, TypeError: it is no mutation of this topic.
        """
        return (
            *self.key_of(key),
            *self.fields(mutation),
            *self.versions(mutation),
            *_SOURCE_FIELDS(mutation["source"]),
            *_VERSION_FIELDS(mutation),
        )


def _item(mutation: dict[str, Any]) -> Row:
    return (
        *_ITEM_FIELDS(mutation),
        mutation.get("originalBytes"),
        stored_json(mutation["materializedThreadItem"]),
        _origin(mutation),
    )


def _origin(mutation: dict[str, Any]) -> str | None:
    origin = mutation.get("originThreadId")
    return None if origin is None else stored_id(origin)


_ITEM_FIELDS = itemgetter(
    *("turnOrdinal", "itemPosition", "itemOrdinal", "itemType", "isOpen", "inherited", "createdAtMs", "updatedAtMs")
)


def _turn(mutation: dict[str, Any]) -> Row:
    summary = mutation["mutation"]
    error = summary["error"]
    return (
        mutation["turnOrdinal"],
        *_SUMMARY_FIELDS(summary),
        None if error is None else stored_json(error),
        stored_json(summary["summaryItems"]),
        mutation["inherited"],
        _origin(mutation),
    )


_SUMMARY_FIELDS = itemgetter("status", "startedAt", "completedAt", "durationMs")


def _event(mutation: dict[str, Any]) -> Row:
    turn_id = mutation["turnId"]
    return (
        mutation["eventType"],
        None if turn_id is None else stored_id(turn_id),
        stored_json(mutation["payload"]),
    )


def _thread(mutation: dict[str, Any]) -> Row:
    ids = (mutation[name] for name in ("parentThreadId", "forkedFromId"))
    texts = (mutation[name] for name in ("cwd", "model", "cliVersion", "title", "name"))
    return (
        *(None if found is None else stored_id(found) for found in ids),
        *(None if text is None else stored_text(text) for text in texts),
        *_THREAD_FIELDS(mutation),
        *(None if mutation[name] is None else stored_json(mutation[name]) for name in ("git", "items", "tokensUsed")),
    )


_THREAD_FIELDS = itemgetter(
    *("kind", "historyMode", "createdAtMs", "lastActivityAtMs", "turns", "inheritedTurns", "rolledBackTurns"),
    *("lastTurnStatus", "inheritedItems", "openItems", "parked"),
)


# By the projection whose topic they show.
TABLES = {
    "thread_item": Table(
        name="thread_items",
        key=("thread_id", "turn_id", "item_key"),
        own=(
            *("turn_ordinal", "item_position", "item_ordinal", "item_type", "is_open", "inherited"),
            *("created_at_ms", "updated_at_ms", "original_bytes", "item", "origin_thread_id"),
        ),
        fields=_item,
        removes=lambda mutation: mutation["mutationKind"] == "tombstone",
    ),
    "turn_summary": Table(
        name="thread_turns",
        key=("thread_id", "turn_id"),
        own=(
            *("turn_ordinal", "status", "started_at", "completed_at", "duration_ms"),
            *("error", "summary_items", "inherited", "origin_thread_id"),
        ),
        fields=_turn,
        removes=lambda mutation: bool(mutation["removed"]),
    ),
    "lifecycle": Table(
        name="thread_lifecycle",
        key=("thread_id", "lifecycle_ordinal"),
        own=("event_type", "turn_id", "payload"),
        fields=_event,
        removes=lambda _mutation: False,
        numbered=True,
    ),
    "thread": Table(
        name="threads",
        key=("thread_id",),
        own=(
            *("parent_thread_id", "forked_from_id", "cwd", "model", "cli_version", "title", "name"),
            *("kind", "history_mode", "created_at_ms", "last_activity_at_ms"),
            *("turns", "inherited_turns", "rolled_back_turns", "last_turn_status"),
            *("inherited_items", "open_items", "parked", "git", "items", "tokens_used"),
        ),
        fields=_thread,
        removes=lambda _mutation: False,
        version=("generation", "sequence"),
        versions=itemgetter("generation", "asOfSequence"),
        is_latest=True,
    ),
}
