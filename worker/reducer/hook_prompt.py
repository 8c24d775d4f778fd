"""The XML-like text of a hook prompt (R37).

Neither strict XML nor a fragment of it: whatever follows the root's end is ignored, bare `]]>` is text, a document
type may stand before the root but declares nothing. No XML library reads exactly this, hence these patterns.
Source: codex-rs, hook prompt fragments; vectors h*, hx*.
"""

import re

from worker.model.scalar import WHITE_SPACE

_PROLOG = re.compile(
    r"[ \t\r\n]+|<!--.*?-->|<\?.*?\?>|<!DOCTYPE(?:[^<>\[\"']|\"[^\"]*\"|'[^']*'|\[[^\]]*\])*>", re.DOTALL
)
_START = re.compile(r"<([^\s/>!?='\"<&][^\s/>='\"<]*)((?:\s+[^\s=/>'\"]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*>")
_ATTRIBUTE = re.compile(r"\s+([^\s=/>'\"]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_CONTENT = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(?P<cdata>.*?)\]\]>|(?P<text>[^<]+)|</(?P<end>[^>]*)>", re.DOTALL
)
_REFERENCE = re.compile(r"&([^;&]*);?")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def fragments_of(texts: list[str | None]) -> list[dict[str, str]] | None:
    """Return a fragment for each text, or None when there is none or one of them is no hook prompt."""
    fragments = []
    for text in texts:
        fragment = None if text is None else _fragment(text)
        if fragment is None:
            return None
        fragments.append(fragment)
    return fragments or None


def _fragment(text: str) -> dict[str, str] | None:
    text = text.strip(WHITE_SPACE + "\ufeff")
    at = 0
    while found := _PROLOG.match(text, at):
        at = found.end()
    start = _START.match(text, at)
    if start is None:
        return None
    run_id = _run_id(start[2])
    content = _content(text, start.end(), start[1])
    if not run_id or not run_id.strip(WHITE_SPACE) or not content or not content.strip(" \t\r\n"):
        return None
    return {"text": content, "hookRunId": run_id}


def _run_id(attributes: str) -> str | None:
    """Return the run id among a tag's attributes; a repeated attribute spoils the tag."""
    names: set[str] = set()
    run_id = None
    for found in _ATTRIBUTE.finditer(attributes):
        name = found[1]
        if name in names:
            return None
        names.add(name)
        if name.rpartition(":")[2] == "hook_run_id" and run_id is None:
            run_id = _resolved(found[2][1:-1])
            if run_id is None:
                return None
    return run_id


def _content(text: str, at: int, root: str) -> str | None:
    """Return the root's text up to its end tag, or None when it has children or does not end."""
    parts: list[str] = []
    while found := _CONTENT.match(text, at):
        at = found.end()
        end = found["end"]
        if end is not None:
            return "".join(parts) if end.rstrip(" \t\r\n") == root else None
        if found["cdata"] is not None:
            parts.append(_unix(found["cdata"]))
        elif found["text"] is not None:
            resolved = _resolved(_unix(found["text"]))
            if resolved is None:
                return None
            parts.append(resolved)
    return None


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _resolved(text: str) -> str | None:
    """Resolve the references of a text; None when one is unknown or a bare ampersand."""
    if "&" not in text:
        return text
    parts: list[str] = []
    end = 0
    for found in _REFERENCE.finditer(text):
        resolved = _entity(found[1]) if found[0].endswith(";") else None
        if resolved is None:
            return None
        parts += (text[end : found.start()], resolved)
        end = found.end()
    return "".join([*parts, text[end:]])


def _entity(name: str) -> str | None:
    if not name.startswith("#"):
        return _ENTITIES.get(name)
    digits, base = (name[2:], 16) if name[1:2] == "x" else (name[1:], 10)
    if not re.fullmatch(r"[0-9A-Fa-f]+" if base == 16 else r"[0-9]+", digits) or len(digits) > 10:
        return None
    code = int(digits, base)
    if not 0 < code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        return None
    return chr(code)
