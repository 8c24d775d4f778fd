"""Made-up threads to measure with: realistic in kinds and sizes, the same for the same seed."""

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson

_TEXT = """
the worker reads a line and folds it into its thread then the projections observe what has changed and yield mutations
that a transaction carries to the topics together with the rows of the state and the offsets of the input
"""
_WORDS = _TEXT.split()
_CWD = "/home/user/project"


def thread_id(number: int) -> str:
    """Return the id of the n-th made-up thread."""
    return str(UUID(int=0x0199A000_0000_7000_8000_000000000000 + number))


def lines(count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield the rollout lines of a thread: turns of about twenty lines, on average 0.7 kB each.

    Args:
        count: how many lines.
        seed: another seed, another thread.
    """
    made = _endless(random.Random(seed), thread_id(seed))
    for _ in range(count):
        yield orjson.dumps(next(made))


def _endless(chance: random.Random, thread: str) -> Iterator[dict[str, Any]]:
    meta = {"id": thread, "timestamp": _stamp(0), "cwd": _CWD, "originator": "codex_cli_rs", "cli_version": "0.140.0"}
    yield _line(0, "session_meta", meta)
    second, turn = 0, 0
    while True:
        turn += 1
        for kind, payload in _turn(chance, f"{thread[:-12]}{turn:012x}", 1_780_000_000 + second):
            second += 1
            yield _line(second, kind, payload)


def _turn(chance: random.Random, turn_id: str, started_at: int) -> Iterator[tuple[str, dict[str, Any]]]:
    event = "event_msg"
    yield event, {"type": "task_started", "turn_id": turn_id, "started_at": started_at, "model_context_window": 272000}
    yield (
        event,
        {"type": "user_message", "message": _text(chance, 400), "images": [], "local_images": [], "text_elements": []},
    )
    for step in range(4):
        yield event, {"type": "agent_reasoning", "text": _text(chance, 500)}
        call = f"call_{turn_id[-8:]}_{step}"
        begin = {
            "type": "exec_command_begin",
            "call_id": call,
            "turn_id": turn_id,
            "command": ["/bin/bash", "-lc", f"rg -n '{_text(chance, 20)}' src | head -n 40"],
            "cwd": _CWD,
            "parsed_cmd": [{"type": "search", "cmd": "rg -n words src", "query": "words", "path": "src"}],
            "process_id": str(4000 + step),
            "source": "agent",
        }
        yield event, begin
        yield (
            event,
            {
                **begin,
                "type": "exec_command_end",
                "stdout": "",
                "stderr": "",
                "aggregated_output": _text(chance, 900),
                "exit_code": 0,
                "duration": {"secs": 1, "nanos": 250_000_000},
                "formatted_output": "",
                "status": "completed",
            },
        )
        yield event, {"type": "token_count", "info": {"total": step}, "rate_limits": None}
    yield (
        event,
        {
            "type": "patch_apply_end",
            "call_id": f"patch_{turn_id[-8:]}",
            "turn_id": turn_id,
            "stdout": "Done!",
            "stderr": "",
            "success": True,
            "changes": {
                f"{_CWD}/src/file_{number}.py": {"type": "update", "unified_diff": _text(chance, 600)}
                for number in range(2)
            },
            "status": "completed",
        },
    )
    yield (
        "response_item",
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": _text(chance, 700)}],
        },
    )
    yield event, {"type": "agent_message", "message": _text(chance, 700), "phase": "final_answer"}
    yield event, {"type": "task_complete", "turn_id": turn_id, "completed_at": started_at + 20, "duration_ms": 20_000}


def _text(chance: random.Random, length: int) -> str:
    words: list[str] = []
    size = 0
    while size < length:
        word = chance.choice(_WORDS)
        words.append(word)
        size += len(word) + 1
    return " ".join(words)


def _stamp(second: int) -> str:
    hours, rest = divmod(second, 3600)
    return f"2026-06-{4 + hours // 24:02}T{hours % 24:02}:{rest // 60:02}:{rest % 60:02}.000Z"


def _line(second: int, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": _stamp(second), "type": kind, "payload": payload}
