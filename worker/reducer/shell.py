"""Argument lists as one line of shell (A1): Rust's shlex 1.3, which quotes unlike Python's."""

import re

_NUL = "<command included NUL byte>"
_BARE = re.compile(r"[A-Za-z0-9+\-./:@\]_]+")
# The longest beginning that each style of quotes can hold; `^` only single quotes, and only as the first character.
_SINGLE = re.compile(r"\^?[^'\\^]*")
_DOUBLE = re.compile(r"[^`$!^]*")
_ESCAPED = re.compile(r"[$`\"\\]")


def shell_join(words: list[str]) -> str:
    """Join words so that a shell would split them again."""
    line = " ".join(map(_quoted, words))
    return _NUL if "\0" in line else line


def _quoted(word: str) -> str:
    """Quote a word, cut into the longest chunks that some style can hold."""
    if not word:
        return "''"
    if _BARE.fullmatch(word):
        return word
    # Most words can be held whole by one style.
    if not ("'" in word or "\\" in word or "^" in word):
        return f"'{word}'"
    if not ("`" in word or "$" in word or "!" in word or "^" in word):
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    out: list[str] = []
    start = 0
    while start < len(word):
        single, double = _SINGLE.match(word, start), _DOUBLE.match(word, start)
        assert single is not None, "it matches an empty text"
        assert double is not None, "it matches an empty text"
        chunk = max(single[0], double[0], key=len)
        out.append(_styled(chunk, single=chunk == single[0]))
        start += len(chunk)
    return "".join(out)


def _styled(chunk: str, *, single: bool) -> str:
    if _BARE.fullmatch(chunk):
        return chunk
    if single:
        return f"'{chunk}'"
    return '"' + _ESCAPED.sub(r"\\\g<0>", chunk) + '"'
