"""The thread index: one row a thread, which equals a count from scratch (issue: the thread index; 2.3)."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from tests import factories, strategies
from tests.factories import event, line, record, turn_item
from tests.golden.vectors import legacy, lines_of
from tests.strategies import Given
from worker.model.item import TYPES, is_open
from worker.model.record import InRecord, OutRecord
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.projections.projection import Latest
from worker.projections.table import PROJECTIONS
from worker.projections.threads import THREADS, TITLE_CHARS_MAX
from worker.replay import Replay
from worker.runtime.append import Appends
from worker.runtime.parking import Fault
from worker.runtime.task import PartitionTask
from worker.store.memory import MemoryStore

ROLLOUTS = Path(__file__).parents[4] / "shared" / "rollouts"
INSTALLED = [*PROJECTIONS.values(), THREADS]
CHILD, PARENT = "019b0000-5000-7000-8000-00000000000b", "019b0000-0000-7000-8000-00000000000a"
OLD, OWN = "019a0000-9000-7000-8000-00000000000c", "019b0000-6000-7000-8000-00000000000c"


def replay() -> Replay:
    return Replay("t", Appends(factories.DECODER, Pipeline(INSTALLED, redact=False)))


def row(*lines: bytes) -> Any:
    """Return the row of a thread's lines."""
    replayed = replay()
    list(replayed.mutations(lines))
    (found,) = replayed.latest()
    return found.value


def counted(replayed: Replay) -> dict[str, Any]:
    """Count what the turns hold, from scratch."""
    thread = replayed.thread
    turns = list(thread.turns())
    rows = [thread.item(turn.number, at) for turn in turns for at in range(turn.items)]
    return {
        "turns": len(turns),
        "inheritedTurns": sum(turn.origin is not None for turn in turns),
        "items": dict(Counter(kind if kind in TYPES else "other" for kind in (found.value["type"] for found in rows))),
        "inheritedItems": sum(found.origin is not None for found in rows),
        "openItems": sum(is_open(found.value) for found in rows),
        "lastTurnStatus": turns[0].status if turns else None,
        "asOfSequence": thread.header.sequence,
    }


def shown(replayed: Replay) -> dict[str, Any]:
    THREADS.touch(replayed.thread, {})
    (found,) = replayed.latest()
    return {name: found.value[name] for name in counted(replayed)}


def test_it_is_a_projection_that_shows_the_latest() -> None:
    assert isinstance(THREADS, Latest)
    assert not any(isinstance(found, Latest) for found in PROJECTIONS.values())


@settings(max_examples=300)
@given(strategies.threads() | strategies.twins() | strategies.sessions())
def test_a_row_equals_a_count_from_scratch(lines: list[Given]) -> None:
    replayed = replay()
    list(replayed.mutations(found.text for found in lines))

    assert shown(replayed) == counted(replayed)


def test_the_rows_of_the_vectors_equal_counts_from_scratch() -> None:
    for case in legacy():
        replayed = replay()
        list(replayed.mutations(lines_of(case["input"])))
        assert shown(replayed) == counted(replayed), case["name"]


@pytest.mark.skipif(not ROLLOUTS.is_dir(), reason="real rollouts are not part of the project")
def test_the_rows_of_real_rollouts_equal_counts_from_scratch() -> None:
    files = [file for file in ROLLOUTS.rglob("*.jsonl") if file.is_file()]
    for file in files:
        replayed = replay()
        list(replayed.mutations(file.read_bytes().splitlines()))
        assert shown(replayed) == counted(replayed), file.name

    assert len(files) > 50


