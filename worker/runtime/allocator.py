"""The C library's allocator: what was freed goes back to the system.

glibc keeps a heap for each of many threads and returns memory only from a heap's end. Threads that are read, kept and
dropped again leave holes between the pages that stay, and after a while a third of the process' memory is holes.
"""

import ctypes
from collections.abc import Callable
from typing import Any

# How often holes are given back, at most; it takes about 10 ms.
TRIM_EVERY_S = 10.0
# Heaps: one for the loop, one for the Kafka client's threads.
_ARENAS = 2
_M_ARENA_MAX = -8  # malloc.h


class Allocator:
    """Keeps the allocator's heaps few, and small. Does nothing where the C library is not glibc.

    Args:
        now: seconds of a clock that never goes back.
        library: the C library; None takes the process' own.
    """

    def __init__(self, now: Callable[[], float], library: Any = None) -> None:
        self._now = now
        self._library = ctypes.CDLL(None) if library is None else library
        self._trims = hasattr(self._library, "malloc_trim")
        self._due_at = now() + TRIM_EVERY_S
        if self._trims:
            # Before other threads begin, or each takes a heap of its own.
            self._library.mallopt(_M_ARENA_MAX, _ARENAS)

    def trim(self) -> None:
        """Give what is free back to the system, if it is time."""
        now = self._now()
        if self._trims and now >= self._due_at:
            self._library.malloc_trim(0)
            self._due_at = now + TRIM_EVERY_S
