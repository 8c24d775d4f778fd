"""Time as a dependency: the loop asks this and nothing else, so that a test can hold it."""

import random
import time


class Clock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds of a clock that never goes back; only differences mean something."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()  # noqa: TID251

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""
        time.sleep(seconds)


class Backoff:
    """Pauses between retries: doubling from `first_s` to `longest_s`, each drawn from the upper half (jitter).

    Attributes:
        failures: in a row.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def failed(self) -> float:
        """Count a failure and return how long to pause, in seconds."""
        whole = min(self._first_s * 2.0**self.failures, self._longest_s)
        self.failures += 1
        return whole * random.uniform(0.5, 1.0)  # noqa: S311

    def succeeded(self) -> None:
        """Start anew."""
        self.failures = 0
