"""`publish`: send rollout files to the input topic, once or as they grow."""

import hashlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
import zstandard

from worker.app import topic_names
from worker.commands.options import (
    ConfigOption,
    Output,
    OutputOption,
    PrefixOption,
    ServersOption,
    print_json,
    settings,
)
from worker.commands.sending import Sending
from worker.config import Settings
from worker.errors import ConfigError, FatalError
from worker.kafka.acls import acls
from worker.kafka.client import LOG as CLIENT_LOG
from worker.kafka.publisher import LOG as PUBLISHER_LOG
from worker.kafka.publisher import Publisher, target
from worker.kafka.topics import Topics
from worker.rollouts.deliveries import Deliveries
from worker.rollouts.files import STDIN, RolloutFile, rollout_files
from worker.rollouts.follow import Follower, Step
from worker.rollouts.journal import Journal
from worker.telemetry.log import Sparse

# How often a followed folder is looked through; when that takes long, a tenth of the time is spent on it.
LOOK_EVERY_S = 0.5
_REST_PER_LOOK = 9
# The journal is written after so long or so many acknowledged lines: few are sent twice after a kill.
RECORD_EVERY_S = 0.5
RECORD_EVERY_LINES = 1_000


def publish(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Rollout files (.jsonl, .jsonl.zst) or folders of them; - reads standard input.", metavar="PATH…"
        ),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is appended and with new files, until stopped.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where --follow keeps what was delivered; by default "
            "~/.local/state/thread-history-worker/publish-<hash of brokers and topic>.sqlite.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    prefix: PrefixOption = None,
) -> None:
    """Send rollout files to the input topic, a record for each line.

    A record's key is the thread id (of the file's first session_meta, else
    of its name), its value the line byte for byte, its header
    rollout-ordinal the line's index in the file. Lines may be sent twice,
    after a failure or because a file is published again: the worker counts
    each once.

    [bold]--follow[/bold] sends a line when its line feed is there, and a .zst file when
    it is whole. A journal keeps what the broker acknowledged, so a stop or
    a kill loses nothing and repeats little. A file that was cut or replaced
    starts anew; one that was packed in place does not. Ctrl-C or
    SIGTERM ends it once everything sent is acknowledged.

    A line that is larger than the topic takes is named and left out, and a
    file that cannot be read is named; the others are sent.

    [bold]Exit codes[/bold]: 0 everything was sent, or --follow was stopped; 1 a line
    was too large, the broker failed, or it was stopped before the end; 2
    wrong use, no broker, no topic, or a file that cannot be read.

    [bold]Examples[/bold]

      thread-history-worker publish ~/.codex/sessions

      thread-history-worker publish --follow ~/.codex/sessions

      zstdcat old.jsonl.zst | thread-history-worker publish --output json -
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, topics__prefix=prefix)
    _check_use(paths, follow=follow, state=state)
    for log in (CLIENT_LOG, PUBLISHER_LOG):
        log.addFilter(Sparse(time.monotonic))
    names = topic_names(found)
    topic, topics = names.input, Topics(found.kafka)
    topics.insist_on(acls("publish", found, names))
    limit = topics.record_bytes_max(topic)
    with Publisher(found.kafka, topic, record_bytes_max=limit) as publisher:
        if follow:
            with Journal(state or _default_state(found, topic), target(found.kafka, topic)) as journal:
                code = _follow(publisher, journal, paths, output=output, longest=limit, budget_s=found.loop.budget_s)
        else:
            code = _once(publisher, paths, output=output, longest=limit, budget_s=found.loop.budget_s)
    if code:
        raise typer.Exit(code)


def _check_use(paths: list[Path], *, follow: bool, state: Path | None) -> None:
    if not follow:
        if state is not None:
            raise ConfigError("--state is for --follow: without it nothing is remembered")
        return
    if STDIN in paths:
        raise ConfigError("standard input cannot be followed: leave --follow out, or name files and folders")
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: no such file or folder to follow; check the name or make the folder")


def _default_state(found: Settings, topic: str) -> Path:
    place = f"{found.kafka.bootstrap_servers}\n{topic}".encode()
    name = f"publish-{hashlib.blake2b(place, digest_size=8).hexdigest()}.sqlite"
    return Path.home() / ".local" / "state" / "thread-history-worker" / name


def _once(publisher: Publisher, paths: list[Path], *, output: Output, longest: int, budget_s: float) -> int:
    """Send files as they are now; return the exit code."""
    found = rollout_files(paths)
    with _interrupted_by_sigterm(), _summed_up(Sending(publisher, bytes_total=_bytes(found)), output) as sending:
        try:
            for path in found:
                _send_file(sending, path, longest)
            publisher.flush()
        except KeyboardInterrupt:
            publisher.flush(budget_s)
            raise FatalError("stopped before the end; publish again: what comes twice counts once") from None
    if sending.unreadable:
        return 2
    return 1 if sending.oversized else 0


def _send_file(sending: Sending, path: Path, longest: int) -> None:
    try:
        file = RolloutFile(path)
        key = file.thread_id().encode()
        sending.files.add(str(path))
        for ordinal, (text, size, _) in enumerate(file.pieces(longest)):
            sending.line(path, ordinal, key=key, text=text, size=size)
    except (OSError, zstandard.ZstdError) as error:
        sending.cannot_read(path, error)


def _bytes(files: list[Path]) -> int | None:
    """Return the size of all files, None if it cannot be told."""
    try:
        return sum(path.stat().st_size for path in files)
    except OSError:
        return None


def _follow(
    publisher: Publisher, journal: Journal, paths: list[Path], *, output: Output, longest: int, budget_s: float
) -> int:
    """Send what comes until a signal; return the exit code."""
    with (
        _stopped_by_signals() as stopping,
        _summed_up(Sending(publisher, bytes_total=None, stopping=stopping), output) as sending,
    ):
        follower = Follower(
            paths, recall=journal.position, notice=sending.notice, unreadable=sending.cannot_read, longest=longest
        )
        following = _Following(publisher, journal, sending)
        try:
            while not stopping():
                following.take(follower.look())
                following.rest(stopping)
            if left := publisher.flush(budget_s):
                raise FatalError(f"stopped with {left} lines not acknowledged: they are sent again next time")
        finally:
            following.record()
    return 0


class _Following:
    """Sends what a follower finds and keeps the journal."""

    def __init__(self, publisher: Publisher, journal: Journal, sending: Sending) -> None:
        self._publisher = publisher
        self._journal = journal
        self._sending = sending
        self._deliveries = Deliveries()
        self._recorded_at = self._looked_at = time.monotonic()
        self._recorded_lines = 0
        self._idle = True

    def take(self, steps: Iterator[Step]) -> None:
        """Send the lines of one look, until a stop."""
        self._looked_at = time.monotonic()
        self._idle = True
        for step in steps:
            self._idle = False
            self._sending.files.add(step.key)
            if not self._took(step):
                return
            self._record_when_due()

    def _took(self, step: Step) -> bool:
        if step.text is None:
            self._deliveries.passed(step.key, step.position)
            return True
        assert step.position.thread_id is not None, "no line is read before its thread is known"
        return self._sending.line(
            step.path,
            step.position.lines - 1,
            key=step.position.thread_id.encode(),
            text=step.text,
            size=step.size,
            acknowledged=self._deliveries.sent(step.key, step.position),
        )

    def rest(self, stopping: Callable[[], bool]) -> None:
        """Wait for the time of the next look and take acknowledgements meanwhile."""
        now = time.monotonic()
        look_s = now - self._looked_at
        until = now + (max(LOOK_EVERY_S, _REST_PER_LOOK * look_s) if self._idle else LOOK_EVERY_S)
        while not stopping() and (left_s := until - time.monotonic()) > 0:
            self._publisher.poll(min(left_s, LOOK_EVERY_S))
            self._sending.show()
            self._record_when_due()

    def _record_when_due(self) -> None:
        lines = self._publisher.lines - self._recorded_lines
        if lines >= RECORD_EVERY_LINES or time.monotonic() - self._recorded_at >= RECORD_EVERY_S:
            self.record()

    def record(self) -> None:
        """Write what is acknowledged to the journal."""
        self._recorded_at = time.monotonic()
        self._recorded_lines = self._publisher.lines
        self._journal.record(self._deliveries.reached())


@contextmanager
def _summed_up(sending: Sending, output: Output) -> Iterator[Sending]:
    """Show progress, and at the end, whatever it is, what was done."""
    try:
        with sending:
            yield sending
    finally:
        sending.say(sending.text())
        if output is Output.JSON:
            print_json(sending.figures())
            sys.stdout.buffer.flush()


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """Yield whether SIGTERM or Ctrl-C came; the second one acts as it would without us."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        for name, handler in before.items():
            signal.signal(name, handler)

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
