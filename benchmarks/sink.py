"""Mutations per second of `sink postgres` beside a bare upsert loop, on a real broker and database, in one run.

    python -m benchmarks.sink [--rounds 3] [--threads 300] [--lines 300] [--json]

Each round runs a sink over all mutations into an empty database; then, into another, the bare loop: the very same rows,
made ready beforehand, copied and upserted in batches of as many mutations, without Kafka, decoding, versions or
offsets. The sink's rate is taken between the first and the last commit seen.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from typing import Any

import confluent_kafka
import orjson
import psycopg

from benchmarks.rig import PARTITIONS
from benchmarks.threads import lines, thread_id
from tests.integration.postgres import MISSING, PostgresServer, binaries
from worker import app
from worker.audit import from_scratch
from worker.config import Settings, load
from worker.kafka.topics import Topics, wanted
from worker.localbroker.cluster import LocalCluster
from worker.model.murmur2 import partition_of
from worker.model.record import InRecord, OutRecord
from worker.postgres.changes import Changes, changes
from worker.postgres.migrations import migrate
from worker.postgres.session import Session
from worker.postgres.tables import TABLES, Table

_ROUND_S = 300.0

Batch = list[tuple[Table, Changes]]


def made(servers: str, group: str, prefix: str) -> Settings:
    """Return settings whose topics exist."""
    topics = {"prefix": prefix, "partitions": PARTITIONS}
    found = load(None, {"kafka": {"bootstrap_servers": servers}, "group": group, "topics": topics})
    Topics(found.kafka).create(wanted(app.topic_names(found)), found.topics)
    return found


def mutations(found: Settings, threads: int, length: int) -> list[tuple[int, OutRecord]]:
    """Return what a worker publishes of made-up threads, interleaved, each with its partition."""
    names = app.topic_names(found)
    records: list[InRecord] = []
    texts = [(thread_id(number).encode(), list(lines(length, number))) for number in range(threads)]
    for ordinal in range(length):
        for key, some in texts:
            place = partition_of(key, PARTITIONS)
            records.append(InRecord(names.input, place, len(records), key, some[ordinal], [], 0))
    out = from_scratch(records, app.task_maker(found, partitions=PARTITIONS))
    columns = [[(partition, one) for one in some] for (_, partition), some in out.items()]
    return [one for row in zip_longest(*columns) for one in row if one is not None]


def publish(found: Settings, records: list[tuple[int, OutRecord]]) -> None:
    """Put mutations where a worker would."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": found.kafka.bootstrap_servers, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000}
    )
    for partition, one in records:
        headers: Any = one.headers
        producer.produce(one.topic, one.value, one.key, partition, headers=headers)
        producer.poll(0)
    assert producer.flush(60) == 0


def sunk(found: Settings, dsn: str, count: int) -> tuple[float, float]:
    """Run a sink over all mutations.

    Returns:
        Mutations per second between the first and the last commit seen, and processor seconds of the sink.
    """
    variables = {
        "THW_KAFKA__BOOTSTRAP_SERVERS": found.kafka.bootstrap_servers,
        "THW_TOPICS__PREFIX": found.topics.prefix,
        "THW_LOG_LEVEL": "WARNING",
        "THW_SINK__DSN": dsn,
    }
    with closing(Session(dsn)) as session:
        migrate(session)
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + _ROUND_S
    before = os.times()
    process = subprocess.Popen([sys.executable, "-m", "worker", "sink", "postgres"], env={**os.environ, **variables})
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not seen or seen[-1][1] < count:
            (total,) = (
                connection.execute("SELECT coalesce(sum(next_offset), 0)::bigint FROM thread_progress").fetchone() or ()
            )
            if total and (not seen or total != seen[-1][1]):
                seen.append((time.monotonic(), total))
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"the sink did not get through, exit code {process.poll()}")
            time.sleep(0.02)
    process.terminate()
    process.wait()
    (first_at, first), (last_at, last) = seen[0], seen[-1]
    return (last - first) / (last_at - first_at), os.times().children_user - before.children_user


def batches(found: Settings, records: list[tuple[int, OutRecord]]) -> Iterator[Batch]:
    """Yield the rows of so many mutations as a sink takes at a time, of each row the last."""
    size = found.sink.batch_records_max
    names = {topic: TABLES[name] for name, topic in app.topic_names(found).projections.items()}
    decode = app.value_decoder(found)
    for start in range(0, len(records), size):
        batch = []
        for topic, table in names.items():
            some = [
                InRecord(topic, partition, 0, one.key, one.value, one.headers, None)
                for partition, one in records[start : start + size]
                if one.topic == topic
            ]
            batch.append((table, changes(table, some, decode)))
        yield batch


def bare(dsn: str, work: list[Batch], count: int) -> float:
    """Write rows and do nothing else; return mutations per second."""
    with closing(Session(dsn)) as session:
        migrate(session)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES.values():
            connection.execute(
                f"CREATE TEMP TABLE bare_{table.name} (LIKE {table.name}) ON COMMIT DELETE ROWS".encode()
            )
        began = time.monotonic()
        for batch in work:
            with connection.transaction(), connection.cursor() as cursor:
                for table, found in batch:
                    with cursor.copy(
                        f"COPY bare_{table.name} ({', '.join(table.columns)}) FROM STDIN".encode()
                    ) as copy:
                        for row in found.rows:
                            copy.write_row(row)
                    cursor.execute(_upsert(table))
        return count / (time.monotonic() - began)


def _upsert(table: Table) -> bytes:
    columns, key = ", ".join(table.columns), ", ".join(table.key)
    assigned = ", ".join(f"{column} = excluded.{column}" for column in table.columns[len(table.key) :])
    return (
        f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM bare_{table.name} "  # noqa: S608 (ours)
        f"ON CONFLICT ({key}) DO UPDATE SET {assigned}"
    ).encode()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=300)
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder = binaries()
    if folder is None:
        raise SystemExit(MISSING)
    with LocalCluster(java_options=["-XX:TieredStopAtLevel=4"]) as cluster, PostgresServer(folder) as postgres:
        report = _measured(cluster.bootstrap_servers, postgres, args)
    if args.json:
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for name, found in report.items():
        sys.stdout.write(f"{name:>24}  {found}\n")


def _measured(servers: str, postgres: PostgresServer, args: Any) -> dict[str, Any]:
    found = made(servers, "bench", "bench.")
    records = mutations(found, args.threads, args.lines)
    publish(found, records)
    work = list(batches(found, records))
    count = len(records)
    rows = sum(len(some.rows) for batch in work for _, some in batch)
    sinks, bares = [], []
    for number in range(args.rounds):
        sinks.append(sunk(found, postgres.database(f"sink_{number}"), count))
        bares.append(bare(postgres.database(f"bare_{number}"), work, count))
        sys.stderr.write(f"round {number + 1} of {args.rounds}: {sinks[-1][0]:.0f}/s, bare {bares[-1]:.0f}/s\n")
    return {
        "mutations": count,
        "mutation_bytes": round(sum(len(one.value or b"") for _, one in records) / count),
        "rows_in_batches": rows,
        "sink_mutations_per_s": round(statistics.median(rate for rate, _ in sinks)),
        "bare_mutations_per_s": round(statistics.median(bares)),
        "bare_rows_per_s": round(statistics.median(bares) * rows / count),
        "bare_ratio": round(statistics.median(one / other for (one, _), other in zip(sinks, bares, strict=True)), 3),
        "sink_cpu_us": round(statistics.median(cpu for _, cpu in sinks) / count * 1e6, 1),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "postgres": postgres.version,
    }


if __name__ == "__main__":
    main()
