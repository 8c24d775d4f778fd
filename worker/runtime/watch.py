"""Where time goes: each moment belongs to the stage that ends it."""

import time
from collections import defaultdict


class Watch:
    """A stopwatch with a total for each stage.

    Attributes:
        seconds: by stage, since it was last taken.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._since = time.perf_counter()

    def lap(self, stage: str) -> float:
        """Add the time since the last call to a stage, and return it, in seconds."""
        now = time.perf_counter()
        took_s = now - self._since
        self.seconds[stage] += took_s
        self._since = now
        return took_s

    def skip(self) -> None:
        """Leave out the time since the last call."""
        self._since = time.perf_counter()

    def take(self) -> dict[str, float]:
        """Return the totals, and begin new ones."""
        taken, self.seconds = self.seconds, defaultdict(float)
        return taken


class Sample(Watch):
    """The way of some records.

    Attributes:
        reduced: how long each reduction took, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reduced: list[float] = []

    def lap(self, stage: str) -> float:
        """Add the time since the last call to a stage, and return it, in seconds."""
        took_s = super().lap(stage)
        if stage == "reduce":
            self.reduced.append(took_s)
        return took_s