def test_a_row_tells_the_session_the_model_the_title_and_the_tokens() -> None:
    meta = {
        "id": CHILD,
        "forked_from_id": PARENT,
        "source": {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "depth": 1}}},
        "cwd": "/w",
        "cli_version": "0.147.0",
        "git": {"commit_hash": "abc", "branch": "main", "repository_url": "https://host/repo", "more": 1},
    }
    usage = {"input_tokens": 5, "cached_input_tokens": 1, "output_tokens": 2, "total_tokens": 7}
    found = row(
        line("session_meta", meta, timestamp="2026-06-04T00:00:01Z"),
        line("session_meta", {"id": PARENT, "cwd": "/elsewhere"}, timestamp="2026-06-04T00:00:09Z"),
        line("turn_context", {"model": "m1", "cwd": "/x"}),
        line("turn_context", {"model": "m2"}),
        event("task_started", turn_id=OWN),
        event("user_message", message="  fix\n the   bug "),
        event("user_message", message="and more"),
        event("exec_command_begin", turn_id=OWN),
        event("token_count", info={"total_token_usage": usage}),
        event("token_count", info=None),
        event("thread_name_updated", thread_name="my thread"),
    )

    assert {name: one for name, one in found.items() if name != "source"} == {
        "schemaVersion": 1,
        "threadId": "t",
        "generation": 0,
        "asOfSequence": 6,
        "reducerVersion": 1,
        "parentThreadId": PARENT,
        "forkedFromId": PARENT,
        "kind": "subAgent",
        "historyMode": "legacy",
        "cwd": "/w",
        "model": "m2",
        "cliVersion": "0.147.0",
        "git": {"commitHash": "abc", "branch": "main", "repositoryUrl": "https://host/repo"},
        "title": "fix the bug",
        "name": "my thread",
        "createdAtMs": factories.TIMESTAMP_MS + 1_000,
        "lastActivityAtMs": factories.TIMESTAMP_MS + 1_000,
        "turns": 1,
        "inheritedTurns": 0,
        "rolledBackTurns": 0,
        "lastTurnStatus": "inProgress",
        "items": {"userMessage": 2, "commandExecution": 1},
        "inheritedItems": 0,
        "openItems": 1,
        "tokensUsed": {
            "inputTokens": 5,
            "cachedInputTokens": 1,
            "outputTokens": 2,
            "reasoningOutputTokens": None,
            "totalTokens": 7,
        },
    }


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("cli", "main"),
        ("exec", "exec"),
        (None, "main"),
        ({"subagent": "review"}, "review"),
        ({"subagent": "compact"}, "subAgent"),
        ({"subagent": {"other": "x"}}, "subAgent"),
    ],
)
def test_the_kind_of_a_thread_is_told_by_its_source(source: Any, kind: str) -> None:
    assert row(line("session_meta", {"id": CHILD, "source": source}))["kind"] == kind


def test_the_title_is_the_threads_own_first_message_else_the_first_it_inherited() -> None:
    forked = line("session_meta", {"id": CHILD, "forked_from_id": PARENT})
    copied = [event("task_started", turn_id=OLD), event("user_message", message="old"), event("user_message")]
    own = [event("task_started", turn_id=OWN), event("user_message", message="new"), event("user_message")]

    assert row(forked, *copied)["title"] == "old"
    assert row(forked, *copied, *own)["title"] == "new"
    assert row(forked, *copied, *own)["inheritedItems"] == 2


def test_a_long_title_is_cut_and_an_empty_message_is_none() -> None:
    found = row(event("user_message", message=" "), event("user_message", message="x" * 300))["title"]

    assert (len(found), found[-2:]) == (TITLE_CHARS_MAX, "x…")


def test_a_rollback_takes_what_it_removes_out_of_the_counts() -> None:
    turn = [event("task_started", turn_id="b"), event("user_message"), event("web_search_begin")]
    found = row(event("task_started"), event("agent_message"), *turn, event("thread_rolled_back"))

    assert (found["turns"], found["items"], found["openItems"], found["rolledBackTurns"]) == (
        1,
        {"agentMessage": 1},
        0,
        1,
    )


def test_paginated_threads_have_rows_too() -> None:
    meta = line("session_meta", {"id": CHILD, "history_mode": "paginated"})
    found = row(meta, turn_item("AgentMessage", id="x", content=[]), event("task_complete", turn_id="a"))

    assert (found["historyMode"], found["turns"], found["items"], found["lastTurnStatus"]) == (
        "paginated",
        1,
        {"agentMessage": 1},
        "completed",
    )


# In a partition

TOPIC = "codex.threads"


def started(store: MemoryStore | None = None, **more: Any) -> PartitionTask:
    return factories.task(store, projections=INSTALLED, **more)


