"""Idle threads that were forgotten, told in the log once that is committed."""

import logging
from collections.abc import Sequence

from worker.codec.rows import state_key
from worker.model.record import StateRow

log = logging.getLogger(__name__)


class Forgotten:
    """Counts a partition's idle threads that were forgotten one after another.

    Each takes a transaction of its own, and there may be thousands: the log has a line for all that follow each other.
    """

    def __init__(self) -> None:
        self._partition = 0
        self._open = 0
        self._committed = 0

    def see(self, thread_id: str, partition: int, erased: Sequence[StateRow]) -> None:
        """Look at what the open transaction deletes: a thread is gone with its header, the last of its rows."""
        if erased and erased[-1].value is None and erased[-1].key == state_key(thread_id, "h"):
            self._partition = partition
            self._open += 1

    def committed(self) -> None:
        """Count what is committed; tell of it after the last."""
        if not self._open:
            self.tell()
        self._committed += self._open
        self._open = 0

    def forget(self) -> None:
        """Take it that the open transaction is no more."""
        self._open = 0

    def tell(self) -> None:
        """Write what was committed to the log, if anything."""
        if self._committed:
            log.info("idle threads forgotten", extra={"partition": self._partition, "count": self._committed})
        self._committed = 0
