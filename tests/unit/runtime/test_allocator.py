"""G4: what was freed goes back to the system."""

import ctypes
from pathlib import Path

import pytest

from worker.runtime.allocator import TRIM_EVERY_S, Allocator

_BLOCK = 1_000
_BLOCKS = 60_000


class _Library:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def mallopt(self, *how: int) -> None:
        self.asked.append(how)

    def malloc_trim(self, *how: int) -> None:
        self.asked.append(how)


def test_it_trims_when_it_is_time_and_not_before() -> None:
    now, library = [5.0], _Library()
    allocator = Allocator(lambda: now[0], library)
    library.asked.clear()
    found = []
    for at in (5.0, 4.9 + TRIM_EVERY_S, 5.0 + TRIM_EVERY_S, 6.0 + TRIM_EVERY_S, 5.0 + 2 * TRIM_EVERY_S):
        now[0] = at
        allocator.trim()
        found.append(len(library.asked))
    assert found == [0, 0, 1, 1, 2]


def test_another_c_library_is_left_alone() -> None:
    allocator = Allocator(iter([0.0, TRIM_EVERY_S + 1]).__next__, object())
    allocator.trim()


def test_holes_between_what_stays_are_given_back() -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        pytest.skip("the C library is not glibc")
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    now = [0.0]
    allocator = Allocator(lambda: now[0])
    blocks = [library.malloc(_BLOCK) for _ in range(_BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, _BLOCK)
    kept = blocks[::50]
    for at, block in enumerate(blocks):
        if at % 50:
            library.free(block)
    before = _anonymous_kb()
    allocator.trim()
    assert before - _anonymous_kb() < _BLOCK * _BLOCKS / 4_096, "not yet time"
    now[0] = TRIM_EVERY_S
    allocator.trim()
    assert before - _anonymous_kb() > _BLOCK * _BLOCKS / 2_048
    for block in kept:
        library.free(block)


def _anonymous_kb() -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
