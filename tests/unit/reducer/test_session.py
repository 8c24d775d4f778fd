"""Forked and spawned threads: what was copied is told, and told from where (D19, D21)."""

from typing import Any

import pytest

from tests import factories
from tests.factories import event, line
from tests.unit.reducer.test_paginated import user
from worker.replay import Replay

PARENT, CHILD = "019b0000-0000-7000-8000-00000000000a", "019b0000-5000-7000-8000-00000000000b"
OLD, OLDER, OWN, LATER = (
    f"{begin}-7000-8000-00000000000c" for begin in ("019a0000-9000", "019a0000-1000", "019b0000-6000", "019b0000-7000")
)
FORKED = line("session_meta", {"id": CHILD, "forked_from_id": PARENT})
SPAWNED = line(
    "session_meta", {"id": CHILD, "source": {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "depth": 1}}}}
)
COPIED_META = line("session_meta", {"id": PARENT})


def turn(turn_id: str, *, ends: bool = True) -> list[bytes]:
    lines = [event("task_started", turn_id=turn_id), event("user_message"), event("agent_message")]
    return [*lines, event("task_complete", turn_id=turn_id)] if ends else lines


def inherited(*lines: bytes) -> dict[str, str | None]:
    """Return where each row of a turn and an item was copied from, by key."""
    mutations = Replay("t", factories.appends()).mutations(lines)
    rows = {one.key: one.value for one in mutations if one.projection != "lifecycle"}
    assert all(row["inherited"] == ("originThreadId" in row) for row in rows.values())
    return {key.removeprefix("t/"): row.get("originThreadId") for key, row in rows.items()}


@pytest.mark.parametrize("meta", [FORKED, SPAWNED])
def test_a_legacy_threads_copied_turns_are_inherited_and_its_own_are_not(meta: bytes) -> None:
    found = inherited(meta, COPIED_META, *turn(OLDER), *turn(OLD, ends=False), *turn(OWN))

    assert {key: origin for key, origin in found.items() if origin} == dict.fromkeys(
        (key for key in found if not key.startswith(OWN)), PARENT
    )
    assert len(found) == 9


def test_without_the_parents_session_the_turns_ids_tell() -> None:
    found = inherited(FORKED, *turn(OLD), *turn(OWN))

    assert [origin for key, origin in found.items() if "/" not in key] == [PARENT, None]


def test_what_was_copied_without_turns_ends_with_the_first_turn_of_its_own() -> None:
    found = inherited(FORKED, COPIED_META, event("user_message"), event("agent_message"), *turn(OWN))

    assert found == {
        "rollout-2": PARENT,
        "rollout-2/item-1": PARENT,
        "rollout-2/item-2": PARENT,
        OWN: None,
        f"{OWN}/item-3": None,
        f"{OWN}/item-4": None,
    }


def test_a_turn_context_ends_what_was_copied_too() -> None:
    own = line("turn_context", {"turn_id": OWN})
    found = inherited(FORKED, COPIED_META, event("user_message"), event("turn_aborted"), own, event("agent_message"))

    assert [origin for key, origin in found.items() if "/" in key] == [PARENT, None]


def test_a_spawned_agent_that_copied_nothing_inherits_nothing() -> None:
    assert set(inherited(SPAWNED, COPIED_META, *turn(OWN)).values()) == {None}


def test_a_fork_of_a_fork_inherits_from_the_one_it_was_forked_from() -> None:
    grandparent = "019a0000-0000-7000-8000-00000000000d"
    metas = [FORKED, line("session_meta", {"id": PARENT, "forked_from_id": grandparent})]
    found = inherited(*metas, line("session_meta", {"id": grandparent}), *turn(OLD), *turn(OWN))

    assert {origin for key, origin in found.items() if key.startswith(OLD)} == {PARENT}
    assert {origin for key, origin in found.items() if key.startswith(OWN)} == {None}


def test_sessions_in_one_file_each_tell_their_own_copies() -> None:
    first = line("session_meta", {"id": PARENT})
    found = inherited(first, *turn("019b0000-1000-7000-8000-00000000000c"), FORKED, COPIED_META, *turn(OLD), *turn(OWN))

    assert [origin for key, origin in found.items() if "/" not in key] == [None, PARENT, None]


@pytest.mark.parametrize("ids", ["short", "00000000-0000-4000-8000-000000000000"])
def test_ids_that_do_not_tell_their_time_leave_a_turn_the_threads_own(ids: str) -> None:
    assert set(inherited(FORKED, COPIED_META, *turn(ids)).values()) == {None}


def test_lines_of_a_paginated_thread_below_the_stated_ordinal_are_inherited() -> None:
    meta: dict[str, Any] = {"id": CHILD, "forked_from_id": PARENT, "history_mode": "paginated"}
    first = line("session_meta", {**meta, "subagent_history_start_ordinal": 3})
    found = inherited(
        first,
        event("task_started", turn_id=OLD),
        user("u", turn_id=OLD),
        user("v", turn_id=OLD),
        event("task_started", turn_id=OWN),
    )

    assert found == {OLD: PARENT, f"{OLD}/u": PARENT, f"{OLD}/v": None, OWN: None}


def test_copies_of_a_thread_that_is_not_named_are_inherited() -> None:
    meta = {"id": CHILD, "history_mode": "paginated", "source": {"subagent": "review"}}
    first = line("session_meta", {**meta, "subagent_history_start_ordinal": 3})
    lines = [first, user("u", turn_id=OLD), user("v", turn_id=OLD), user("w", turn_id=OWN)]
    rows = {one.key: one.value for one in Replay("t", factories.appends()).mutations(lines)}

    assert [row["inherited"] for row in rows.values()] == [True, True, True, False, False]
    assert not any("originThreadId" in row for row in rows.values())


def test_a_thread_that_comes_from_nowhere_inherits_nothing() -> None:
    assert set(inherited(line("session_meta", {"id": CHILD}), COPIED_META, *turn(OLD)).values()) == {None}


@pytest.mark.parametrize(
    "odd", [{}, {"id": 5}, {"id": CHILD, "source": 5, "git": "x", "forked_from_id": {}}, {"history_mode": []}]
)
def test_no_session_is_rejected_for_what_it_says(odd: dict[str, Any]) -> None:
    replay = Replay("t", factories.appends())
    list(replay.mutations([line("session_meta", odd), event("agent_message")]))

    assert (replay.rejections, replay.turns()[0]["id"]) == (0, "rollout-1")


def test_a_name_takes_no_index() -> None:
    replay = Replay("t", factories.appends())
    list(replay.mutations([event("thread_name_updated", thread_name="n"), event("agent_message")]))

    assert replay.turns()[0]["id"] == "rollout-0"
