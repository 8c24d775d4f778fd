"""`verify`: the mutation topics against a reduction of the input from scratch."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track

from worker import app, sinks
from worker.commands.dead_letters import parked_threads
from worker.commands.options import (
    ConfigOption,
    GroupOption,
    Output,
    OutputOption,
    PrefixOption,
    ServersOption,
    err,
    out,
    plain,
    print_json,
    settings,
)
from worker.commands.tables import facts_table, print_table
from worker.config import Settings
from worker.errors import FatalError
from worker.kafka.group import GroupProgress
from worker.kafka.reader import TopicReader
from worker.kafka.topics import Topics, insist, wanted
from worker.model.record import InRecord
from worker.verify import Difference, Verification

if TYPE_CHECKING:
    from worker.postgres.shown import ShownTables

# How long the tables may take to catch up with the topics, and how often that is looked at.
_CATCH_UP_S = 30.0
_LOOK_S = 0.5
# Differences shown to a person; all are counted, and all are printed for programs.
_SHOWN_MAX = 50


class Store(StrEnum):
    """What is compared in place of the topics."""

    POSTGRES = "postgres"


def verify(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also fail when a thread's beginning is gone from the input.")
    ] = False,
    store: Annotated[
        Store | None, typer.Option(help="Compare the tables of `sink postgres` (THW_SINK__DSN), not the topics.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the mutation topics with a reduction of the input from scratch; exit code 1 when they differ.

    Everything the group has committed is compared, sequences included, generations aside. Threads that go on meanwhile,
    that are parked, or whose first record is not in the input any more are left out and counted.

    [bold]Examples[/bold]

      thread-history-worker verify

      thread-history-worker verify --output json | head

      THW_SINK__DSN=postgresql://localhost/threads thread-history-worker verify --store postgres
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    with tempfile.TemporaryDirectory(prefix="thread-history-verify-") as folder:
        left_out, differences, verification = compared(found, Path(folder), store)
    counts: Counter[str] = Counter()
    shown: list[Difference] = []
    for difference in differences:
        counts[difference.kind] += 1
        if output is Output.JSON:
            print_json(asdict(difference))
        elif len(shown) < _SHOWN_MAX:
            shown.append(difference)
    summary = {
        "threads": verification.threads,
        "rows": verification.rows,
        "differences": dict(counts),
        "left_out": {why: len(threads) for why, threads in left_out.items()},
    }
    if output is Output.JSON:
        print_json(summary)
    else:
        _print_table(shown, summary)
    if counts or (strict and left_out["beginning gone"]):
        raise typer.Exit(1)


def compared(
    found: Settings, folder: Path, store: Store | None = None
) -> tuple[dict[str, set[str]], list[Difference], Verification]:
    """Compare everything.

    Args:
        folder: an empty one, for the state of the reduction.
        store: what is compared; the topics by default.

    Returns:
        Thread keys that were left out, by why; the differences; both sides.
    """
    names = app.topic_names(found)
    topics = Topics(found.kafka)
    insist(topics.check(wanted(names)))
    count = topics.partitions()[names.input]
    tables = None if store is None else sinks.postgres_shown(found)
    verification = Verification(
        app.value_decoder(found),
        names.projections.values(),
        app.task_maker(found, partitions=count, open_store=app.scratch_stores(found, folder)),
        None if tables is None else tables.form,
    )
    progress = GroupProgress(found.kafka, found.group, names.input, count)
    committed, begins = progress.committed(), progress.begins()
    if tables is None:
        for record in records_of(found, list(names.projections.values()), "Reading the mutations"):
            verification.published(record)
    else:
        _catch_up(tables, TopicReader(found.kafka, list(names.projections.values())))
        rows = track(tables.rows(), "Reading the tables", console=err, transient=True, disable=not err.is_terminal)
        for row in rows:
            verification.stored(row)
    for record in records_of(found, [names.input], "Reducing the input"):
        if record.offset < committed[record.partition]:
            verification.fold(record)
    verification.finish()
    left_out = {
        "beginning gone": verification.beginning_gone(begins),
        "moving": verification.moving(committed),
        "parked": {verification.form.thread(mark["thread_id"]) for mark in parked_threads(found)},
    }
    return left_out, list(verification.differences(set().union(*left_out.values()))), verification


def _catch_up(tables: "ShownTables", reader: TopicReader) -> None:
    """Wait until the tables have taken all that the topics hold now.

    Raises:
        FatalError: they do not get there.
    """
    ends = reader.ends()
    reader.close()
    deadline = time.monotonic() + _CATCH_UP_S
    while (behind := tables.behind(ends)) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    if behind:
        raise FatalError(f"the tables are {behind} records behind the topics: does `sink postgres` run?")


def records_of(found: Settings, topics: list[str], what: str) -> Iterator[InRecord]:
    """Yield everything that is committed in some topics now, with a bar."""
    reader = TopicReader(found.kafka, topics)
    try:
        records: Iterable[InRecord] = reader.to(reader.ends())
        yield from track(records, what, console=err, transient=True, disable=not err.is_terminal)
    finally:
        reader.close()


def _print_table(shown: list[Difference], summary: dict[str, Any]) -> None:
    total = sum(summary["differences"].values())
    if shown:
        table = facts_table("what", "topic", "row", "sequence", "wanted")
        for one in shown:
            sequences = ("" if number is None else str(number) for number in (one.found_sequence, one.wanted_sequence))
            table.add_row(one.kind, one.topic, plain(one.key), *sequences)
        print_table(out, table)
        if total > len(shown):
            out.print(f"… and {total - len(shown)} more")
    verdict = f"[red]{total} rows differ[/red]" if total else "[green]✓ nothing differs[/green]"
    out.print(f"{summary['threads']} threads, {summary['rows']} rows: {verdict}")
    for why, number in summary["left_out"].items():
        if number:
            out.print(f"{number} threads left out: {why}")
