"""State rows to bytes and back. Each value begins with the format's version; each kind of row has its own layout.

Layouts (format 1), after the version byte: `h`, `u`, `i`, `xi`: a JSON array of the fields in the order of their
class; `xt`, `xo`: a decimal number; `p`: JSON; `d`: 32 slots of 8 bytes behind a bit mask of those in use.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import orjson

from worker.errors import FatalError
from worker.model.mutation import row_key
from worker.model.thread import Header, ItemRow, Place, Turn

FORMAT = b"\x01"


def state_key(thread_id: str, row: str) -> bytes:
    """Return the key of a thread's row in the store and the changelog."""
    return f"{row_key(thread_id)}/{row}".encode()


def _array(cls: type[Any]) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    fields = attrgetter(*cls.__dataclass_fields__)

    def encode(row: Any) -> bytes:
        return orjson.dumps(fields(row))

    def decode(data: bytes) -> Any:
        return cls(*orjson.loads(data))

    return encode, decode


def _number(row: int) -> bytes:
    return b"%d" % row


# By the first two characters of a row's key.
_LAYOUTS: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "h": _array(Header),
    "u/": _array(Turn),
    "i/": _array(ItemRow),
    "xi": _array(Place),
    "xt": (_number, int),
    "xo": (_number, int),
    "d/": (bytes, bytearray),
    "p/": (orjson.dumps, orjson.loads),
}


def encode_row(row: str, found: Any) -> bytes:
    """Encode a row's value by the kind its key names."""
    return FORMAT + _LAYOUTS[row[:2]][0](found)


def decode_row(row: str, data: bytes) -> Any:
    """Decode a row's value.

    Raises:
        FatalError: the row was written in a format this release does not read.
    """
    if data[:1] != FORMAT:
        raise FatalError(
            f"a state row has format {data[:1].hex() or 'nothing'}, this release reads {FORMAT.hex()}: "
            "run the release that wrote it or a newer one"
        )
    return _LAYOUTS[row[:2]][1](data[1:])
