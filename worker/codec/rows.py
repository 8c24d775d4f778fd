"""State rows to bytes and back. Each value begins with the format's version; each kind of row has its own layout.

A release reads the formats of `FORMATS` and writes the one that it is told to. Rows of several formats may lie side by
side: each is read by its own version, and written anew in the one of the day (docs/decisions/0012).

Layouts of format 1, after the version byte: `h`, `u`, `i`, `xi`: a JSON array of the fields in the order of their
class; `xt`, `xo`: a decimal number; `p`: JSON; `d`: 32 slots of 8 bytes behind a bit mask of those in use.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import orjson

from worker.errors import FatalError
from worker.model.mutation import row_key
from worker.model.thread import Header, ItemRow, Place, Turn

# What is written unless the settings say otherwise: a new format becomes the default one release after it can be read,
# so that a release can always be rolled back to the one before.
DEFAULT_FORMAT = 1


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
Layouts = dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], Any]]]

FORMATS: dict[int, Layouts] = {
    1: {
        "h": _array(Header),
        "u/": _array(Turn),
        "i/": _array(ItemRow),
        "xi": _array(Place),
        "xt": (_number, int),
        "xo": (_number, int),
        "d/": (bytes, bytearray),
        "p/": (orjson.dumps, orjson.loads),
    },
}


def row_encoder(version: int = DEFAULT_FORMAT) -> Callable[[str, Any], bytes]:
    """Return what encodes a row's value by the kind its key names, in a format of `FORMATS`."""
    layouts, prefix = FORMATS[version], bytes([version])

    def encode(row: str, found: Any) -> bytes:
        return prefix + layouts[row[:2]][0](found)

    return encode


encode_row = row_encoder()


def decode_row(row: str, data: bytes) -> Any:
    """Decode a row's value, in whatever format it was written.

    Raises:
        FatalError: this release does not read that format.
    """
    layouts = FORMATS.get(data[0]) if data else None
    if layouts is None:
        raise FatalError(
            f"a state row has format {data[0] if data else 'nothing'}, this release reads {known_formats()}: run the "
            "release that wrote it or a newer one"
        )
    return layouts[row[:2]][1](data[1:])


def known_formats() -> str:
    """Return the formats this release reads and writes, for people."""
    return ", ".join(map(str, sorted(FORMATS)))
