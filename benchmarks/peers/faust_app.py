"""The job on Faust: a table in RocksDB with a changelog topic, exactly once."""

import os
from typing import Any

import faust

from benchmarks.peers.job import Job, ordinal_of


def made(told: dict[str, str]) -> Any:
    """Return the application."""
    app = faust.App(
        told["GROUP"],
        broker=f"kafka://{told['SERVERS']}",
        store="rocksdb://?driver=rocksdict",
        datadir=told["STATE"],
        processing_guarantee="exactly_once",
        broker_commit_interval=float(told["INTERVAL_S"]),
        consumer_auto_offset_reset="earliest",
        producer_compression_type="lz4",
        producer_linger=0.02,
        producer_max_batch_size=1_000_000,
        topic_partitions=4,
        topic_disable_leader=True,
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
    )
    job = Job()
    source = app.topic(told["INPUT"], key_type=bytes, value_type=bytes, value_serializer="raw")
    outputs = {
        name.removeprefix("OUT_").lower(): app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw")
        for name, topic in told.items()
        if name.startswith("OUT_")
    }
    rows_of = app.Table("rows", key_type=bytes, value_type=bytes, partitions=4)

    @app.agent(source)
    async def fold(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            key = bytes(message.key)
            where = {
                "topic": message.topic,
                "partition": message.partition,
                "offset": message.offset,
                "index": 0,
                "ordinal": None,
                "timestamp": int(message.timestamp * 1000),
            }

            def stored(row: str, key: bytes = key) -> bytes | None:
                found: bytes | None = rows_of.get(b"%s/%s" % (key, row.encode()))
                return found

            out, rows = job.fold(key, event.value, ordinal_of(message.headers), where, stored)
            for row, found in rows:
                name = b"%s/%s" % (key, row.encode())
                if found is None:
                    rows_of.pop(name, None)
                else:
                    rows_of[name] = found
            for projection, name, value, headers in out:
                await outputs[projection].send(key=name, value=value, headers=headers)

    return app


def main() -> None:
    """Run until terminated."""
    told = {name.removeprefix("PEER_"): found for name, found in os.environ.items() if name.startswith("PEER_")}
    faust.Worker(made(told), loglevel="WARN").execute_from_commandline()


if __name__ == "__main__":
    main()
