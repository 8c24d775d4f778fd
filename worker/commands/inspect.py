"""`inspect`: one thread as readers of the topics see it."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live

from worker import app
from worker.commands.options import (
    ConfigOption,
    GroupOption,
    Output,
    OutputOption,
    PrefixOption,
    ServersOption,
    err,
    out,
    print_json,
    settings,
)
from worker.commands.tables import print_table
from worker.commands.view import turns_table
from worker.compacted import Rows, threads
from worker.kafka.reader import TopicReader
from worker.model.mutation import encoded
from worker.model.record import InRecord

_LOOK_S = 0.5


def inspect(
    thread: Annotated[str, typer.Argument(help="The thread's id.", metavar="THREAD")],
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on and show what comes, until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the turns and items of one thread, from the mutation topics.

    [bold]Examples[/bold]

      thread-history-worker inspect 0199f00d-0001-7000-8000-000000000001

      thread-history-worker inspect 0199f00d-0001-7000-8000-000000000001 --follow
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    names = app.topic_names(found)
    topics = [names.projections[name] for name in ("thread_item", "turn_summary") if name in names.projections]
    reader = TopicReader(found.kafka, topics)
    rows = Rows(app.value_decoder(found))
    mark = f"{encoded(thread)}/".encode()

    def take(records: Iterable[InRecord]) -> bool:
        """Take the thread's records; tell whether there were any."""
        own = [record for record in records if record.key is not None and record.key.startswith(mark)]
        for record in own:
            rows.apply(record)
        return bool(own)

    with err.status("Reading the topics …"):
        take(reader.to(reader.ends()))
    if follow:
        _follow(thread, reader, rows, take, output)
        return
    turns = _turns(thread, rows)
    if output is Output.JSON:
        print_json({"threadId": thread, "turns": turns})
    elif turns:
        print_table(out, turns_table(f"thread {thread}", turns))
    if not turns:
        err.print(f"There is no thread {thread} on {' and '.join(topics)}.", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def _turns(thread: str, rows: Rows) -> list[dict[str, Any]]:
    return threads(rows.values()).get(thread, [])


def _follow(thread: str, reader: TopicReader, rows: Rows, take: Any, output: Output) -> None:
    """Show the thread again whenever a record of it came."""
    try:
        redraws = out.is_terminal and output is Output.TABLE
        with Live(console=out, auto_refresh=False, vertical_overflow="visible") if redraws else nullcontext() as live:
            while True:
                _show(thread, _turns(thread, rows), output, live)
                while not take(reader.read(_LOOK_S)):
                    pass
    except KeyboardInterrupt:
        return


def _show(thread: str, turns: list[dict[str, Any]], output: Output, live: Live | None) -> None:
    """Show a thread now; into a file or a pipe, where nothing can be drawn again, below what was shown."""
    if output is Output.JSON:
        print_json({"threadId": thread, "turns": turns})
    elif live is not None:
        live.update(Group(turns_table(f"thread {thread}", turns)), refresh=True)
    else:
        out.print(turns_table(f"thread {thread}", turns))
