"""What was said: user and agent messages, reasoning, compactions, hook prompts (R30–R34, R37, D8)."""

from typing import Any

import pytest

from tests.factories import Story, checked, compacted, decoded, event, hook_prompt, line, message
from worker.reducer.messages import user_content

STARTED = event("task_started", turn_id="a")
USER = event("user_message")
RAW = event("agent_reasoning_raw_content")
THOUGHT = event("agent_reasoning")


# R30


def test_in_an_explicit_turn_several_user_messages_share_the_turn_whatever_its_status() -> None:
    story = Story(STARTED, USER, event("turn_aborted"), USER)

    assert story.ids() == [("a", ["item-1", "item-2"])]


def test_without_turn_events_every_user_message_starts_a_turn() -> None:
    story = Story(event("agent_message"), USER, event("agent_message"), USER)

    assert story.ids() == [("rollout-0", ["item-1"]), ("rollout-1", ["item-2", "item-3"]), ("rollout-3", ["item-4"])]


def test_a_user_message_joins_a_turn_that_only_saw_a_compaction() -> None:
    story = Story(compacted(), USER, USER, compacted(), USER)

    assert story.ids() == [("rollout-0", ["item-1"]), ("rollout-2", ["item-2"]), ("rollout-4", ["item-3"])]


def test_a_user_message_shows_all_it_holds_in_order() -> None:
    content = user_content(
        checked(
            "user_message",
            message=" x ",
            images=["u", "v"],
            image_details=["low"],
            local_images=["l"],
            local_image_details=[None, "high"],
            audio=["a"],
            local_audio=["b"],
            text_elements=[
                {"byte_range": {"start": 0, "end": 2**64 - 1}},
                {"byte_range": {"start": 0, "end": 0}, "placeholder": "p"},
            ],
        )
    )

    assert content == [
        {
            "type": "text",
            "text": " x ",
            "text_elements": [
                {"byteRange": {"start": 0, "end": 2**64 - 1}, "placeholder": None},
                {"byteRange": {"start": 0, "end": 0}, "placeholder": "p"},
            ],
        },
        {"type": "image", "url": "u", "detail": "low"},
        {"type": "image", "url": "v", "detail": None},
        {"type": "localImage", "path": "l", "detail": None},
        {"type": "audio", "url": "a"},
        {"type": "localAudio", "path": "b"},
    ]


@pytest.mark.parametrize("text", ["", " ", "\u2003\u0085\n"])
def test_a_blank_text_is_left_out_and_the_item_stays(text: str) -> None:
    story = Story(event("user_message", message=text, client_id="k", images=None))

    assert story.items() == [[{"type": "userMessage", "id": "item-1", "clientId": "k", "content": []}]]


@pytest.mark.parametrize("text", ["\x1c", "\u200b", "\ufeff"])
def test_what_is_not_unicode_white_space_is_text(text: str) -> None:
    assert user_content(checked("user_message", message=text)) == [{"type": "text", "text": text, "text_elements": []}]


@pytest.mark.parametrize(
    "fields",
    [
        {"image_details": ["x"]},
        {"local_audio": None},
        {"text_elements": None},
        {"text_elements": [{"byte_range": {"start": -1, "end": 0}}]},
        {"client_id": 5},
    ],
)
def test_a_user_message_of_a_bad_shape_is_rejected(fields: dict[str, Any]) -> None:
    assert decoded(event("user_message", **fields)).status == "rejected"


# R31


def test_an_agent_message_shows_its_phase_and_what_it_rests_on() -> None:
    entry = {"path": "p", "lineStart": 1, "lineEnd": 2, "note": "n"}
    citation = {"entries": [{**entry, "more": 1}], "rolloutIds": ["r"]}
    story = Story(event("agent_message", phase="final_answer", memory_citation=citation))

    assert story.items() == [
        [
            {
                "type": "agentMessage",
                "id": "item-1",
                "text": "hi",
                "phase": "final_answer",
                "memoryCitation": {"entries": [entry], "threadIds": ["r"]},
            }
        ]
    ]


def test_an_empty_agent_message_does_nothing_at_all() -> None:
    story = Story(event("agent_message", message=""), event("agent_message", message=" "))

    assert story.ids() == [("rollout-1", ["item-1"])]


# R32, R33


