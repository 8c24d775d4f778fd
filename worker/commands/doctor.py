"""`doctor`: what is wrong with the configuration and the surroundings, each with its remedy."""

from dataclasses import asdict

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
    StateFolderOption,
    out,
    print_json,
    settings,
)
from worker.doctor import Outcome, examine

_MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "skipped": ("–", "dim")}


def doctor(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    instance: InstanceOption = None,
    prefix: PrefixOption = None,
    state_folder: StateFolderOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check settings, broker, topics, registry, state folder, offsets, names and database; nothing is changed.

    Run it with the configuration, on the machine and as the user of the worker: before a start, or beside one. Exit
    code 0 when nothing failed, 2 otherwise; each failure is told with its remedy.

    [bold]Examples[/bold]

      thread-history-worker doctor --config worker.toml

      thread-history-worker doctor --instance 1 --output json
    """
    outcomes = examine(
        lambda: settings(
            config,
            kafka__bootstrap_servers=bootstrap_servers,
            group=group,
            instance=instance,
            topics__prefix=prefix,
            store__folder=state_folder,
        )
    )
    failed = False
    for outcome in outcomes:
        failed |= outcome.result == "fail"
        if output is Output.JSON:
            print_json(asdict(outcome))
        else:
            _print(outcome)
    if failed:
        raise typer.Exit(2)


def _print(outcome: Outcome) -> None:
    mark, style = _MARKS[outcome.result]
    out.print(Text.assemble((mark, style), f" {outcome.check:<14} {outcome.told}"), soft_wrap=True)
