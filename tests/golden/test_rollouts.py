"""Real rollouts, of whichever mode: each message of a conversation shows once (D19, D21; issue: formats)."""

from pathlib import Path
from typing import Any

import pytest

from tests import factories
from worker.replay import Replay

ROLLOUTS = Path(__file__).parents[3] / "shared" / "rollouts"
FILES = sorted(ROLLOUTS.rglob("*.jsonl"))
TAGS = {"UserMessage": "userMessage", "AgentMessage": "agentMessage"}
MESSAGES = {"agent_message": "agentMessage", "user_message": "userMessage"}

pytestmark = pytest.mark.skipif(not FILES, reason="real rollouts are not part of the project")


def _said(lines: list[bytes], *, paginated: bool) -> list[tuple[str, str]]:
    """Return type and text of each message that the lines hold, as lines say it: whole items, or legacy events."""
    said: list[tuple[str, str]] = []
    for line in lines:
        read = factories.decoded(line)
        if read.status != "event":
            continue
        if (
            paginated
            and read.kind == "item_completed"
            and read.event["item"]["type"] in ("UserMessage", "AgentMessage")
        ):
            item = read.event["item"]
            name = item["type"][:1].lower() + item["type"][1:]
            said.append((name, "".join(part.get("text", "") for part in item["content"])))
        elif not paginated and read.kind in MESSAGES and (read.kind == "user_message" or read.event["message"]):
            said.append((MESSAGES[read.kind], read.event["message"].strip()))
    return sorted(said)


def _shown(turns: list[dict[str, Any]]) -> list[tuple[str, str]]:
    items = [item for turn in turns for item in turn["items"] if item["type"] in MESSAGES.values()]
    return sorted((item["type"], _text(item).strip()) for item in items)


def _text(item: Any) -> str:
    if item["type"] == "agentMessage":
        return str(item["text"])
    return "".join(part["text"] for part in item["content"] if part["type"] == "text")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name[-60:])
def test_each_message_of_a_conversation_shows_once(file: Path) -> None:
    lines = file.read_bytes().splitlines()
    replay = Replay("t", factories.appends())
    list(replay.mutations(lines))
    thread = replay.thread
    # Catalogues of lines have placeholders for ids.
    own = [turn.id for turn in thread.turns() if turn.origin is None and not turn.id.startswith("[")]

    assert _shown(replay.turns()) == _said(lines, paginated=thread.header.mode == "paginated")
    assert len(own) == len(set(own))
    if thread.header.mode == "paginated":
        assert all(turn["items"] for turn in replay.turns())
