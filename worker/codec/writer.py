"""A schema made into a function that writes its records, for the types that our own schemas consist of.

fastavro takes about 12 µs for a mutation, this 4 (benchmarks.encode): what is written is mostly small numbers and
texts that come again, and they are looked up, by a function whose text is made from the schema. A test compares the
two byte for byte. Schemas with other types are left to fastavro.
"""

from collections.abc import Callable
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


_FLAGS = {True: b"\x01", False: b"\x00"}
_NUMBERS = _Table(number, {found: number(found) for found in range(_SMALL)})


def _text(found: str) -> bytes:
    data = found.encode()
    return _NUMBERS[len(data)] + data


def _json(found: Any) -> bytes:
    """Return JSON as text."""
    data = orjson.dumps(found)
    return _NUMBERS[len(data)] + data


def writer(source: dict[str, Any]) -> Write:
    """Return what writes values of a schema; what it marks as JSON text is given nested.

    Args:
        source: the schema.

    Raises:
        UnsupportedError: it has a type that is not known here.
    """
    return _Function(source, {"string": _Table(_text, {}), "boolean": _FLAGS}).made()


class _Function:
    """The text of a function that writes values of a schema.

    A record's fields stand in it one after another, so that most of them cost one look-up and no call.

    Args:
        source: the schema.
        tables: values as written, by type.
    """

    def __init__(self, source: Any, tables: dict[str, dict[Any, bytes]]) -> None:
        self._tables = tables
        # What the text names.
        self._names: dict[str, Any] = {}
        self._steps: list[str] = []
        self._variables = 0
        self._parts = self._parts_of(source, "found")

    def made(self) -> Write:
        """Return the function."""
        whole = self._parts[0] if len(self._parts) == 1 else f"join(({', '.join(self._parts)}))"
        lines = ["def written(found):", *self._steps, f"return {whole}"]
        self._names["join"] = b"".join
        exec("\n    ".join(lines), self._names)  # noqa: S102 - of our own schemas, as data classes do
        write: Write = self._names["written"]
        return write

    def _named(self, found: Any) -> str:
        name = f"n{len(self._names)}"
        self._names[name] = found
        return name

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _step(self, value: str) -> str:
        """Return a variable that holds a value."""
        name = self._variable()
        self._steps.append(f"{name} = {value}")
        return name

    def _parts_of(self, kind: Any, value: str) -> list[str]:
        """Return what a value is written as: parts, one after another.

        Args:
            value: the text that names the value.
        """
        match kind:
            case {"type": "record", "fields": fields}:
                record = self._step(value)
                return [part for field in fields for part in self._parts_of(field["type"], self._field(record, field))]
            case _:
                return [self._part(kind, value)]

    def _part(self, kind: Any, value: str) -> str:
        match kind:
            case {"contentMediaType": "application/json"}:
                return f"{self._named(_json)}({value})"
            case {"type": "record"}:
                return f"{self._named(_Function(kind, self._tables).made())}({value})"
            case {"type": "array", "items": items}:
                return f"{self._named(_array(_Function(items, self._tables).made()))}({value})"
            case ["null", other]:
                held = self._variable()
                return f'(b"\\0" if ({held} := {value}) is None else b"\\2" + {self._part(other, held)})'
            case "int" | "long":
                return self._number(value)
            case str() if kind in self._tables:
                return f"{self._named(self._tables[kind])}[{value}]"
            case _:
                raise UnsupportedError

    def _number(self, value: str) -> str:
        """Return the text that writes a number: one below 2^41, as times in milliseconds are, without a call."""
        v, more, last = self._variable(), self._named(_MORE), self._named(_LAST)
        low, mid = f"{more}[{v} << 1 & {_MASK}]", f"{more}[{v} >> {_BITS - 1} & {_MASK}]"
        two = f"{low} + {last}[{v} >> {_BITS - 1}]"
        three = f"{low} + {mid} + {last}[{v} >> {2 * _BITS - 1}]"
        bits = 3 * _BITS - 1
        return (
            f"({self._named(_NUMBERS)}[{v}] if not {_SMALL} <= ({v} := {value}) < {1 << bits} "
            f"else {two} if {v} < {1 << 2 * _BITS - 1} else {three})"
        )

    def _field(self, record: str, field: dict[str, Any]) -> str:
        """Return the text that names a field's value: its default where it is left out."""
        if "default" not in field:
            return f"{record}[{field['name']!r}]"
        if isinstance(field["type"], dict):  # JSON as text, perhaps, where a value is JSON nested
            raise UnsupportedError
        return f"{record}.get({field['name']!r}, {self._named(field['default'])})"


def _array(write: Write) -> Write:
    def written(found: Any) -> bytes:
        return b"".join([_NUMBERS[len(found)], *map(write, found), b"\x00"]) if found else b"\x00"

    return written
