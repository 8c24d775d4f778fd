"""`config show`: the settings as they are in force, and where each came from."""

from dataclasses import asdict
from typing import Any

import orjson
import typer
from rich.text import Text

from worker.commands.options import (
    ConfigOption,
    GroupOption,
    InstanceOption,
    Output,
    OutputOption,
    PrefixOption,
    ServersOption,
    nested,
    out,
    print_json,
)
from worker.commands.tables import facts_table, print_table
from worker.config import load
from worker.origins import shown

app = typer.Typer(no_args_is_help=True, help="Look at the configuration.")


@app.callback()
def _group() -> None:
    """Have `show` a command of its own though it is the only one."""


@app.command()
def show(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    instance: InstanceOption = None,
    prefix: PrefixOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show every setting, secrets masked, and its source: default, option, file, or the variable's name.

    [bold]Examples[/bold]

      thread-history-worker config show --config worker.toml

      THW_LOOP__COMMIT_INTERVAL_S=1 thread-history-worker config show --output json
    """
    flags = nested(kafka__bootstrap_servers=bootstrap_servers, group=group, instance=instance, topics__prefix=prefix)
    rows = shown(load(config, flags), config, flags)
    if output is Output.JSON:
        for row in rows:
            print_json(asdict(row))
        return
    table = facts_table("setting", "value", "source", folds=["value", "source"])
    for row in rows:
        style = "dim" if row.source == "default" else ""
        table.add_row(*(Text(text) for text in (row.path, _text(row.value), row.source)), style=style)
    print_table(out, table)


def _text(found: Any) -> str:
    return found if isinstance(found, str) else orjson.dumps(found).decode()
