"""Texts and JSON in the forms that PostgreSQL takes: it has no U+0000, and an index no long keys."""

import re
from hashlib import sha256
from typing import Any

import orjson

# An index row holds 2,704 bytes; three ids and what goes with them must fit.
ID_BYTES_MAX = 512

# What would read as an escaped U+0000.
_LOOKS_ESCAPED = re.compile(r"%(?=(?:25)*00)")
_ESCAPES = re.compile(r"\\(?:u0000|.)")
_REPLACEMENT = "\ufffd"


def is_plain(text: str) -> bool:
    """Tell whether a text, and any part of it, is stored as it is: most are."""
    return len(text) * 4 <= ID_BYTES_MAX and "%" not in text and "\0" not in text


def stored_id(text: str) -> str:
    """Return an id as it is stored: different ids stay different.

    U+0000 becomes `%00`, and what looks like it gets a `25` more, `%2500`. An id of more than 512 bytes becomes its
    beginning and its SHA-256; no other can be as long.
    """
    if is_plain(text):
        return text
    if "%" in text or "\0" in text:
        text = _LOOKS_ESCAPED.sub("%25", text).replace("\0", "%00")
    data = text.encode()
    if len(data) <= ID_BYTES_MAX:
        return text
    return f"{data[:ID_BYTES_MAX].decode(errors='ignore')}…sha256:{sha256(data).hexdigest()}"


def stored_text(text: str) -> str:
    """Return a text that is no id as it is stored: U+0000 becomes U+FFFD."""
    return text.replace("\0", _REPLACEMENT)


def stored_json(found: Any) -> str:
    """Return a value as the text of a `jsonb`: U+0000, which that cannot hold, becomes U+FFFD."""
    text = orjson.dumps(found).decode()
    if "\\u0000" in text:
        # Escape by escape: the backslash before the u may itself be an escaped one.
        text = _ESCAPES.sub(lambda escape: _REPLACEMENT if escape[0] == "\\u0000" else escape[0], text)
    return text
