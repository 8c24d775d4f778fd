"""`inspect --follow` into a file or a pipe: each version is written when it is there, not at the end."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from worker.commands import inspect
from worker.commands.options import Output


class Reader:
    """Gives records twice, then is interrupted; remembers what was written before each."""

    def __init__(self, file: StringIO) -> None:
        self.file = file
        self.written: list[int] = []

    def read(self, wait_s: float) -> list[str]:
        self.written.append(self.file.getvalue().count("thread t"))
        if len(self.written) == 3:
            raise KeyboardInterrupt
        return ["record"]


def test_what_is_followed_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    file = StringIO()
    monkeypatch.setattr(inspect, "out", Console(file=file, width=120))
    monkeypatch.setattr(inspect, "_turns", lambda thread, rows: [])
    reader: Any = Reader(file)
    inspect._follow("t", reader, None, bool, Output.TABLE)  # type: ignore[arg-type]

    assert reader.written == [1, 2, 3]
