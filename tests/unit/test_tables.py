"""Tables that people read: names are whole, however narrow the terminal."""

import io

import pytest

from worker.commands.tables import WideConsole, facts_table, print_table

NAME, PROSE = "codex.thread-history-worker.changelog[12]@1234567890", "many words " * 30


def printed(*, terminal: bool) -> list[str]:
    to = io.StringIO()
    console = WideConsole(
        file=to, force_terminal=terminal, _environ={"COLUMNS": "60", "LINES": "20"}, color_system=None
    )
    table = facts_table("from", "thread", "what", folds=["what"])
    table.add_row(NAME, NAME[::-1], PROSE)
    print_table(console, table)
    return to.getvalue().splitlines()


@pytest.mark.parametrize("terminal", [True, False])
def test_names_are_neither_cut_nor_folded(terminal: bool) -> None:
    lines = printed(terminal=terminal)

    assert any(NAME in line and NAME[::-1] in line for line in lines)
    assert "…" not in "".join(lines)
    assert " ".join(lines).split().count("many") == 30


def test_prose_folds_on_a_terminal_only() -> None:
    assert len(printed(terminal=True)) > len(printed(terminal=False))
    assert any(PROSE.strip() in line for line in printed(terminal=False))
