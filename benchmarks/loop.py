"""Records per second of one worker process beside a null loop, on a real broker, in one run.

    python -m benchmarks.loop [--rounds 3] [--threads 400] [--lines 200] [--json]

Each round runs a worker over the whole input under a group of its own, then the null loop (`benchmarks.null_loop`)
over the same input with the same outputs. The rate is taken between the first and the last commit seen.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import confluent_kafka
import orjson

from benchmarks.threads import lines, thread_id
from worker import app
from worker.config import Settings, load
from worker.errors import RetryError
from worker.kafka.group import GroupProgress
from worker.kafka.publisher import Publisher
from worker.kafka.topics import Topics, wanted
from worker.localbroker.cluster import LocalCluster

PARTITIONS = 4
_ROUND_S = 300.0


def settings(servers: str, group: str, prefix: str) -> Settings:
    """Return default settings under names of their own."""
    topics = {"prefix": prefix, "partitions": PARTITIONS}
    return load(None, {"kafka": {"bootstrap_servers": servers}, "group": group, "topics": topics})


def made(servers: str, group: str, prefix: str) -> Settings:
    """Return settings whose topics exist."""
    found = settings(servers, group, prefix)
    Topics(found.kafka).create(wanted(app.topic_names(found)), found.topics)
    return found


def fill(found: Settings, threads: int, length: int) -> int:
    """Publish made-up threads, interleaved; return how many bytes."""
    size = 0
    topic = app.topic_names(found).input
    limit = Topics(found.kafka).record_bytes_max(topic)
    with Publisher(found.kafka, topic, record_bytes_max=limit) as publisher:
        for start in range(0, threads, 50):
            some = [(thread_id(number).encode(), list(lines(length, number))) for number in range(start, start + 50)]
            for ordinal in range(length):
                for key, texts in some:
                    size += len(texts[ordinal])
                    while not publisher.send(key, ordinal, texts[ordinal]):
                        pass
        publisher.flush()
    return size


def rate(found: Settings, command: list[str], records: int, topic: str, state: str) -> tuple[float, float]:
    """Run a program until its group has consumed all records.

    Returns:
        Records per second between the first and the last commit seen, and processor seconds of the program.
    """
    variables = {
        "THW_KAFKA__BOOTSTRAP_SERVERS": found.kafka.bootstrap_servers,
        "THW_GROUP": found.group,
        "THW_TOPICS__PREFIX": found.topics.prefix,
        "THW_LOG_LEVEL": "WARNING",
        "THW_STORE__FOLDER": state,
    }
    progress = GroupProgress(found.kafka, found.group, topic, PARTITIONS)
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, **variables})
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + _ROUND_S
    before = os.times()
    while not seen or seen[-1][1] > 0:
        lag, now = _lag(progress), time.monotonic()
        if lag is not None and lag < records and (not seen or lag != seen[-1][1]):
            seen.append((now, lag))
        if now > deadline or (process.poll() and process.returncode):
            raise SystemExit(f"{command} did not get through, exit code {process.poll()}")
        time.sleep(0.02)
    process.terminate()
    process.wait()
    after = os.times()
    (first_at, first), (last_at, last) = seen[0], seen[-1]
    return (first - last) / (last_at - first_at), after.children_user - before.children_user


def _lag(progress: GroupProgress) -> int | None:
    try:
        return progress.lag()
    except RetryError:
        return None


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=400)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    made_cluster = LocalCluster(java_options=["-XX:TieredStopAtLevel=4"])
    with made_cluster as cluster, tempfile.TemporaryDirectory() as folder:
        report = _measured(cluster.bootstrap_servers, folder, args)
    if args.json:
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for name, found in report.items():
        sys.stdout.write(f"{name:>24}  {found}\n")


def _measured(servers: str, folder: str, args: Any) -> dict[str, Any]:
    records = args.threads * args.lines
    base = made(servers, "bench-0", "bench.")
    topic = app.topic_names(base).input
    size = fill(base, args.threads, args.lines)
    workers, nulls = [], []
    for number in range(args.rounds):
        state = f"{folder}/{number}"
        worker = made(servers, f"bench-{number}", "bench.")
        workers.append(rate(worker, ["-m", "worker", "run"], records, topic, state))
        if number == 0:
            # The outputs of one round are what the null loop writes in each.
            made(servers, "null-0", "null.")
        null = made(servers, f"null-{number}", "bench.")
        nulls.append(rate(null, ["-m", "benchmarks.null_loop", "bench-0", "null."], records, topic, state))
        sys.stderr.write(f"round {number + 1} of {args.rounds}: {workers[-1][0]:.0f}/s, null {nulls[-1][0]:.0f}/s\n")
    return {
        "records": records,
        "record_bytes": round(size / records),
        "worker_records_per_s": round(statistics.median(found for found, _ in workers)),
        "null_records_per_s": round(statistics.median(found for found, _ in nulls)),
        "null_ratio": round(
            statistics.median(one / other for (one, _), (other, _) in zip(workers, nulls, strict=True)), 3
        ),
        "worker_cpu_us": round(statistics.median(cpu for _, cpu in workers) / records * 1e6, 1),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "librdkafka": confluent_kafka.libversion()[0],
    }


if __name__ == "__main__":
    main()
