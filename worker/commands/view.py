"""Threads as people read them: turns and items as a table, an item in a line."""

from collections.abc import Callable, Iterable
from typing import Any

from rich import box
from rich.table import Table

from worker.commands.options import out, plain

_TEXT_MAX = 100
_STATUS_STYLES = {
    "completed": "green",
    "inProgress": "yellow",
    "interrupted": "magenta",
    "failed": "red",
    "declined": "magenta",
}


def shortened(text: str, length: int = _TEXT_MAX) -> str:
    """Return a text on one line, cut at the end."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _user(item: Any) -> str:
    return " ".join(part.get("text") or f"[{part['type']}]" for part in item["content"])


def _reasoning(item: Any) -> str:
    return " ".join(item["summary"] or item["content"])


def _command(item: Any) -> str:
    code = "" if item["exitCode"] is None else f" → exit {item['exitCode']}"
    return f"$ {item['command']}{code}"


def _patch(item: Any) -> str:
    return ", ".join(f"{change['kind']['type']} {change['path']}" for change in item["changes"])


_SUMMARIES: dict[str, Callable[[Any], str]] = {
    "userMessage": _user,
    "hookPrompt": lambda item: " ".join(part["text"] for part in item["fragments"]),
    "agentMessage": lambda item: item["text"],
    "plan": lambda item: item["text"],
    "reasoning": _reasoning,
    "commandExecution": _command,
    "fileChange": _patch,
    "mcpToolCall": lambda item: f"{item['server']}.{item['tool']}",
    "dynamicToolCall": lambda item: item["tool"],
    "collabAgentToolCall": lambda item: item["tool"],
    "subAgentActivity": lambda item: f"{item['kind']} {item['agentPath']}",
    "webSearch": lambda item: item["query"],
    "imageView": lambda item: item["path"],
    "imageGeneration": lambda item: item["revisedPrompt"] or "",
    "sleep": lambda item: f"{item['durationMs']} ms",
    "enteredReviewMode": lambda item: item["review"],
    "exitedReviewMode": lambda item: item["review"],
}


def item_text(item: Any) -> str:
    """Return what an item says, in a line."""
    summary = _SUMMARIES.get(item["type"])
    return shortened(summary(item)) if summary else ""


def styled(status: str | None) -> str:
    """Return a status in its colour, as markup."""
    if not status:
        return ""
    style = _STATUS_STYLES.get(status, "default")
    return f"[{style}]{plain(status)}[/{style}]"


def turns_table(title: str, turns: Iterable[Any]) -> Table:
    """Return a thread as a table: a row for each turn, and below it one for each of its items."""
    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD, expand=out.is_terminal)
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("turn / item", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("what", ratio=1, overflow="ellipsis", no_wrap=True)
    for number, turn in enumerate(turns, 1):
        error = turn["error"]
        what = f"[red]{plain(shortened(error['message']))}[/red]" if error else _took(turn["durationMs"])
        table.add_row(
            f"[bold]{number}[/bold]", f"[bold]{plain(shortened(turn['id'], 36))}[/bold]", styled(turn["status"]), what
        )
        for position, item in enumerate(turn["items"]):
            table.add_row(str(position), f"  {item['type']}", styled(item.get("status")), plain(item_text(item)))
        table.add_section()
    return table


def _took(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f"[dim]{duration_ms / 1000:.1f} s[/dim]"


def mutations_table(title: str) -> Table:
    """Return an empty table of mutations; rows come from `mutation_row`."""
    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE_HEAD, expand=out.is_terminal)
    for name, options in (("seq", {"justify": "right"}), ("projection", {}), ("kind", {}), ("key", {})):
        table.add_column(name, no_wrap=True, **options)  # type: ignore[arg-type]
    table.add_column("what", ratio=1, overflow="ellipsis", no_wrap=True)
    return table


def mutation_row(projection: str, key: str, value: Any) -> tuple[str, ...]:
    """Return the cells of a mutation."""
    kind, what = _KINDS[projection](value)
    return (
        str(value["sequence"] if "sequence" in value else value["asOfSequence"]),
        projection,
        plain(kind),
        plain(key.partition("/")[2]),
        what,
    )


_KINDS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "thread_item": lambda value: (
        value["mutationKind"] + (" (open)" if value["isOpen"] else ""),
        f"{value['itemType']}: {plain(item_text(value['materializedThreadItem']))}",
    ),
    "turn_summary": lambda value: ("removed" if value["removed"] else "changed", styled(value["mutation"]["status"])),
    "lifecycle": lambda value: (value["eventType"], ""),
    "thread": lambda value: (value["kind"], plain(shortened(value["title"] or ""))),
}


def thread_text(row: Any) -> str:
    """Return a row of the thread index on two lines."""
    items = ", ".join(f"{count} {kind}" for kind, count in sorted(row["items"].items()))
    from_ = row["forkedFromId"] or row["parentThreadId"]
    about = [
        row["kind"] + (f" of {from_}" if from_ else ""),
        row["historyMode"],
        row["model"],
        row["cwd"],
        f"{row['turns']} turns" + (f", {row['inheritedTurns']} inherited" if row["inheritedTurns"] else ""),
        items,
    ]
    title = plain(shortened(row["name"] or row["title"] or "(no message)"))
    lines = f"[bold]{plain(row['threadId'])}[/bold]  {title}", plain(" · ".join(part for part in about if part))
    return "\n  ".join(lines)
