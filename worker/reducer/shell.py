"""Argument lists as one line of shell (A1): Rust's shlex 1.3, which quotes unlike Python's."""

import re

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-./:@]_")
_BARE = re.compile(r"[A-Za-z0-9+\-./:@\]_]+")
_SPECIAL = re.compile(r"['\\`$!^]")
_NUL = "<command included NUL byte>"
# Per byte the styles it may stand in: 1 unquoted, 2 single quotes, 4 double quotes.
_STYLES = [7 if byte in _PLAIN else 4 if byte in b"'\\" else 2 if byte in b"`$!^" else 6 for byte in range(256)]


def shell_join(words: list[str]) -> str:
    """Join words so that a shell would split them again."""
    if any("\0" in word for word in words):
        return _NUL
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not word:
        return "''"
    if _BARE.fullmatch(word):
        return word
    if not _SPECIAL.search(word):  # all in one chunk that single quotes can hold
        return f"'{word}'"
    data = word.encode()
    out: list[str] = []
    start = 0
    while start < len(data):
        end, styles = _chunk(data, start)
        out.append(_styled(data[start:end].decode("utf-8", "surrogateescape"), styles))
        start = end
    # A chunk may end inside a character; the bytes come together again here.
    return "".join(out).encode("utf-8", "surrogateescape").decode()


def _chunk(data: bytes, start: int) -> tuple[int, int]:
    """Return the end of the longest chunk that some style can hold, and those styles."""
    styles = 7
    for at in range(start, len(data)):
        byte = data[at]
        possible = _STYLES[byte]
        if byte == 0x5E and at > start:  # `^` may only begin a chunk
            possible = 0
        if not styles & possible:
            return at, styles
        styles &= possible
    return len(data), styles


def _styled(text: str, styles: int) -> str:
    if styles & 1:
        return text
    if styles & 2:
        return f"'{text}'"
    for mark in ("\\", '"', "$", "`"):
        text = text.replace(mark, "\\" + mark)
    return f'"{text}"'
