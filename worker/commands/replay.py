"""`replay`: reduce rollout files without Kafka."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import zstandard
from rich.progress import track

from worker.app import appends
from worker.commands.options import ConfigOption, Output, OutputOption, err, out, print_json, settings
from worker.commands.tables import print_table
from worker.commands.view import mutation_row, mutations_table, thread_text, turns_table
from worker.replay import Replay
from worker.rollouts.files import RolloutFile, rollout_files
from worker.runtime.append import Tally


class Emit(StrEnum):
    """What a replay prints."""

    TURNS = "turns"
    MUTATIONS = "mutations"
    THREADS = "threads"


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Rollout files or folders of them; - reads standard input.", metavar="FILE…")
    ],
    emit: Annotated[Emit, typer.Option(help="Turns at the end, mutations on the way, or the index.")] = Emit.TURNS,
    output: OutputOption = Output.TABLE,
    redact: Annotated[
        bool | None,
        typer.Option(
            "--redact/--no-redact", help="Replace secrets in commands. \\[default: redact]", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Reduce rollout files without Kafka and print turns, mutations or the thread index: what the worker would publish.

    [bold]Examples[/bold]

      thread-history-worker replay rollout-2026-06-04T12-00-00-0199….jsonl

      thread-history-worker replay ~/.codex/sessions --output json > turns.jsonl

      thread-history-worker replay ~/.codex/sessions --emit threads

      zstdcat old.jsonl.zst | thread-history-worker replay --emit mutations --output json -
    """
    installed = ("thread",) if emit is Emit.THREADS else None
    shared = appends(settings(config, redact=redact, projections=installed))
    show = _SHOWS[emit, output]
    found = rollout_files(files)
    unreadable = 0
    for path in track(found, "Reducing", console=err, transient=True, disable=not err.is_terminal or len(found) < 2):
        try:
            file = RolloutFile(path)
            replayed = Replay(file.thread_id(), shared)
            show(file, replayed)
        except BrokenPipeError:  # whoever reads our output has enough of it
            raise
        except (OSError, zstandard.ZstdError) as error:
            unreadable += 1
            err.print(f"{path}: cannot be read: {error}", markup=False, soft_wrap=True)
            continue
        _tell_rejected(path, replayed)
    _summarise(len(found) - unreadable, shared.tally)
    if unreadable:
        raise typer.Exit(2)


def _json_turns(file: RolloutFile, replayed: Replay) -> None:
    for _ in replayed.mutations(file.lines()):
        pass
    print_json({"file": str(file.path), "threadId": replayed.thread.id, "turns": replayed.turns()})


def _json_mutations(file: RolloutFile, replayed: Replay) -> None:
    for mutation in replayed.mutations(file.lines()):
        print_json({
            "file": str(file.path),
            "threadId": replayed.thread.id,
            "projection": mutation.projection,
            "sequence": mutation.sequence,
            "key": mutation.key,
            "value": mutation.value,
        })  # fmt: skip


def _table_turns(file: RolloutFile, replayed: Replay) -> None:
    for _ in replayed.mutations(file.lines()):
        pass
    print_table(out, turns_table(f"{file.path} · thread {replayed.thread.id}", replayed.turns()))


def _table_mutations(file: RolloutFile, replayed: Replay) -> None:
    table = mutations_table(f"{file.path} · thread {replayed.thread.id}")
    for mutation in replayed.mutations(file.lines()):
        table.add_row(*mutation_row(mutation.projection, mutation.key, mutation.value))
    print_table(out, table)


def _rows(file: RolloutFile, replayed: Replay) -> list[Any]:
    for _ in replayed.mutations(file.lines()):
        pass
    return [found.value for found in replayed.latest()]


def _json_threads(file: RolloutFile, replayed: Replay) -> None:
    for found in _rows(file, replayed):
        print_json({"file": str(file.path), "threadId": replayed.thread.id, "value": found})


def _table_threads(file: RolloutFile, replayed: Replay) -> None:
    for found in _rows(file, replayed):
        out.print(thread_text(found), soft_wrap=True)


_SHOWS = {
    (Emit.TURNS, Output.JSON): _json_turns,
    (Emit.TURNS, Output.TABLE): _table_turns,
    (Emit.MUTATIONS, Output.JSON): _json_mutations,
    (Emit.MUTATIONS, Output.TABLE): _table_mutations,
    (Emit.THREADS, Output.JSON): _json_threads,
    (Emit.THREADS, Output.TABLE): _table_threads,
}


def _tell_rejected(path: Path, replayed: Replay) -> None:
    for rejected in replayed.rejected:
        err.print(f"{path}:{rejected.line}: rejected: {rejected.error}", markup=False, soft_wrap=True)
    more = replayed.rejections - len(replayed.rejected)
    if more:
        err.print(f"{path}: … and {more} more lines rejected", markup=False, soft_wrap=True)


_ORDINALS = {
    "repeated": "lines that came twice",
    "conflict": "ordinals that came before with another line",
    "gap": "gaps in the ordinals",
    "late": "lines out of order",
}


def _summarise(files: int, tally: Tally) -> None:
    """Say on standard error what became of the lines, kinds that are not known by name."""
    lines = {which: count for (what, which), count in tally.items() if what == "lines"}
    unknown = Counter({which: count for (what, which), count in tally.items() if what == "unknown"})
    parts = [f"{files} files", f"{sum(lines.values())} lines"]
    parts += [f"{lines.get(status, 0)} {status}" for status in ("rejected", "unknown")]
    parts += [f"{count} {_ORDINALS[which]}" for (what, which), count in tally.items() if what == "ordinals"]
    err.print(" · ".join(parts) + _named(unknown), markup=False, soft_wrap=True)


def _named(unknown: Counter[str]) -> str:
    names = ", ".join(f"{name} ({count})" for name, count in unknown.most_common())
    return f" · unknown kinds: {names}" if names else ""
