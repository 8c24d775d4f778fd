"""The options that several commands share, and how their settings are read."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from worker.commands.tables import WideConsole
from worker.config import Settings, load

# Tables and JSON go to standard output, everything that is said beside them to standard error.
out = WideConsole(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)


# What a terminal would do and not show; line feeds and tabs are laid out.
_CONTROLS = {code: "�" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """Return a text from a record as markup that shows it: nothing in it moves the cursor, or is taken for markup."""
    return escape(text.translate(_CONTROLS))


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="A TOML file with settings.", show_default=False)
]
ServersOption = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        "-b",
        metavar="HOST:PORT",
        help="The Kafka brokers. \\[default: THW_KAFKA__BOOTSTRAP_SERVERS, else localhost:9092]",
        show_default=False,
    ),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group", metavar="NAME", help="The consumer group. \\[default: thread-history-worker]", show_default=False
    ),
]
InstanceOption = Annotated[
    str | None,
    typer.Option(
        "--instance",
        metavar="NAME",
        help="This process' stable name in its group. \\[default: the host name's trailing number, else 0]",
        show_default=False,
    ),
]
StateFolderOption = Annotated[
    Path | None,
    typer.Option(
        "--state-folder",
        metavar="FOLDER",
        help="Where the state rests on this machine. \\[default: one for each member in ~/.local/state]",
        show_default=False,
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix", metavar="TEXT", help="Before each public topic's name. \\[default: codex.]", show_default=False
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people or for programs.")]


def print_json(row: Any) -> None:
    """Print a row for a program: one JSON object a line."""
    sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def nested(**flags: Any) -> dict[str, Any]:
    """Return flags nested like the settings, those that were not given (None) left out.

    Args:
        flags: by the setting's path with `__` between its parts: `kafka__bootstrap_servers`.
    """
    found: dict[str, Any] = {}
    for path, given in flags.items():
        if given is None:
            continue
        *parents, name = path.split("__")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = given
    return found


def settings(config: Path | None, **flags: Any) -> Settings:
    """Read the settings; flags that were not given (None) leave them to the environment and the file.

    Args:
        flags: as for `nested`.

    Raises:
        ConfigError: a setting is wrong.
    """
    return load(config, nested(**flags))
