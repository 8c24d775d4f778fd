"""This project's reducer and projections as a library over somebody else's store of rows.

Imports nothing of the Kafka client, whose version the peers choose.
"""

from collections.abc import Callable
from typing import Any

from worker.codec.avro import single_objects
from worker.codec.lines import LineDecoder
from worker.codec.mutations import headers
from worker.codec.rows import decode_row, encode_row
from worker.codec.schemas import schema
from worker.config import PROJECTIONS as DEFAULT
from worker.model.record import Headers
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.projections.table import PROJECTIONS
from worker.runtime.append import Appends

Out = tuple[str, bytes, bytes | None, Headers]
Rows = list[tuple[str, bytes | None]]
ORDINAL = "rollout-ordinal"


class Job:
    """Folds one record at a time, as a peer's processor is called."""

    def __init__(self) -> None:
        pipeline = Pipeline([PROJECTIONS[name] for name in DEFAULT], redact=True)
        self._appends = Appends(LineDecoder(), pipeline)
        self._encoder = single_objects({name: schema(name) for name in DEFAULT})

    def fold(
        self,
        key: bytes,
        value: bytes,
        ordinal: int | None,
        source: dict[str, Any],
        stored: Callable[[str], bytes | None],
    ) -> tuple[list[Out], Rows]:
        """Fold a record into its thread.

        Args:
            source: where it came from.
            stored: returns a row of the thread by its name, None if there is none.

        Returns:
            Records to produce (projection, key, value, headers), and the thread's rows to write, None to delete one.
        """

        def load(row: str) -> Any:
            data = stored(row)
            return None if data is None else decode_row(row, data)

        thread = Thread(key.decode(), load)
        if thread.is_new:
            thread.header.generation = source["offset"]
        mutations, _ = self._appends.take(thread, value, ordinal, source)
        out: list[Out] = []
        for mutation in mutations:
            heads, name = headers(mutation), mutation.key.encode()
            out.append((mutation.projection, name, self._encoder.encode(mutation), heads))
            if mutation.removes:
                out.append((mutation.projection, name, None, heads))
        rows = [(row, None if found is None else encode_row(row, found)) for row, found in thread.changes()]
        return out, rows


def ordinal_of(headers_found: Any) -> int | None:
    """Return what a record's header says of its place in its thread."""
    for name, found in headers_found or ():
        if name == ORDINAL:
            return int(found)
    return None
