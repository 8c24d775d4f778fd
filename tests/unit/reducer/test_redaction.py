"""Secrets in commands (U9, D23)."""

from typing import Any

import pytest

from tests.factories import Story, checked, event, turn_item
from worker.reducer.commands import began
from worker.reducer.redaction import redacted

MASK = "[REDACTED_SECRET]"
KEY = "AKIA" + "A1" * 8


def cleaned(text: str) -> str:
    item: Any = began(checked("exec_command_begin"))
    item["command"] = text
    shown: Any = redacted(item)
    command: str = shown["command"]
    return command


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Bearer abcdefghijklmnop", f"Bearer {MASK}"),
        ("bEARER \t abcdefghijklmn.~==", f"Bearer {MASK}"),
        ("Bearer abcdefghijklmno", "Bearer abcdefghijklmno"),
        ("xBearer abcdefghijklmnop", "xBearer abcdefghijklmnop"),
        ("éBearer abcdefghijklmnop", "éBearer abcdefghijklmnop"),
        ("Bearer\nabcdefghijklmnop", "Bearer\nabcdefghijklmnop"),
        ("sk-" + "a1" * 10, MASK),
        ("xsk-" + "a1" * 10 + "-b", f"x{MASK}-b"),
        ("sk-" + "a" * 19, "sk-" + "a" * 19),
        (f"id={KEY};", f"id={MASK};"),
        (KEY + "A", KEY + "A"),
        ("x" + KEY, "x" + KEY),
        (KEY.lower(), KEY.lower()),
        ("token=12345678", f"token={MASK}"),
        ("TOKEN : '12345678'", f"TOKEN : '{MASK}'"),
        ('api_key="12345678"', f'api_key="{MASK}"'),
        ("api-key=12345678", f"api-key={MASK}"),
        ("apikey=12345678 rest", f"apikey={MASK} rest"),
        ("secret=\n12345678", f"secret=\n{MASK}"),
        ("password=1234567", "password=1234567"),
        ("my_token=12345678", "my_token=12345678"),
        ("tokens=12345678", "tokens=12345678"),
        ("token 12345678", "token 12345678"),
        ("token='12345678 9", f"token='{MASK} 9"),
        # In this order: what the first pattern left is masked again by the last.
        ("token=sk-" + "a1" * 10, f"token={MASK}"),
        ("ls -la", "ls -la"),
    ],
)
def test_each_pattern_masks_what_it_names_and_no_more(text: str, clean: str) -> None:
    assert cleaned(text) == clean


SECRET = "token=12345678"
PARSED = [
    {"type": "search", "cmd": SECRET, "query": SECRET, "path": SECRET},
    {"type": "search", "cmd": "x"},
    {"type": "list_files", "cmd": SECRET, "path": SECRET},
    {"type": "read", "cmd": SECRET, "name": SECRET, "path": SECRET},
    {"type": "unknown", "cmd": SECRET},
]


def test_the_command_and_what_it_does_are_masked_but_for_names_and_paths() -> None:
    story = Story(
        event("task_started"),
        event("exec_command_end", command=[SECRET], parsed_cmd=PARSED, cwd=f"/{SECRET}", aggregated_output=SECRET),
        redact=True,
    )

    item = story.items()[0][0]
    masked = f"token={MASK}"
    assert (item["command"], item["cwd"], item["aggregatedOutput"]) == (f"'{masked}'", f"/{SECRET}", SECRET)
    assert item["commandActions"] == [
        {"type": "search", "command": masked, "query": masked, "path": SECRET},
        {"type": "search", "command": "x", "query": None, "path": None},
        {"type": "listFiles", "command": masked, "path": SECRET},
        {"type": "read", "command": masked, "name": SECRET, "path": f"/{SECRET}/{SECRET}"},
        {"type": "unknown", "command": masked},
    ]


@pytest.mark.parametrize(
    "line",
    [
        event("exec_command_begin", command=[SECRET]),
        event(
            "guardian_assessment",
            turn_id="a",
            action={"type": "command", "source": "shell", "command": SECRET, "cwd": "/"},
        ),
        turn_item(
            "CommandExecution", id="c", command=[SECRET], cwd="/", parsed_cmd=[], source="agent", status="completed"
        ),
    ],
)
def test_secrets_of_commands_reach_neither_state_nor_mutations(line: bytes) -> None:
    story = Story(event("task_started"), redact=True)

    told = story.tell(line)

    assert len(told) == 1
    assert "12345678" not in repr((told, story.turns(), list(story.thread.changes())))


def test_without_redaction_nothing_is_masked() -> None:
    story = Story(event("task_started"), event("exec_command_begin", command=[SECRET]))

    assert story.items()[0][0]["command"] == f"'{SECRET}'"


def test_a_command_that_differs_by_its_secret_alone_is_no_change() -> None:
    story = Story(event("task_started"), event("exec_command_begin", command=[SECRET]), redact=True)

    assert story.tell(event("exec_command_begin", command=["token=87654321"])) == []


def test_what_is_no_command_is_left_alone() -> None:
    story = Story(event("user_message", message=SECRET), redact=True)

    assert story.items()[0][0]["content"][0]["text"] == SECRET
