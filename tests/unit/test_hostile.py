"""Input that means harm: it is refused, or costs no more than its size (docs/security.md)."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.factories import checked
from worker.codec.appends import AppendDecoder
from worker.codec.lines import LineDecoder
from worker.codec.schemas import APPEND, schema
from worker.commands.options import plain
from worker.commands.view import shortened
from worker.errors import UnreadableError
from worker.model.digests import admit
from worker.model.thread import Thread
from worker.reducer.commands import began
from worker.reducer.hook_prompt import fragments_of
from worker.reducer.redaction import redacted
from worker.reducer.shell import shell_join
from worker.rollouts.files import content, split

# Whatever takes the square of this takes minutes.
SIZE = 400_000
pytestmark = pytest.mark.timeout(60)


def filled(text: str, size: int = SIZE) -> str:
    return text * (size // len(text))


@pytest.mark.parametrize(
    "text",
    [
        filled("["),
        filled('{"a":') + "1" + filled("}", SIZE // 5),
        '{"a":' + filled("9") + "}",
        '{"a":1e' + filled("9") + "}",
        '{"a":' + filled("[", 200) + filled("]", 200) + "," + filled('"b":[],') + '"c":1}',
    ],
    ids=["arrays", "objects", "digits", "exponent", "deep and wide"],
)
def test_deep_json_and_endless_numbers_are_refused(text: str) -> None:
    read = LineDecoder().decode(text.encode())

    assert read.status == "rejected"
    assert len(read.error) < 100


COMMANDS = [
    "token" + filled(" "),
    filled("token "),
    "bearer " + filled(" \t"),
    filled("bearer"),
    filled("sk-"),
    filled("AKIA"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:8])
def test_no_command_is_long_to_look_for_secrets_in(command: str) -> None:
    item: Any = began(checked("exec_command_begin"))
    item["command"] = command

    assert redacted(item) == item


OPENED = "<hook_prompt hook_run_id='x'>"
PROMPTS = {
    "spaces": "<hook_prompt" + filled(" "),
    "attributes": "<hook_prompt" + filled(" a='b'"),
    "a name": "<hook_prompt " + filled("a"),
    "a document type": "<!DOCTYPE " + filled('"a"') + '"',
    "document types": filled("<!DOCTYPE x>"),
    "comments": filled("<!---->"),
    "open comments": OPENED + filled("<!--"),
    "open data": OPENED + filled("<![CDATA["),
    "references": OPENED + filled("&a") + "</hook_prompt>",
    "many pieces": OPENED + filled("<!---->") + "</hook_prompt>",
}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_no_hook_prompt_is_long_to_read(prompt: str) -> None:
    assert fragments_of([PROMPTS[prompt]]) is None


@pytest.mark.parametrize("word", ["'", "^", "$'", "a'b^$`"])
def test_no_word_of_a_command_is_long_to_quote(word: str) -> None:
    assert len(shell_join([filled(word, SIZE // 2)])) < 3 * SIZE


def test_a_file_that_unpacks_to_gigabytes_is_read_piece_by_piece(tmp_path: Path) -> None:
    file = tmp_path / "bomb.jsonl.zst"
    file.write_bytes(zstandard.compress(bytes(1 << 29)))
    tracemalloc.start()
    pieces = [(len(kept), size) for kept, size, _ in split(content(file), 1 << 20)]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert pieces[0][1] == 1 << 29
    assert most < 1 << 27


@pytest.mark.parametrize("claimed", [1 << 40, (1 << 63) - 1, -1, -(1 << 40)])
def test_an_append_that_claims_more_than_it_has_is_refused(claimed: int) -> None:
    zigzag = (claimed << 1) ^ (claimed >> 63)
    length = bytearray()
    while zigzag > 0x7F:
        length.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    length.append(zigzag)
    with pytest.raises(UnreadableError):
        AppendDecoder().decode(b"\xc3\x01" + schema(APPEND).fingerprint + bytes(length) + b"id")


def test_ordinals_as_far_apart_as_can_be_cost_a_row_each() -> None:
    thread = Thread("t")
    seen = [admit(thread, ordinal, bytes(8)) for ordinal in (2**63 - 1, 0, 2**62, 5, 2**63 - 1)]
    rows = [row for row in (thread.get(f"d/{ordinal // 32}") for ordinal in (2**63 - 1, 0, 2**62)) if row]

    assert seen == ["gap", "late", "late", "late", "repeated"]
    assert max(len(row) for row in rows) <= 4 + 32 * 8


def test_what_a_payload_says_to_the_terminal_is_shown_and_not_done() -> None:
    title = "a\x1b]0;owned\x07\x9b31m [bold]b\x7f"

    assert plain(shortened(title)) == "a�]0;owned��31m \\[bold]b�"