def reasoning(*, summary: list[str], content: list[str], number: int = 1) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"item-{number}", "summary": summary, "content": content}


def test_fragments_of_both_sorts_share_a_run_whatever_their_order() -> None:
    story = Story(STARTED, RAW, THOUGHT, RAW, event("token_count"), event("turn_aborted"), THOUGHT)

    assert story.items() == [[reasoning(summary=["hm", "hm"], content=["raw", "raw"])]]


def test_a_run_that_grows_is_told_whole_each_time() -> None:
    story = Story(STARTED, THOUGHT)

    told = [value["materializedThreadItem"] for _, value in story.tell(RAW, THOUGHT)]

    assert told == [
        reasoning(summary=["hm"], content=["raw"]),
        reasoning(summary=["hm", "hm"], content=["raw"]),
    ]


def test_an_item_between_ends_a_run_and_an_update_of_an_earlier_item_does_not() -> None:
    story = Story(
        STARTED,
        event("exec_command_begin"),
        THOUGHT,
        event("exec_command_end"),
        THOUGHT,
        event("web_search_begin", call_id="w"),
        THOUGHT,
    )

    assert story.ids() == [("a", ["c", "item-1", "w", "item-2"])]


def test_a_new_turn_ends_a_run() -> None:
    story = Story(STARTED, THOUGHT, event("task_started", turn_id="b"), THOUGHT)

    assert story.ids() == [("a", ["item-1"]), ("b", ["item-2"])]


def test_a_run_goes_on_in_a_turn_that_a_late_item_joined_elsewhere() -> None:
    story = Story(
        STARTED, event("task_started", turn_id="b"), THOUGHT, event("exec_command_begin", turn_id="a"), THOUGHT
    )

    assert story.ids() == [("a", ["c"]), ("b", ["item-1"])]


@pytest.mark.parametrize("kind", ["agent_reasoning", "agent_reasoning_raw_content"])
def test_empty_reasoning_does_nothing_at_all(kind: str) -> None:
    story = Story()

    assert (story.tell(event(kind, text="")), story.turns()) == ([], [])


def test_reasoning_opens_an_implicit_turn() -> None:
    assert Story(RAW).items() == [[reasoning(summary=[], content=["raw"])]]


# R34


def test_a_compaction_event_is_an_item() -> None:
    assert Story(event("context_compacted")).items() == [[{"type": "contextCompaction", "id": "item-1"}]]


# R37


def test_a_hook_prompt_is_an_item_of_the_open_turn_and_takes_no_number() -> None:
    story = Story(STARTED, hook_prompt(id="h"), USER)

    assert story.items()[0][0] == {
        "type": "hookPrompt",
        "id": "h",
        "fragments": [{"text": "do it", "hookRunId": "run"}],
    }
    assert story.ids() == [("a", ["h", "item-1"])]


def test_a_hook_prompt_without_an_id_is_named_after_its_line() -> None:
    story = Story(event("token_count"), hook_prompt(), hook_prompt(id=None), hook_prompt(id=""))

    assert story.ids() == [("rollout-1", ["hook-1", "hook-2", ""])]


def test_a_hook_prompt_of_a_known_id_is_pushed_beside_it() -> None:
    story = Story(STARTED, hook_prompt("1", id="h"), hook_prompt("2", id="h"))

    assert [item["fragments"][0]["text"] for item in story.items()[0]] == ["1", "2"]


def test_a_user_message_after_a_hook_prompt_opens_another_implicit_turn() -> None:
    assert Story(hook_prompt(id="h"), USER).ids() == [("rollout-0", ["h"]), ("rollout-1", ["item-1"])]


@pytest.mark.parametrize(
    "text",
    [
        message("plain"),
        hook_prompt().replace(b'"user"', b'"assistant"'),
        line("response_item", {"type": "message", "role": "user", "content": []}),
        hook_prompt().replace(b"input_text", b"output_text"),
        line(
            "response_item",
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": '<h hook_run_id="r">x</h>'},
                    {"type": "input_image", "image_url": "u"},
                ],
            },
        ),
    ],
)
def test_any_other_message_takes_its_index_and_shows_nothing(text: bytes) -> None:
    story = Story()

    assert (story.tell(text), story.turns(), story.thread.header.rollout_index) == ([], [], 1)
