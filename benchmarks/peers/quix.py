"""The job on Quix Streams: state by key in RocksDB with a changelog topic, exactly once."""

import os
from typing import Any

from quixstreams import Application, State
from quixstreams.models import Serializer

from benchmarks.peers.job import Job, Out, ordinal_of

_PRODUCER = {"compression.type": "lz4", "linger.ms": 20, "batch.size": 1_000_000}


class _Value(Serializer):
    """The value of a record to produce."""

    def __call__(self, value: Out, ctx: Any) -> bytes | None:
        return value[2]


def main() -> None:
    """Run until terminated."""
    told = {name.removeprefix("PEER_"): found for name, found in os.environ.items() if name.startswith("PEER_")}
    job = Job()
    quix = Application(
        broker_address=told["SERVERS"],
        consumer_group=told["GROUP"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=float(told["INTERVAL_S"]),
        state_dir=told["STATE"],
        auto_create_topics=True,
        producer_extra_config=_PRODUCER,
        loglevel="WARNING",
    )
    source = quix.topic(told["INPUT"], key_deserializer="bytes", value_deserializer="bytes")
    outputs = {
        name.removeprefix("OUT_").lower(): quix.topic(topic, key_serializer="bytes", value_serializer=_Value())
        for name, topic in told.items()
        if name.startswith("OUT_")
    }

    def fold(value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> list[Out]:
        where = {"topic": source.name, "partition": 0, "offset": 0, "index": 0, "ordinal": None, "timestamp": timestamp}
        out, rows = job.fold(key, value, ordinal_of(headers), where, state.get_bytes)
        for row, found in rows:
            if found is None:
                state.delete(row)
            else:
                state.set_bytes(row, found)
        return out

    frame = quix.dataframe(source)
    frame = frame.apply(fold, stateful=True, metadata=True, expand=True)
    frame.to_topic(lambda value, *_: outputs[value[0]], key=lambda value: value[1])
    quix.run()


if __name__ == "__main__":
    main()
