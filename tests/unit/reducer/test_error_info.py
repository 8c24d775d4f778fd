"""The kinds of errors a turn can meet (F8)."""

from typing import Any

import pytest

from tests.factories import decoded, event
from worker.reducer.error_info import affects_turn, as_output, error_info

PLAIN = {
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
HTTP = {
    "http_connection_failed": "httpConnectionFailed",
    "response_stream_connection_failed": "responseStreamConnectionFailed",
    "response_stream_disconnected": "responseStreamDisconnected",
    "response_too_many_failed_attempts": "responseTooManyFailedAttempts",
}


@pytest.mark.parametrize(("wire", "shown"), [*PLAIN.items(), (None, None)])
def test_a_plain_kind_is_shown_in_camel_case(wire: Any, shown: Any) -> None:
    assert (error_info(wire), as_output(wire)) == (wire, shown)


@pytest.mark.parametrize(("wire", "shown"), HTTP.items())
@pytest.mark.parametrize("code", [500, 0, 65535, None])
def test_a_kind_with_a_status_code_keeps_it(wire: str, shown: str, code: int | None) -> None:
    checked = error_info({wire: {"http_status_code": code, "more": 1}})

    assert (checked, as_output(checked)) == (
        {wire: {"http_status_code": code}},
        {shown: {"httpStatusCode": code}},
    )


def test_a_missing_status_code_is_null() -> None:
    assert error_info({"http_connection_failed": {}}) == {"http_connection_failed": {"http_status_code": None}}


@pytest.mark.parametrize("turn_kind", ["review", "compact"])
def test_a_turn_that_cannot_be_steered_keeps_its_kind(turn_kind: str) -> None:
    checked = error_info({"active_turn_not_steerable": {"turn_kind": turn_kind}})

    assert as_output(checked) == {"activeTurnNotSteerable": {"turnKind": turn_kind}}


@pytest.mark.parametrize(
    "wire",
    [
        "of the future",
        "http_connection_failed",
        "active_turn_not_steerable",
        "",
        5,
        [],
        {},
        {"other": {}},
        {"http_connection_failed": None},
        {"http_connection_failed": {}, "more": {}},
        {"http_connection_failed": {"http_status_code": -1}},
        {"http_connection_failed": {"http_status_code": 65536}},
        {"http_connection_failed": {"http_status_code": True}},
        {"http_connection_failed": {"http_status_code": "500"}},
        {"active_turn_not_steerable": {"turn_kind": "x"}},
        {"active_turn_not_steerable": {}},
    ],
)
def test_any_other_kind_rejects_the_line(wire: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown codex_error_info|16-bit"):
        error_info(wire)

    assert decoded(event("error", codex_error_info=wire)).status == "rejected"


def test_two_kinds_leave_turns_alone() -> None:
    infos = [*PLAIN, *({name: {"http_status_code": None}} for name in HTTP), None]

    affecting = [info for info in infos if affects_turn(info)]

    assert [info for info in infos if info not in affecting] == ["thread_rollback_failed"]
    assert not affects_turn({"active_turn_not_steerable": {"turn_kind": "review"}})
