"""The command line: one command a module of `worker.commands`, and the exit codes."""

import inspect as reflection
import logging
import sys

import typer

from worker.commands import (
    config,
    dead_letters,
    demo,
    doctor,
    inspect,
    publish,
    rebuild,
    replay,
    run,
    sink,
    topics,
    verify,
)
from worker.commands.options import err
from worker.commands.version import versions
from worker.errors import ConfigError, SupersededError, WorkerError

app = typer.Typer(
    name="thread-history-worker",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keeps the turns and items of Codex threads derived from their rollout logs, on Kafka, exactly once.",
)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("run")(run.run)
app.command("publish")(publish.publish)
app.command("replay")(replay.replay)
app.command("inspect")(inspect.inspect)
app.command("verify")(verify.verify)
app.command("rebuild")(rebuild.rebuild)
app.add_typer(config.app, name="config")
app.add_typer(topics.app, name="topics")
app.add_typer(sink.app, name="sink")
app.add_typer(dead_letters.app, name="dead-letters")


def _joined(text: str) -> str:
    """Return a docstring with each paragraph on one line, to be wrapped at the terminal's width; examples stay."""
    paragraphs = reflection.cleandoc(text).split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else part.replace("\n", " ") for part in paragraphs)


for _one in (app, config.app, topics.app, sink.app, dead_letters.app):
    for _command in _one.registered_commands:
        assert _command.callback is not None, "it was registered with one"
        _command.help = _joined(_command.callback.__doc__ or "")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(versions())
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the versions of all that matters."
    ),
) -> None:
    # Errors of the client that matter reach people as our own; `run` writes its log.
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)


def main() -> None:
    """Run a command.

    Exit codes: 0 done, SIGTERM, superseded; 2 what is found before joining the group (use, configuration, topics, no
    broker); 1 everything later.
    """
    try:
        app()
    except SupersededError as error:
        err.print(f"superseded: {error}", markup=False, soft_wrap=True)
        sys.exit(0)
    except ConfigError as error:
        _fail(error, 2)
    except WorkerError as error:
        _fail(error, 1)


def _fail(error: WorkerError, code: int) -> None:
    err.print("[red]error:[/red] ", end="")
    err.print(str(error), markup=False, soft_wrap=True)
    sys.exit(code)
