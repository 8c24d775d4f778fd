"""The kinds of errors a turn can meet: what they are called on the way in and out (F8)."""

from typing import Any

_PLAIN = {
    "context_window_exceeded": "contextWindowExceeded",
    "usage_limit_exceeded": "usageLimitExceeded",
    "server_overloaded": "serverOverloaded",
    "cyber_policy": "cyberPolicy",
    "internal_server_error": "internalServerError",
    "unauthorized": "unauthorized",
    "bad_request": "badRequest",
    "sandbox_error": "sandboxError",
    "thread_rollback_failed": "threadRollbackFailed",
    "session_budget_exceeded": "sessionBudgetExceeded",
    "other": "other",
}
_HTTP = {
    "http_connection_failed": "httpConnectionFailed",
    "response_stream_connection_failed": "responseStreamConnectionFailed",
    "response_stream_disconnected": "responseStreamDisconnected",
    "response_too_many_failed_attempts": "responseTooManyFailedAttempts",
}
_NOT_STEERABLE = "active_turn_not_steerable"


def error_info(found: Any) -> Any:
    """Check an error's info as it comes in; unread keys of its object are dropped.

    Raises:
        ValueError: it is of no known kind.
    """
    if found is None or (isinstance(found, str) and found in _PLAIN):
        return found
    if isinstance(found, dict) and len(found) == 1:
        name, facts = next(iter(found.items()))
        if isinstance(facts, dict):
            if name in _HTTP:
                return {name: {"http_status_code": _status_code(facts.get("http_status_code"))}}
            if name == _NOT_STEERABLE and facts.get("turn_kind") in ("review", "compact"):
                return {name: {"turn_kind": facts["turn_kind"]}}
    raise ValueError("unknown codex_error_info")


def _status_code(found: Any) -> int | None:
    if found is None or (type(found) is int and 0 <= found < 2**16):
        code: int | None = found
        return code
    raise ValueError("http_status_code is not a 16-bit number")


def affects_turn(info: Any) -> bool:
    """Tell whether an error of this (checked) kind fails its turn; one without a kind does."""
    return info != "thread_rollback_failed" and not (isinstance(info, dict) and _NOT_STEERABLE in info)


def as_output(info: Any) -> Any:
    """Return the v2 form of a checked info."""
    if info is None or isinstance(info, str):
        return _PLAIN[info] if info else None
    name, facts = next(iter(info.items()))
    if name == _NOT_STEERABLE:
        return {"activeTurnNotSteerable": {"turnKind": facts["turn_kind"]}}
    return {_HTTP[name]: {"httpStatusCode": facts["http_status_code"]}}