def commit(partition: PartitionTask) -> list[OutRecord]:
    """Commit and return the rows that show threads as they are."""
    found = partition.latest()
    partition.changed_rows()
    partition.committed(1, 1)
    return found


def values(out: list[OutRecord]) -> list[Any]:
    return [orjson.loads(one.value or b"null") for one in out if one.topic == TOPIC]


def test_a_commit_shows_each_thread_that_changed_once() -> None:
    partition = started()
    out = partition.process([record(event("task_started"), key=key) for key in (b"t", b"u", b"t")]).out
    first = commit(partition)
    # Ordinals are remembered, nothing is shown.
    partition.process([record(event("stream_error"), key=b"t"), record(b"{", key=b"u")])
    second = commit(partition)
    partition.process([record(event("agent_message"), key=b"u", offset=9)])
    third = commit(partition)

    assert {one.topic for one in out} == {"codex.turn-summaries", "codex.thread-lifecycle"}
    assert [(one.key, dict(one.headers)["thw-sequence"]) for one in first] == [(b"t", b"4"), (b"u", b"2")]
    assert second == []
    assert [(one["threadId"], one["asOfSequence"], one["source"]["offset"]) for one in values(third)] == [("u", 4, 9)]


def test_an_aborted_transaction_is_not_shown() -> None:
    partition = started()
    partition.process([record(event("task_started"))])
    commit(partition)
    partition.process([record(event("agent_message"))])
    partition.latest()
    partition.forget()
    partition.process([record(event("user_message", message="hi"))])

    assert [(one["items"], one["title"]) for one in values(commit(partition))] == [({"userMessage": 1}, "hi")]


def test_a_row_goes_on_from_the_store() -> None:
    store = MemoryStore()
    first, second = started(store), started(store)
    first.process([record(event("user_message", message="hi"))])
    commit(first)
    second.process([record(event("agent_message"))])

    (found,) = values(commit(second))
    assert (found["title"], found["items"]) == ("hi", {"userMessage": 1, "agentMessage": 1})


def test_a_forgotten_threads_row_is_null() -> None:
    partition = started()
    partition.process([record(event("user_message"))])
    commit(partition)
    out = partition.process([record(None, offset=5)]).out
    after = commit(partition)
    partition.process([record(event("agent_message"), offset=6)])

    assert [(one.key, one.value) for one in out if one.topic == TOPIC] == [(b"t", None)]
    assert after == []
    assert [(one["items"], one["generation"]) for one in values(commit(partition))] == [({"agentMessage": 1}, 6)]


def test_a_parked_thread_says_so_until_it_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parked = factories.Parked()
    partition = started(parked=parked)
    bad = record(event("agent_message", message="bad"), offset=1)
    partition.process([record(event("user_message"))])
    commit(partition)
    partition._parking.learn(bad, Fault("reduce", "a test"))
    parked.add(partition.process([bad]).out)
    shown_parked = values(commit(partition))
    partition._parking.forget_before(2)
    partition.process([_unpark(2)])

    (taken_up,) = values(commit(partition))
    assert [(one["parked"], one["items"]) for one in shown_parked] == [(True, {"userMessage": 1})]
    assert (taken_up["parked"], taken_up["items"]) == (False, {"userMessage": 1, "agentMessage": 1})


def _unpark(offset: int) -> InRecord:
    return record(None, offset=offset, headers=[("thw-control", b"unpark")])


def test_a_thread_that_is_parked_from_its_first_record_on_has_a_row() -> None:
    partition = started()
    bad = record(event("agent_message"), offset=7)
    partition._parking.learn(bad, Fault("reduce", "a test"))
    partition.process([bad])

    (found,) = values(commit(partition))
    assert (found["parked"], found["turns"], found["source"]["offset"]) == (True, 0, 7)


def test_types_that_are_not_known_are_counted_together() -> None:
    meta = line("session_meta", {"id": CHILD, "history_mode": "paginated"})
    found = row(meta, turn_item("Holo", id="x"), turn_item("Gram", id="y"), turn_item("Plan", id="p", text=""))

    assert found["items"] == {"other": 2, "plan": 1}


def test_a_thread_of_which_nothing_is_known_has_no_row() -> None:
    thread = Thread("t")

    assert THREADS.latest(thread) is None
