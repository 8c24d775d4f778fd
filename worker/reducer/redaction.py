"""Secrets in commands are replaced before they reach state or mutations (U9, D23). Patterns run in this order."""

import re
from typing import Any, cast

from worker.model.item import Item

_MASK = "[REDACTED_SECRET]"
_PATTERNS = (
    (re.compile(r"(?i)\bbearer[ \t]+[A-Za-z0-9._~+/-]{16,}=*", re.UNICODE), f"Bearer {_MASK}"),
    (re.compile(r"sk-[A-Za-z0-9]{20,}"), _MASK),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), _MASK),
    (
        re.compile(r"""(?i)\b(api[-_]?key|token|secret|password)\b(\s*[:=]\s*)(["']?)[^\s"']{8,}"""),
        rf"\g<1>\g<2>\g<3>{_MASK}",
    ),
)


# One of these is in every text that a pattern matches, but for letters beyond ASCII that count as one of theirs.
_MARKS = ("bearer", "sk-", "akia", "api", "token", "secret", "password")


def _is_suspect(text: str) -> bool:
    if not text.isascii():
        return True
    lower = text.lower()
    for mark in _MARKS:  # noqa: SIM110 (a generator costs more than the whole search)
        if mark in lower:
            return True
    return False


def _clean(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redacted(item: Item) -> Item:
    """Return a commandExecution item with the secrets of its command, its actions' commands and queries replaced."""
    command = cast("dict[str, Any]", item)
    texts = [command["command"]]
    for action in command["commandActions"]:
        texts += (action["command"], action.get("query") or "")
    if not _is_suspect("\n".join(texts)):
        return item
    actions = [
        {key: _clean(found) if key in ("command", "query") and found else found for key, found in action.items()}
        for action in command["commandActions"]
    ]
    return cast("Item", {**command, "command": _clean(command["command"]), "commandActions": actions})
