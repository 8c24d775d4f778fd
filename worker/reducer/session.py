"""Lines about the session: how the thread is written, where it comes from, and what the thread index shows of it.

A thread's history mode is that of its first `session_meta` (D19). Forked and spawned threads begin with copied lines of
the thread they come from; what such lines make is *inherited*. Copied are lines below the stated ordinal (D21), and
else those after a copied `session_meta` and those of a turn that is older than the thread itself: ids of threads and
turns are UUIDs of version 7, which begin with the time they were made at. Nothing here rejects a line: what is not of
the expected type is not there.
"""

from typing import Any

from worker.model.scalar import I64_MAX
from worker.model.thread import Header
from worker.reducer.kind import Kind, KindTable
from worker.reducer.transition import PAGINATED, Transition

LEGACY = "legacy"
# What the index shows of any text; a longer one is cut.
TEXT_CHARS_MAX = 1_024
_UUID_LENGTH = 36
_VERSION_AT = 14
_TOKENS = {
    "inputTokens": "input_tokens",
    "cachedInputTokens": "cached_input_tokens",
    "outputTokens": "output_tokens",
    "reasoningOutputTokens": "reasoning_output_tokens",
    "totalTokens": "total_tokens",
}


def made_at(uuid: str) -> str | None:
    """Return when an id was made, as comparable text; None when it does not tell."""
    if len(uuid) != _UUID_LENGTH or uuid[_VERSION_AT] != "7":
        return None
    return uuid[:13].lower()


def is_copied_turn(header: Header, turn_id: str) -> bool:
    """Tell whether a turn is of the thread that this one was forked or spawned from."""
    if header.origin is None:
        return False
    ours, theirs = made_at(header.session), made_at(turn_id)
    return ours is not None and theirs is not None and theirs < ours


def see_turn(transition: Transition, turn_id: str) -> None:
    """Take note of a turn that begins: the thread's own first one ends what was copied."""
    header = transition.thread.header
    header.copied = is_copied_turn(header, turn_id)


def on_session_meta(transition: Transition, meta: Any) -> None:
    """D19: the first one says what the thread is; a later one begins copied lines, or a session that goes on."""
    header = transition.thread.header
    session, origin = _text(meta, "id") or "", _forked_from(meta) or _parent(meta)
    if not header.mode:
        header.mode = PAGINATED if meta.get("history_mode") == PAGINATED else LEGACY
        header.session, header.origin = session, origin
        start = meta.get("subagent_history_start_ordinal")
        is_stated = header.mode == PAGINATED and type(start) is int and 0 < start <= I64_MAX
        header.own_from = start if is_stated else None
        transition.learned(**_facts(meta, header.mode))
    elif session and session != header.session:
        _another(header, session, origin)


def _another(header: Header, session: str, origin: str | None) -> None:
    """Meet the `session_meta` of another session."""
    ours, theirs = made_at(header.session), made_at(session)
    if session == header.origin or (header.origin is not None and ours and theirs and theirs < ours):
        header.copied = True
    elif origin is not None and (ours is None or theirs is None or theirs > ours):
        # Sessions written one after another into one file: this one begins with copies of its own.
        header.session, header.origin, header.copied = session, origin, False


def _facts(meta: Any, mode: str) -> dict[str, Any]:
    git = meta.get("git")
    return {
        "parentThreadId": _parent(meta),
        "forkedFromId": _forked_from(meta),
        "kind": _kind(meta.get("source")),
        "historyMode": mode,
        "cwd": _text(meta, "cwd"),
        "cliVersion": _text(meta, "cli_version"),
        "git": {
            "commitHash": _text(git, "commit_hash"),
            "branch": _text(git, "branch"),
            "repositoryUrl": _text(git, "repository_url"),
        }
        if isinstance(git, dict)
        else None,
    }


def _forked_from(meta: Any) -> str | None:
    return _text(meta, "forked_from_id")


def _parent(meta: Any) -> str | None:
    """Return the thread that spawned this one; older writers name it in the source alone."""
    spawn = _within(meta.get("source"), "subagent", "thread_spawn")
    return _text(meta, "parent_thread_id") or _text(spawn, "parent_thread_id")


def _kind(source: Any) -> str:
    agent = source.get("subagent") if isinstance(source, dict) else None
    if agent is not None:
        return "review" if agent == "review" else "subAgent"
    return "exec" if source == "exec" else "main"


def _within(found: Any, *names: str) -> Any:
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(found: Any, name: str) -> str | None:
    text = found.get(name) if isinstance(found, dict) else None
    return text[:TEXT_CHARS_MAX] if isinstance(text, str) and text else None


def on_turn_context(transition: Transition, context: Any) -> None:
    """Learn the model, and the directory where no session told it."""
    turn_id = context.get("turn_id")
    if isinstance(turn_id, str) and turn_id:
        see_turn(transition, turn_id)
    transition.learned(model=_text(context, "model"), contextCwd=_text(context, "cwd"))


def on_token_count(transition: Transition, event: Any) -> None:
    """Learn how many tokens the rollout says were used."""
    usage = _within(event, "info", "total_token_usage")
    if isinstance(usage, dict):
        transition.learned(tokens={shown: _count(usage.get(name)) for shown, name in _TOKENS.items()})


def _count(found: Any) -> int | None:
    return found if type(found) is int and 0 <= found <= I64_MAX else None


def on_thread_name_updated(transition: Transition, event: Any) -> None:
    """Learn the name that the user gave."""
    transition.learned(name=_text(event, "thread_name"))


KINDS: KindTable = {
    "token_count": Kind(None, on_token_count),
    "thread_name_updated": Kind(None, on_thread_name_updated, indexed=False),
}
LINES: KindTable = {
    "session_meta": Kind(None, on_session_meta),
    "turn_context": Kind(None, on_turn_context),
}
