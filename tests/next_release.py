"""This release as its successor will be: it reads and writes one more format of state rows.

`python -m tests.next_release run` is `thread-history-worker run` of that release.
"""

from collections.abc import Callable
from typing import Any

from worker.codec.rows import FORMATS, Layouts

NEXT = 2


def _backwards(layouts: Layouts) -> Layouts:
    """Return layouts that no release which does not know them can read by accident."""
    return {row: (_encoder(encode), _decoder(decode)) for row, (encode, decode) in layouts.items()}


def _encoder(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return lambda found: bytes(encode(found))[::-1]


def _decoder(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    return lambda data: decode(data[::-1])


def layouts() -> Layouts:
    """Return the layouts of the next format."""
    return _backwards(FORMATS[max(FORMATS)])


if __name__ == "__main__":
    FORMATS[NEXT] = layouts()
    from worker.cli import main

    main()
