"""Cost of a mutation's value in each encoding: made, and read back.

    python -m benchmarks.encode [--rounds 7] [--json]

The mutations are those of made-up threads (`benchmarks.threads`): most are items. The figure of each encoding is the
median of the rounds, in processor time.
"""

import argparse
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from benchmarks.reduce import SHORT, records
from worker.app import task_maker
from worker.codec.avro import by_fastavro, confluent_framed, single_objects
from worker.codec.frames import single_object_header
from worker.codec.mutations import Encoder, JsonEncoder
from worker.codec.schemas import MUTATIONS, schema
from worker.codec.values import ValueDecoder
from worker.config import Settings
from worker.model.mutation import Mutation

EVENTS = 5_000

T = TypeVar("T")


class _Keeping:
    """Keeps mutations instead of encoding them."""

    def __init__(self) -> None:
        self.found: list[Mutation] = []

    def encode(self, mutation: Mutation) -> bytes:
        """Keep it."""
        self.found.append(mutation)
        return b""


class _ByFastavro:
    """Single objects as fastavro writes them, to compare with."""

    def __init__(self) -> None:
        self._kinds = {name: (single_object_header(schema(name)), by_fastavro(schema(name))) for name in MUTATIONS}

    def encode(self, mutation: Mutation) -> bytes:
        """Return the value."""
        header, write = self._kinds[mutation.projection]
        return header + write(mutation.value)


def mutations() -> list[Mutation]:
    """Return the mutations of the first events."""
    keeping = _Keeping()
    task_maker(Settings(), values=keeping)(0).process(records(SHORT)[:EVENTS])
    return keeping.found


def _us(work: Callable[[T], object], inputs: Sequence[T]) -> float:
    gc.collect()
    began = time.process_time()
    for one in inputs:
        work(one)
    return (time.process_time() - began) / len(inputs) * 1e6


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = mutations()
    schemas = {name: schema(name) for name in MUTATIONS}
    ids = dict(zip(schemas, range(1, 4), strict=True))
    texts = {ids[name]: known.text for name, known in schemas.items()}
    decode = ValueDecoder(texts.__getitem__).decode
    encoders: dict[str, Encoder] = {
        "avro": single_objects(schemas),
        "avro-registry": confluent_framed(schemas, ids),
        "json": JsonEncoder(),
        "avro by fastavro": _ByFastavro(),
    }
    report: dict[str, object] = {"mutations": len(found)}
    values = {name: [encoder.encode(mutation) for mutation in found] for name, encoder in encoders.items()}
    times: dict[tuple[str, str], list[float]] = {(name, what): [] for name in encoders for what in ("encode", "decode")}
    for _ in range(args.rounds):
        for name, encoder in encoders.items():
            times[name, "encode"].append(_us(encoder.encode, found))
            times[name, "decode"].append(_us(decode, values[name]))
    for name in encoders:
        report[f"{name} bytes"] = round(statistics.mean(map(len, values[name])))
        for what in ("encode", "decode"):
            report[f"{name} {what}_us"] = round(statistics.median(times[name, what]), 2)
    report |= {"load": os.getloadavg()[0], "python": platform.python_version()}
    if args.json:
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for name, figure in report.items():
        sys.stdout.write(f"{name:>28}  {figure}\n")


if __name__ == "__main__":
    main()
