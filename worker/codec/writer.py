"""A schema made into a function that writes its records, for the types that our own schemas consist of.

fastavro takes about 12 µs for a mutation, this 5 (benchmarks.encode): what is written is mostly small numbers and
texts that come again, and they are looked up. A test compares the two byte for byte. Schemas with other types are
left to fastavro.
"""

from collections.abc import Callable, Iterable
from itertools import chain
from operator import call, itemgetter
from typing import Any

import orjson

Write = Callable[[Any], bytes]

# Values that are kept as written, of each type: ids, names of topics, times.
KEPT_MAX = 10_000
KEPT_BYTES_MAX = 80
_SMALL = 8_192

# Fourteen bits of a number at a time, as they are written: with more to follow, and as the last.
_BITS = 14
_MASK = (1 << _BITS) - 1
_MORE = [bytes((low & 127 | 128, low >> 7 | 128)) for low in range(1 << _BITS)]
_LAST = [bytes((low & 127 | 128, low >> 7)) if low > 127 else bytes((low,)) for low in range(1 << _BITS)]


class UnsupportedError(Exception):
    """A schema has a type that is not known here."""


def number(found: int) -> bytes:
    """Return an int or a long as Avro writes it: zig-zag, seven bits a byte.

    Raises:
        OverflowError: it does not fit in 64 bits.
    """
    rest = found << 1 if found >= 0 else (-found << 1) - 1
    if rest >> 64:
        raise OverflowError(f"{found.bit_length()} bits do not fit in a long")
    data = b""
    while rest > _MASK:
        data += _MORE[rest & _MASK]
        rest >>= _BITS
    return data + _LAST[rest]


class _Table(dict[Any, bytes]):
    """Values as written; short ones are kept, so that looking one up that comes again takes no call.

    Args:
        write: writes a value that is not kept.
        always: what is kept for ever; all others are dropped when there are too many.
    """

    def __init__(self, write: Write, always: dict[Any, bytes]) -> None:
        super().__init__(always)
        self._write = write
        self._always = always

    def __missing__(self, found: Any) -> bytes:
        written = self._write(found)
        if len(written) <= KEPT_BYTES_MAX:
            if len(self) >= KEPT_MAX + len(self._always):
                self.clear()
                self.update(self._always)
            self[found] = written
        return written


_NUMBERS = _Table(number, {found: number(found) for found in range(_SMALL)})


def _text(found: str) -> bytes:
    data = found.encode()
    return _NUMBERS[len(data)] + data


def _json(found: Any) -> bytes:
    """Return JSON as text."""
    data = orjson.dumps(found)
    return _NUMBERS[len(data)] + data


def writer(source: dict[str, Any]) -> Write:
    """Return what writes records of a schema; what it marks as JSON text is given nested.

    Args:
        source: the schema.

    Raises:
        UnsupportedError: it has a type that is not known here, or fields with defaults before others.
    """
    simple: dict[str, Write] = {
        "string": _Table(_text, {}).__getitem__,
        "int": _NUMBERS.__getitem__,
        "long": _NUMBERS.__getitem__,
        "boolean": {True: b"\x01", False: b"\x00"}.__getitem__,
    }
    return _of(source, simple)


def _of(kind: Any, simple: dict[str, Write]) -> Write:
    match kind:
        case {"contentMediaType": "application/json"}:
            return _json
        case {"type": "record", "fields": fields}:
            return _record(fields, simple)
        case {"type": "array", "items": items}:
            return _array(_of(items, simple))
        case ["null", other]:
            return _optional(_of(other, simple))
        case str() if kind in simple:
            return simple[kind]
        case _:
            raise UnsupportedError


def _array(write: Write) -> Write:
    def written(found: Any) -> bytes:
        return b"".join([_NUMBERS[len(found)], *map(write, found), b"\x00"]) if found else b"\x00"

    return written


def _optional(write: Write) -> Write:
    def written(found: Any) -> bytes:
        return b"\x00" if found is None else b"\x02" + write(found)

    return written


def _record(fields: list[dict[str, Any]], simple: dict[str, Write]) -> Write:
    """Return what writes a record; a field that is left out is written as its default."""
    writes = [(field["name"], _of(field["type"], simple)) for field in fields]
    defaults = {field["name"]: field["default"] for field in fields if "default" in field}
    always, others = writes[: len(writes) - len(defaults)], writes[len(writes) - len(defaults) :]
    if any(name not in defaults for name, _ in others) or any(map(_is_text_by_default, fields)):
        raise UnsupportedError
    values, calls = _getter([name for name, _ in always]), [write for _, write in always]
    other_calls = [write for _, write in others]

    def written(found: Any) -> bytes:
        # No step of this is Python's own but for nested records and what no table holds.
        optional = map(found.get, defaults.keys(), defaults.values())
        return b"".join(chain(map(call, calls, values(found)), map(call, other_calls, optional)))

    return written


def _getter(names: list[str]) -> Callable[[Any], Iterable[Any]]:
    """Return what gets the fields of a record in order."""
    return itemgetter(*names) if len(names) > 1 else lambda found: [found[name] for name in names]


def _is_text_by_default(field: dict[str, Any]) -> bool:
    """Tell whether a field's default is JSON as text, where a value is JSON nested."""
    return "default" in field and isinstance(field["type"], dict) and "contentMediaType" in field["type"]
