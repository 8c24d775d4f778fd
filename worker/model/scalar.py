"""The scalars of rollout lines, as types that say what is accepted (F6, A2, A3, A5, U7).

The markers speak pydantic's schema protocol (`__get_pydantic_core_schema__`, plain dictionaries), so that the shapes
of the pure packages can be checked in one C pass by `worker.codec` without importing anything here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_type_hints

# Unicode White_Space; `str.strip()` takes U+001C–001F too, which are none (A5).
WHITE_SPACE = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
I64_MAX = 2**63 - 1
U64_MAX = 2**64 - 1

Schema = dict[str, Any]


class Bounded:
    """An integer within bounds, both included."""

    __slots__ = ("high", "low")

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Schema]) -> Schema:
        return {**handler(source), "ge": self.low, "le": self.high}


class Parsed:
    """A value put through a function that raises ValueError when it refuses; its message holds no input."""

    __slots__ = ("parse",)

    def __init__(self, parse: Callable[[Any], Any]) -> None:
        self.parse = parse

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Schema]) -> Schema:
        return {
            "type": "function-after",
            "schema": handler(source),
            "function": {"type": "no-info", "function": self.parse},
        }


class Tagged:
    """A union of typed dictionaries told apart by a literal field.

    The dictionaries may name several tags each.

    Args:
        otherwise: takes the tags that are unknown; without it they are refused.
        nested: further tags, whose types are no dictionaries but unions themselves.
    """

    __slots__ = ("field", "nested", "otherwise")

    def __init__(self, field: str, *, otherwise: Any = None, nested: Mapping[str, Any] | None = None) -> None:
        self.field = field
        self.otherwise = otherwise
        self.nested = nested or {}

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Schema:
        choices: dict[str, Schema] = {}
        for member in get_args(source):
            made = handler.generate_schema(member)
            for tag in get_args(get_type_hints(member)[self.field]):
                choices[tag] = made
        choices |= {tag: handler.generate_schema(member) for tag, member in self.nested.items()}
        if self.otherwise is None:
            return {"type": "tagged-union", "discriminator": self.field, "choices": choices}
        choices[""] = handler.generate_schema(self.otherwise)
        return {"type": "tagged-union", "discriminator": self._tag(frozenset(choices)), "choices": choices}

    def _tag(self, known: frozenset[str]) -> Callable[[Any], str | None]:
        def tag(found: Any) -> str | None:
            if not isinstance(found, dict):
                return None
            name = found.get(self.field)
            return name if isinstance(name, str) and name in known else ""

        return tag


def uuid(text: str) -> str:
    """Return the canonical form of a UUID: hyphenated, bare, in braces or as a URN, in any case."""
    found = _UUID.fullmatch(text.lower())
    if not found:
        raise ValueError("not a UUID")
    digits = "".join(found.groups("")).replace("-", "")
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_HYPHENATED = r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_UUID = re.compile(rf"{_HYPHENATED}|([0-9a-f]{{32}})|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}", re.ASCII)


def normalised(path: str) -> str:
    """Resolve `.`, `..` and repeated `/` of an absolute path without a look at any disk (A2)."""
    if path.startswith("/") and not ("//" in path or "/." in path or path.endswith("/")):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("not an absolute path")
    return normalised(path)


def _location(text: str) -> str:
    """Return the native path of an absolute path or a `file:` URI (U7, U10)."""
    if text.startswith("/"):
        return normalised(text)
    if text[:5].lower() == "file:":
        return _uri_path(text[5:])
    raise ValueError("neither an absolute path nor a file: URI")


def _uri_path(rest: str) -> str:
    if "?" in rest or "#" in rest:
        raise ValueError("a file: URI with a query or a fragment")
    host = ""
    rest = rest.replace("\\", "/")
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        rest = slash + path
    path = _percent_decoded(_dots_resolved(rest if rest.startswith("/") else "/" + rest))
    if host and host.lower() != "localhost":
        return "\\\\" + _percent_decoded(host) + path.replace("/", "\\")
    if re.match(r"/[A-Za-z]:(/|$)", path):
        return path[1:].replace("/", "\\")
    return path


def _dots_resolved(path: str) -> str:
    """Resolve `.` and `..` as URIs do: a trailing one leaves its slash, empty parts stay."""
    parts: list[str] = []
    for part in path.split("/")[1:]:
        plain = re.sub("%2e", ".", part, flags=re.IGNORECASE)
        if plain == "..":
            if parts:
                parts.pop()
        elif plain != ".":
            parts.append(part)
    if re.search(r"/(\.|%2e){1,2}$", path, re.IGNORECASE):
        parts.append("")
    return "/" + "/".join(parts)


def _percent_decoded(text: str) -> str:
    if "%" not in text:
        return text
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ValueError("a file: URI that is not UTF-8") from None


def joined(cwd: str, path: str) -> str:
    """Return `path` seen from `cwd`, both native; `~` is an ordinary name (A2, D4, U7).

    Raises:
        ValueError: the path cannot be one.
    """
    if "\0" in path:
        raise ValueError("a path with NUL")
    if path.startswith("/") or cwd.startswith("/"):
        return normalised(path if path.startswith("/") else f"{cwd}/{path}")
    if re.match(r"[A-Za-z]:[\\/]|\\\\", path):
        return path
    root = 2 if cwd[1] == ":" else cwd.index("\\", 2)  # a drive, else a host
    tail = normalised(f"{cwd[root:]}/{path}".replace("\\", "/"))
    return cwd[:root] + tail.replace("/", "\\")


def _duration(found: Any) -> int:
    """Return whole milliseconds of `{secs, nanos}` or `[secs, nanos]` (A3)."""
    pair = [found["secs"], found["nanos"]] if isinstance(found, dict) and found.keys() == {"secs", "nanos"} else found
    if not (isinstance(pair, list) and len(pair) == 2 and all(type(part) is int for part in pair)):
        raise ValueError("not a duration of secs and nanos")
    secs, nanos = pair
    if not (secs >= 0 and 0 <= nanos < 2**32 and secs + nanos // 10**9 <= U64_MAX):
        raise ValueError("a duration out of range")
    milliseconds: int = (secs * 10**9 + nanos) // 10**6
    return milliseconds


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


def only(kinds: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return a check for an object with exactly one key, of those named."""

    def check(found: Any) -> Any:
        if not (isinstance(found, dict) and len(found) == 1 and next(iter(found)) in kinds):
            raise ValueError(f"not an object with one key of {', '.join(kinds)}")
        return found

    return check


I32 = Annotated[int, Bounded(-(2**31), 2**31 - 1)]
I64 = Annotated[int, Bounded(-(2**63), I64_MAX)]
U32 = Annotated[int, Bounded(0, 2**32 - 1)]
U64 = Annotated[int, Bounded(0, U64_MAX)]
Uuid = Annotated[str, Parsed(uuid)]
AbsolutePath = Annotated[str, Parsed(_absolute)]
Location = Annotated[str, Parsed(_location)]
DurationMs = Annotated[Any, Parsed(_duration)]
Effort = Annotated[str, Parsed(_not_empty)]
