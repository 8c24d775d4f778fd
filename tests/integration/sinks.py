"""What the tests of the PostgreSQL sink share: sinks as processes, and the tables held against the topics."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
from confluent_kafka import Producer
from psycopg.rows import dict_row

from tests.integration.harness import Deployment, WorkerProcess
from worker import app
from worker.audit import from_scratch
from worker.model.record import InRecord, OutRecord

Rows = dict[tuple[Any, ...], dict[str, Any]]
Headers = Sequence[tuple[str, bytes]]

_KEYS = {
    "thread_items": ("thread_id", "turn_id", "item_key"),
    "thread_turns": ("thread_id", "turn_id"),
    "thread_lifecycle": ("thread_id", "lifecycle_ordinal"),
    "threads": ("thread_id",),
}


def content(dsn: str) -> dict[str, Rows]:
    """Return all rows of the tables, by table and primary key, as one snapshot."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return {
            table: {
                tuple(row[column] for column in key): row
                for row in connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            }
            for table, key in _KEYS.items()
        }


def wanted(records: Iterable[OutRecord | InRecord], decode: Callable[[bytes], Any]) -> dict[str, Rows]:
    """Return the rows that the tables must have: those of the last value of each key, written down field by field."""
    last: dict[tuple[str, bytes | None], bytes | None] = {}
    for record in records:
        last[record.topic, record.key] = record.value
    tables: dict[str, Rows] = {table: {} for table in _KEYS}
    for data in last.values():
        if data is not None:
            mutation = decode(data)
            table, row = _row(mutation)
            row |= _common(mutation)
            tables[table][tuple(row[column] for column in _KEYS[table])] = row
    return tables


