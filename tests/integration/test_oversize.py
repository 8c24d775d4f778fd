"""Lines and items that are too large for the topics: cut and flagged, or parked; nothing stops (G5, 2.6)."""

import random
from typing import Any

import pytest

from tests.factories import event
from tests.integration.harness import Deployment, decode, thread_of
from worker.kafka.reader import read_all
from worker.projections.turn_summaries import SUMMARY_BYTES_MAX

pytestmark = pytest.mark.integration

ITEM_BYTES_MAX = 768 * 1024


def _text(size: int, seed: int = 0) -> str:
    """Return a text that does not compress: the brokers' limit is for what is sent."""
    return random.Random(seed).randbytes(size // 2).hex()


def _values(deployment: Deployment, projection: str) -> list[dict[str, Any]]:
    records = read_all(deployment.settings.kafka, [deployment.names.projections[projection]])
    return [decode(record.value) for record in records if record.value is not None]


def _processed(deployment: Deployment, *lines: bytes) -> None:
    """Publish a thread's lines, and one of another thread on each partition behind them."""
    deployment.publish(("t", at, line) for at, line in enumerate(lines))
    deployment.publish((f"after-{number}", 0, event("task_started")) for number in range(20))
    worker = deployment.start()
    deployment.until_through()

    assert worker.told("transaction failed, trying again from the last commit") == []
    assert len({one["threadId"] for one in _values(deployment, "lifecycle")} - {"t"}) == 20
    assert deployment.audit() == []


def test_a_message_of_three_megabytes_is_cut_in_its_middle_and_flagged(deployment: Deployment) -> None:
    text = _text(3_000_000)
    _processed(deployment, event("task_started"), event("agent_message", message=text), event("agent_message"))
    cut, whole = _values(deployment, "thread_item")
    shown = cut["materializedThreadItem"]["text"]

    assert (cut["truncated"], cut["originalBytes"] > 3_000_000, len(shown) <= ITEM_BYTES_MAX) == (True, True, True)
    assert (shown[:1_000], shown[-1_000:]) == (text[:1_000], text[-1_000:])
    assert "characters cut" in shown
    assert not whole.get("truncated")


def test_a_run_of_reasoning_that_grows_beyond_the_bound_is_cut_and_goes_on_growing(deployment: Deployment) -> None:
    parts = [event("agent_reasoning", text=_text(100_000, seed)) for seed in range(12)]
    _processed(deployment, event("task_started"), *parts, event("task_complete"))
    runs = _values(deployment, "thread_item")

    assert [len(run["materializedThreadItem"]["summary"]) for run in runs] == [*range(1, 13)]
    assert [bool(run.get("truncated")) for run in runs] == [False] * 7 + [True] * 5
    assert all(sum(map(len, run["materializedThreadItem"]["summary"])) <= ITEM_BYTES_MAX for run in runs)


def test_a_summary_of_two_huge_messages_is_published(deployment: Deployment) -> None:
    messages = event("user_message", message=_text(3_000_000, 1)), event("agent_message", message=_text(3_000_000, 2))
    _processed(deployment, event("task_started"), *messages, event("task_complete"))
    last = [one for one in _values(deployment, "turn_summary") if one["threadId"] == "t"][-1]["mutation"]

    assert (last["status"], [item["type"] for item in last["summaryItems"]]) == (
        "completed",
        ["userMessage", "agentMessage"],
    )
    assert len(str(last["summaryItems"])) <= SUMMARY_BYTES_MAX


def test_errors_outputs_and_patches_of_megabytes_are_published(deployment: Deployment) -> None:
    huge = _text(3_000_000)
    _processed(
        deployment,
        event("task_started"),
        event("error", message=huge),
        event("exec_command_end", turn_id="a", aggregated_output=huge),
        event("patch_apply_end", turn_id="a", call_id="p", changes={"a.txt": {"type": "add", "content": huge}}),
        event("mcp_tool_call_end", call_id="m", result={"Ok": {"content": [{"type": "text", "text": huge}]}}),
        event("task_complete", error={"message": huge}),
    )

    assert len([one for one in _values(deployment, "lifecycle") if one["eventType"] == "turn.failed"]) == 2


def test_ids_that_cannot_be_cut_park_their_thread(deployment: Deployment) -> None:
    lines = [event("task_started", turn_id=_text(3_000_000)), event("agent_message")]
    deployment.publish(("t", at, line) for at, line in enumerate(lines))
    deployment.publish((f"after-{number}", 0, event("task_started")) for number in range(20))
    deployment.start()
    deployment.until_through()
    parked = read_all(deployment.settings.kafka, [deployment.names.parked])

    assert [(one.key, dict(one.headers)["thw-reason"]) for one in parked] == [(b"t", b"encode"), (b"t", b"behind")]
    assert len({thread_of(one) for one in deployment.published()}) == 20


def test_a_thread_id_that_is_too_long_for_a_row_key_goes_to_the_dead_letters(deployment: Deployment) -> None:
    key = _text(3_000_000)
    deployment.publish([(key, 0, event("task_started")), (key, 1, event("agent_message"))])
    deployment.publish((f"after-{number}", 0, event("task_started")) for number in range(20))
    deployment.start()
    deployment.until_through()
    dead = read_all(deployment.settings.kafka, [deployment.names.dead_letters])

    assert [(one.key, dict(one.headers)["thw-reason"]) for one in dead] == [(key.encode(), b"bad_key")] * 2
    assert deployment.audit() == []
