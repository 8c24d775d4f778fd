"""`dead-letters list | show | replay`: look at what was set aside, take a parked thread up again."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import track
from rich.table import Table

from worker.app import topic_names
from worker.codec.appends import AppendDecoder
from worker.codec.frames import is_framed
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
from worker.encoding import append_decoder
from worker.errors import ConfigError, RetryError, UnreadableError
from worker.kafka.control import send_unpark
from worker.kafka.reader import TopicReader, read_all
from worker.model.record import InRecord
from worker.runtime.facts import values_under
from worker.runtime.headers import restored
from worker.runtime.parking import MARKS

app = typer.Typer(no_args_is_help=True, help="Look at records that were set aside; take parked threads up again.")

ThreadOption = Annotated[str, typer.Option("--thread", "-t", metavar="ID", help="The thread.")]


def _read(found: Settings, topic: str) -> list[InRecord]:
    return read_all(found.kafka, [topic])


def parked_threads(found: Settings) -> list[dict[str, Any]]:
    """Return the marks of the threads that are parked now, from the state's changelog."""
    reader = TopicReader(found.kafka, [topic_names(found).changelog])
    rows: dict[bytes, bytes | None] = {}
    try:
        records: Iterable[InRecord] = reader.to(reader.ends())
        for record in track(records, "Reading the state", console=err, transient=True, disable=not err.is_terminal):
            if record.key is not None and record.key.startswith(b"/"):
                rows[record.key] = record.value
    finally:
        reader.close()
    return sorted(values_under(MARKS, rows.items()), key=lambda mark: mark["at"])


@app.command("list")
def list_(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the threads that are parked, and count the dead letters by reason.

    [bold]Examples[/bold]

      thread-history-worker dead-letters list

      thread-history-worker dead-letters list --output json
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    names = topic_names(found)
    marks = parked_threads(found)
    behind = Counter((record.key or b"").decode(errors="replace") for record in _read(found, names.parked))
    letters = Counter((_head(one, "thw-reason"), _head(one, "thw-error")) for one in _read(found, names.dead_letters))
    if output is Output.JSON:
        for mark in marks:
            print_json({"parked": mark | {"records": behind[mark["thread_id"]]}})
        for (reason, error), count in letters.most_common():
            print_json({"dead_letters": {"reason": reason, "error": error, "records": count}})
        return
    table = facts_table("thread", "since", "stage", "what", "records", folds=["what"], title="Parked threads")
    for mark in marks:
        since = datetime.fromtimestamp(mark["at"], UTC).isoformat(timespec="seconds")
        records = str(behind[mark["thread_id"]])
        table.add_row(plain(mark["thread_id"]), since, mark["reason"], plain(mark["error"]), records)
    _print(table, "No thread is parked.")
    table = facts_table("reason", "what", "records", folds=["what"], title="Dead letters")
    for (reason, error), count in letters.most_common():
        table.add_row(reason, plain(error), str(count))
    _print(table, "There are no dead letters.")


@app.command()
def show(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    thread: Annotated[str | None, typer.Option("--thread", "-t", metavar="ID", help="Only this thread's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest, at most so many.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the records that were set aside, with why, from where and what they hold.

    [bold]Examples[/bold]

      thread-history-worker dead-letters show --limit 5

      thread-history-worker dead-letters show --thread 0199f00d-0001-7000-8000-000000000001 --output json
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    names = topic_names(found)
    records = _read(found, names.dead_letters) + _read(found, names.parked)
    if thread is not None:
        records = [record for record in records if record.key == thread.encode()]
    records = sorted(records, key=lambda record: record.timestamp_ms or 0)[-limit:]
    appends = append_decoder(found)
    if output is Output.JSON:
        for record in records:
            print_json(_described(record, appends))
        return
    table = facts_table("from", "thread", "reason", "what", "value", folds=["what", "value"])
    for record in records:
        row = _described(record, appends)
        place = f"{row['topic']}\\[{row['partition']}]@{row['offset']}"
        cells = [plain(str(row[name])) for name in ("thread", "reason", "error", "value")]
        table.add_row(place, *cells)
    _print(table, "There is nothing.")


@app.command()
def replay(
    thread: ThreadOption,
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
) -> None:
    """Have a parked thread taken up again: its worker reads the parked records in order, then goes on with new ones.

    Start a release that can process the thread's record first; one that fails again parks the thread again.

    [bold]Examples[/bold]

      thread-history-worker dead-letters replay --thread 0199f00d-0001-7000-8000-000000000001
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    names = topic_names(found)
    key = thread.encode()
    parked = [record for record in _read(found, names.parked) if record.key == key]
    if thread not in {mark["thread_id"] for mark in parked_threads(found)} or not parked:
        raise ConfigError(f"thread {thread} is not parked; `thread-history-worker dead-letters list` tells which are")
    send_unpark(found.kafka, names.input, parked[-1].partition, key)
    out.print(f"Asked the worker of partition {parked[-1].partition} to take thread {plain(thread)} up again.")


def _print(table: Table, otherwise: str) -> None:
    if table.row_count:
        print_table(out, table)
    else:
        out.print(otherwise)


def _head(record: InRecord, name: str) -> str:
    return (dict(record.headers).get(name) or b"").decode(errors="replace")


def _described(record: InRecord, appends: AppendDecoder) -> dict[str, Any]:
    before = restored(record)
    return {
        "topic": before.topic,
        "partition": before.partition,
        "offset": before.offset,
        "timestamp": before.timestamp_ms,
        "thread": None if record.key is None else record.key.decode(errors="replace"),
        "reason": _head(record, "thw-reason"),
        "error": _head(record, "thw-error"),
        "worker": _head(record, "thw-worker-version"),
        "value": None if record.value is None else _readable(record.value, appends),
    }


def _readable(data: bytes, appends: AppendDecoder) -> str:
    """Return a value as text: of an append its elements, one a line; of what cannot be read as one its bytes."""
    if not is_framed(data):
        return data.decode(errors="replace")
    try:
        return "\n".join(element.decode() for element in appends.decode(data).elements)
    except (UnreadableError, RetryError):
        return data.hex(" ")
