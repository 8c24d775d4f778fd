"""Logs: one JSON object a line on standard error; facts as fields, never a payload or a secret."""

import logging
import sys
from collections.abc import Callable

from pythonjsonlogger.json import JsonFormatter

# The client repeats itself many times a second while a broker is away: one line of a kind in this many seconds.
REPEAT_S = 10.0


class Sparse(logging.Filter):
    """Lets the first of equal lines through and then one in `REPEAT_S`; equal but for numbers.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line passes."""
        kind = "".join(char for char in record.getMessage() if not char.isdigit())[:120]
        now = self._now()
        if now - self._last.get(kind, -REPEAT_S) < REPEAT_S:
            return False
        if len(self._last) > 1_000:  # bounded: kinds are few, texts of brokers are not ours
            self._last.clear()
        self._last[kind] = now
        return True


def configure(level: str, now: Callable[[], float]) -> None:
    """Send all logs to standard error as JSON lines.

    Args:
        level: the least level that is written.
        now: seconds of a clock that never goes back.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    client = logging.getLogger("librdkafka")
    client.setLevel(logging.NOTSET)
    client.addFilter(Sparse(now))
