"""Commands that need no broker, as a user runs them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from worker import __version__
from worker.cli import app

SECRET = "s3cr3t"


def run(*arguments: str, **variables: str) -> str:
    """Run a command and return what it prints; it ends with 0."""
    found = CliRunner().invoke(app, arguments, env=variables | {"COLUMNS": "200"}, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def shown(*arguments: str, **variables: str) -> dict[str, tuple[Any, str]]:
    """Return what `config show` tells: value and source by setting."""
    rows = map(json.loads, run("config", "show", "--output", "json", *arguments, **variables).splitlines())
    return {row["path"]: (row["value"], row["source"]) for row in rows}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "worker.toml"
    path.write_text(
        'group = "from-file"\nlog_level = "ERROR"\n[loop]\npoll_s = 0.2\nbudget_s = 8.5\n'
        f'[kafka.options]\n"security.protocol" = "SASL_SSL"\n"ssl.keystore.password" = "{SECRET}"\n'
        f'"ssl.key.pem" = "{SECRET}"\n"ssl.key.location" = "key.pem"\n'
    )
    return path


def test_each_setting_tells_where_it_came_from(file: Path) -> None:
    found = shown(
        "--config",
        str(file),
        "--group",
        "flag",
        THW_GROUP="beaten",
        THW_LOOP__BUDGET_S="9",
        THW_LOOP='{"poll_s": 0.3}',
        THW_KAFKA__OPTIONS='{"sasl.username": "u"}',
        THW_INSTANCE="",
    )

    assert found["group"] == ("flag", "option")
    assert found["loop.budget_s"] == (9.0, "THW_LOOP__BUDGET_S")
    assert found["loop.poll_s"] == (0.3, "THW_LOOP")
    assert found["log_level"] == ("ERROR", str(file))
    assert found["instance"][1] == "default"
    assert found["kafka.options.sasl.username"] == ("u", "THW_KAFKA__OPTIONS")
    assert found["kafka.options.security.protocol"] == ("SASL_SSL", str(file))
    assert found["projections"] == (["thread_item", "turn_summary", "lifecycle"], "default")


@pytest.mark.parametrize("output", ["table", "json"])
def test_secrets_are_masked(file: Path, output: str) -> None:
    secrets = {
        "THW_SINK__DSN": f"postgresql://u:{SECRET}@h/d",
        "THW_REGISTRY__USERNAME": "u",
        "THW_REGISTRY__PASSWORD": SECRET,
    }
    text = run("config", "show", "--config", str(file), "--output", output, **secrets)

    assert SECRET not in text
    assert text.count("********") == 4
    assert "key.pem" in text


def test_the_version_names_formats_and_the_client() -> None:
    first, *more = run("--version").splitlines()

    assert first == f"thread-history-worker {__version__}"
    assert all(word in " ".join(more) for word in ("librdkafka 2.", "state rows formats 1", "store on disk", "schemas"))


def test_completion_can_be_installed_and_knows_the_commands() -> None:
    assert "--install-completion" in run("--help")
    found = run(
        _THREAD_HISTORY_WORKER_COMPLETE="complete_bash", COMP_WORDS="thread-history-worker conf", COMP_CWORD="1"
    )
    assert "config" in found


def test_the_settings_are_shown_one_a_line_with_whole_names() -> None:
    lines = run("config", "show", THW_INSTANCE="worker-0").splitlines()
    names = {line.split()[0] for line in lines if line.strip()}

    assert set(shown()) <= names


@pytest.mark.parametrize("command", [["demo"], ["doctor"], ["run"], ["verify"], ["rebuild"], ["sink", "postgres"]])
def test_help_is_wrapped_where_the_terminal_ends(command: list[str]) -> None:
    found = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    prose = found.output.partition("Usage:")[2].partition("Examples")[0]
    lines = [line.split() for line in prose.splitlines()]
    # A paragraph's line ends where the next word has no room.
    broken = [line for line, then in pairwise(lines) if line and then and len(" ".join(["", *line, then[0]])) < 79]

    assert prose
    assert broken == []
