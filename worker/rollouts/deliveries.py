"""What was sent and not acknowledged yet, so that no file's position goes past a line that may be lost."""

from collections import deque

from worker.rollouts.follow import Position


class Sent:
    """A line on its way; to be called when it is acknowledged."""

    __slots__ = ("_acknowledged", "_file", "_position")

    def __init__(self, file: "_File", position: Position) -> None:
        self._file = file
        self._position = position
        self._acknowledged = False

    def __call__(self) -> None:
        """Take the acknowledgement; the file's position moves if all lines before this one have theirs."""
        self._acknowledged = True
        waiting = self._file.waiting
        while waiting and waiting[0]._acknowledged:
            self._file.reached = waiting.popleft()._position


class _File:
    """One file's lines on their way, in its order, and how far it is delivered."""

    __slots__ = ("reached", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Sent] = deque()
        self.reached: Position | None = None


class Deliveries:
    """Tells how far each file is delivered without a gap, in whatever order acknowledgements come.

    Holds one entry for each line on its way, so its bound is the sender's.
    """

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def sent(self, key: str, position: Position) -> Sent:
        """Enter a line that is about to be sent.

        Args:
            position: the file's, after the line.

        Returns:
            What to call when the line is acknowledged.
        """
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = _File()
        entry = Sent(file, position)
        file.waiting.append(entry)
        return entry

    def passed(self, key: str, position: Position) -> None:
        """Enter a place in a file that needs no acknowledgement: it is reached when all before it is."""
        self.sent(key, position)()

    def reached(self) -> dict[str, Position]:
        """Return the positions that advanced since the last call; files with nothing on its way are forgotten."""
        advanced: dict[str, Position] = {}
        for key, file in list(self._files.items()):
            if file.reached is not None:
                advanced[key], file.reached = file.reached, None
            if not file.waiting:
                del self._files[key]
        return advanced