def _row(mutation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if "materializedThreadItem" in mutation:
        return "thread_items", _item(mutation)
    if "mutation" in mutation:
        return "thread_turns", _turn(mutation)
    if "asOfSequence" in mutation:
        return "threads", _thread(mutation)
    row = {
        "lifecycle_ordinal": mutation["lifecycleOrdinal"],
        "event_type": mutation["eventType"],
        "turn_id": mutation["turnId"],
        "payload": without_nul(mutation["payload"]),
    }
    return "thread_lifecycle", row


def _item(mutation: dict[str, Any]) -> dict[str, Any]:
    return {
        "turn_id": mutation["turnId"],
        "item_key": mutation["itemKey"],
        "turn_ordinal": mutation["turnOrdinal"],
        "item_position": mutation["itemPosition"],
        "item_ordinal": mutation["itemOrdinal"],
        "item_type": mutation["itemType"],
        "is_open": mutation["isOpen"],
        "inherited": mutation["inherited"],
        "origin_thread_id": mutation.get("originThreadId"),
        "created_at_ms": mutation["createdAtMs"],
        "updated_at_ms": mutation["updatedAtMs"],
        "original_bytes": mutation.get("originalBytes"),
        "item": without_nul(mutation["materializedThreadItem"]),
    }


def _turn(mutation: dict[str, Any]) -> dict[str, Any]:
    summary = mutation["mutation"]
    return {
        "turn_id": mutation["turnId"],
        "turn_ordinal": mutation["turnOrdinal"],
        "status": summary["status"],
        "started_at": summary["startedAt"],
        "completed_at": summary["completedAt"],
        "duration_ms": summary["durationMs"],
        "error": without_nul(summary["error"]),
        "summary_items": without_nul(summary["summaryItems"]),
        "inherited": mutation["inherited"],
        "origin_thread_id": mutation.get("originThreadId"),
    }


def _thread(mutation: dict[str, Any]) -> dict[str, Any]:
    return {
        "parent_thread_id": mutation["parentThreadId"],
        "forked_from_id": mutation["forkedFromId"],
        "kind": mutation["kind"],
        "history_mode": mutation["historyMode"],
        "cwd": mutation["cwd"],
        "model": mutation["model"],
        "cli_version": mutation["cliVersion"],
        "git": mutation["git"],
        "title": without_nul(mutation["title"]),
        "name": without_nul(mutation["name"]),
        "created_at_ms": mutation["createdAtMs"],
        "last_activity_at_ms": mutation["lastActivityAtMs"],
        "turns": mutation["turns"],
        "inherited_turns": mutation["inheritedTurns"],
        "rolled_back_turns": mutation["rolledBackTurns"],
        "last_turn_status": mutation["lastTurnStatus"],
        "items": mutation["items"],
        "inherited_items": mutation["inheritedItems"],
        "open_items": mutation["openItems"],
        "tokens_used": mutation["tokensUsed"],
        "parked": mutation["parked"],
    }


def _common(mutation: dict[str, Any]) -> dict[str, Any]:
    source = mutation["source"]
    sequences = (
        {"sequence": mutation["asOfSequence"]}
        if "asOfSequence" in mutation
        else {"sequence": mutation["sequence"], "topic_sequence": mutation["topicSequence"]}
    )
    return sequences | {
        "thread_id": mutation["threadId"],
        "generation": mutation["generation"],
        "source_topic": source["topic"],
        "source_partition": source["partition"],
        "source_offset": source["offset"],
        "source_index": source["index"],
        "source_ordinal": source["ordinal"],
        "source_timestamp_ms": source["timestamp"],
        "schema_version": mutation["schemaVersion"],
        "reducer_version": mutation["reducerVersion"],
    }


def without_nul(found: Any) -> Any:
    """Return a value with what jsonb cannot hold replaced."""
    match found:
        case str():
            return found.replace("\0", "\ufffd")
        case list():
            return [without_nul(one) for one in found]
        case dict():
            return {without_nul(name): without_nul(one) for name, one in found.items()}
        case _:
            return found


def differences(found: dict[str, Rows], right: dict[str, Rows]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the tables and keys of rows that are not as they must be: missing, extra, or with other content."""
    return [
        (table, key)
        for table in _KEYS
        for key in sorted(found[table].keys() | right[table].keys())
        if found[table].get(key) != right[table].get(key)
    ]


class Sinks:
    """Sinks of a deployment's topics into one database."""

    def __init__(self, deployment: Deployment, dsn: str) -> None:
        self.dsn = dsn
        self._deployment = deployment
        self._processes: list[WorkerProcess] = []

    def start(self, *flags: str, **more: object) -> WorkerProcess:
        """Start a sink."""
        environment = self._deployment.environment(SINK__DSN=self.dsn, **more)
        started = WorkerProcess(environment, "sink", "postgres", *flags)
        self._processes.append(started)
        return started

    def once(self, *flags: str, **more: object) -> int:
        """Run a sink until it has read what is there now; return how many mutations it read."""
        process = self.start("--once", *flags, **more)
        assert process.wait(60) == 0, process.said()
        (stopped,) = process.told("sink stopped")
        read: int = stopped["mutations"]
        return read

    def differing(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Hold the tables against a reduction of the input from scratch."""
        settings = self._deployment.settings
        scratch = from_scratch(
            self._deployment.input(), app.task_maker(settings, partitions=settings.topics.partitions)
        )
        topics = self._deployment.names.projections.values()
        mutations = (record for place, records in scratch.items() if place[0] in topics for record in records)
        right = wanted(mutations, app.value_decoder(settings))
        indexed = "thread" in self._deployment.names.projections
        assert all(rows or (table == "threads" and not indexed) for table, rows in right.items()), "there is something"
        return differences(content(self.dsn), right)

    def offsets(self) -> dict[tuple[str, int], int]:
        """Return how far the tables have come."""
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute("SELECT topic, partition, next_offset FROM thread_progress").fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    def said(self) -> str:
        """Return what all sinks logged."""
        return "\n".join(process.said() for process in self._processes)

    def close(self) -> None:
        """Kill those that still run."""
        for process in self._processes:
            process.close()


def produce(
    deployment: Deployment, topic: str, key: bytes, data: bytes | None, *, headers: Headers = (), partition: int = -1
) -> None:
    """Send a record of our own making and wait until the broker has it."""
    servers = deployment.settings.kafka.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    producer.produce(topic, data, key, partition, headers=list(headers))
    assert producer.flush(30) == 0


def forget(deployment: Deployment, thread_ids: Iterable[str]) -> None:
    """Ask for threads to be forgotten."""
    for thread_id in thread_ids:
        produce(deployment, deployment.names.input, thread_id.encode(), None)
