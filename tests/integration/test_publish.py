"""`publish` on a real broker: what records it makes, what it names instead, and that following loses nothing."""

import json
import os
import pty
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import zstandard
from confluent_kafka.admin import AdminClient

from tests.factories import line
from tests.integration.harness import PARTITIONS, Deployment, WorkerProcess, decode, until
from worker import app
from worker.commands.publish import RECORD_EVERY_LINES
from worker.errors import RetryError
from worker.kafka.publisher import RECORD_OVERHEAD_BYTES
from worker.kafka.topics import Topics, wanted
from worker.localbroker.cluster import LocalCluster
from worker.model.record import InRecord
from worker.replay import Replay
from worker.rollouts.files import RolloutFile

pytestmark = pytest.mark.integration

# Slow enough to be killed in the middle: some thousand lines a second.
QUEUE = 500
SLOW = {"queue.buffering.max.messages": QUEUE, "linger.ms": 100}
# A kill repeats at most what was on its way and what was acknowledged since the journal was written last: no more than
# so many lines may be acknowledged in between, and those that one poll brought.
REPEATED_MAX = RECORD_EVERY_LINES + 2 * QUEUE

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def _id(number: int) -> str:
    return str(UUID(int=number))


def _meta(thread_id: str) -> bytes:
    return line("session_meta", {"id": thread_id})


def _said(number: int) -> bytes:
    return line("event_msg", {"type": "agent_message", "message": f"message {number} of some length " * 5})


def _rollout(folder: Path, number: int, lines: int) -> Path:
    """Write a thread's file as Codex lays it out and names it."""
    path = folder / f"2026/06/{number % 28 + 1:02}/rollout-2026-06-04T12-00-00-{_id(number)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(text + b"\n" for text in (_meta(_id(number)), *map(_said, range(1, lines)))))
    return path


def _append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def murmur2(data: bytes) -> int:
    """Return the hash by which Kafka's Java client picks a key's partition, as a signed 32-bit number."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    found = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        mixed = int.from_bytes(data[at : at + 4], "little") * factor & mask
        mixed = (mixed ^ mixed >> 24) * factor & mask
        found = found * factor & mask ^ mixed
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * factor & mask
    found = (found ^ found >> 13) * factor & mask
    found ^= found >> 15
    return found - (1 << 32) if found >> 31 else found


class Publishing:
    """A `publish` in a process of its own."""

    def __init__(self, deployment: Deployment, *arguments: object, home: Path, options: dict[str, Any] | None = None):
        self.home = home
        environment = deployment.environment(KAFKA__OPTIONS=json.dumps(options or {}))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker", "publish", *map(str, arguments)],
            env={**environment, "HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def result(self, stdin: bytes = b"") -> tuple[int, str, str]:
        """Wait for its end and return exit code, standard output, standard error."""
        out, said = self.process.communicate(stdin, timeout=120)
        return self.process.returncode, out.decode(), said.decode()

    def ended_by(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal and return what `result` does."""
        self.process.send_signal(number)
        return self.result()


Publish = Callable[..., Publishing]


@pytest.fixture
def publish(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publish]:
    """Return what starts a `publish` to the test's own topic; each has the same home."""
    home = tmp_path_factory.mktemp("home")
    started: list[Publishing] = []

    def start(*arguments: object, **options: Any) -> Publishing:
        started.append(Publishing(deployment, *arguments, home=home, options=options))
        return started[-1]

    yield start
    for publishing in started:
        publishing.process.kill()
        publishing.process.communicate()


def _input(deployment: Deployment) -> list[InRecord]:
    """Return the input topic's records; for some seconds after it was made it cannot be read."""
    found: list[InRecord] = []

    def read() -> bool:
        try:
            found[:] = deployment.input()
        except RetryError:
            return False
        return True

    until(read, 30, "the topic can be read")
    return found


def _records(deployment: Deployment) -> list[Sent]:
    return [(record.key, record.value, record.headers) for record in _input(deployment)]


def _until_there(deployment: Deployment, count: int, what: str = "all lines") -> None:
    """Wait until so many different lines are in the topic."""
    until(lambda: len({(key, headers[0][1]) for key, _, headers in _records(deployment)}) >= count, 60, what)


def _expected(key: str, lines: list[bytes]) -> list[Sent]:
    return [(key.encode(), text, [("rollout-ordinal", str(at).encode())]) for at, text in enumerate(lines)]


def _figures(out: str) -> dict[str, Any]:
    """Return the summary without what depends on time."""
    found: dict[str, Any] = json.loads(out)
    assert found.pop("seconds") > 0
    assert found.pop("linesPerSecond") >= 0
    return found


# Records


def test_murmur2_is_kafkas() -> None:
    """Known values: UtilsTest of Kafka's Java client."""
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }

    assert {text: murmur2(text) for text in known} == known


LINES = [
    _meta(_id(1)),
    b"",
    b"  ",
    b'{"text":"a\xe2\x80\xa8b\x0b"}\r',
    b"\xff\xfe no UTF-8",
    b"\x00\x00\x00\x00\x01 like a frame",
    b"the last one without a line feed",
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "-"])
def test_each_line_is_a_record_byte_for_byte_with_key_and_ordinal(
    deployment: Deployment, publish: Publish, tmp_path: Path, name: str
) -> None:
    text = b"\n".join(LINES)
    if name != "-":
        (tmp_path / name).write_bytes(zstandard.compress(text) if name.endswith(".zst") else text)
    publishing = publish("--output", "json", name if name == "-" else tmp_path / name)
    code, out, said = publishing.result(text if name == "-" else b"")

    assert (code, len(said.splitlines())) == (0, 1)
    assert _figures(out) == {
        "files": 1,
        "lines": len(LINES),
        "bytes": sum(map(len, LINES)),
        "oversized": 0,
        "unreadable": 0,
    }
    assert _records(deployment) == _expected(_id(1), LINES)


def test_threads_are_where_the_java_client_would_put_them(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    for number in range(100):
        _rollout(tmp_path, number, 2)
    (tmp_path / "no-uuid.jsonl").write_bytes(b"{}\n")
    result = publish(tmp_path).result()
    places = {(record.key or b"").decode(): record.partition for record in _input(deployment)}

    assert result[0] == 0
    assert places == {
        key: (murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS for key in [*map(_id, range(100)), "no-uuid"]
    }


def test_a_file_that_is_published_again_is_sent_again(deployment: Deployment, publish: Publish, tmp_path: Path) -> None:
    path = _rollout(tmp_path, 1, 10)
    codes = [publish(path).result()[0] for _ in range(2)]

    assert codes == [0, 0]
    assert _records(deployment) == _expected(_id(1), list(RolloutFile(path).lines())) * 2


def test_a_line_that_is_too_large_is_named_and_the_others_are_sent(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    """The largest that is sent cannot be compressed, and the broker takes it."""
    path = tmp_path / f"{_id(1)}.jsonl"
    limit = 8 * 1024 * 1024
    fits = limit - RECORD_OVERHEAD_BYTES - len(_id(1))
    largest = random.Random(7).randbytes(fits).replace(b"\n", b"\r")
    path.write_bytes(b"\n".join([b"first", largest, largest + b"x", b"x" * 20_000_000, b"last"]))
    code, out, said = publish(path, "--output", "json").result()
    sent = _expected(_id(1), [b"first", largest, b"", b"", b"last"])

    assert code == 1
    assert said.splitlines()[:-1] == [
        f"{path}:3: not sent: {fits + 1} bytes, the topic's max.message.bytes is {limit}",
        f"{path}:4: not sent: 20000000 bytes, the topic's max.message.bytes is {limit}",
    ]
    assert said.splitlines()[-1].endswith("2 lines too large")
    assert _figures(out) == {"files": 1, "lines": 3, "bytes": fits + 9, "oversized": 2, "unreadable": 0}
    assert _records(deployment) == [sent[0], sent[1], sent[4]]


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_sent(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    good, damaged = _rollout(tmp_path, 1, 3), tmp_path / "damaged.jsonl.zst"
    damaged.write_bytes(zstandard.compress(good.read_bytes())[:-5])
    code, out, said = publish("-o", "json", tmp_path / "absent.jsonl", damaged, good).result()

    assert code == 2
    assert [text.split(" ")[:4] for text in said.splitlines()[:2]] == [
        [f"{tmp_path}/absent.jsonl:", "cannot", "be", "read:"],
        [f"{damaged}:", "cannot", "be", "read:"],
    ]
    assert (_figures(out)["unreadable"], _records(deployment)[-3:]) == (
        2,
        _expected(_id(1), list(RolloutFile(good).lines())),
    )


def test_progress_on_a_terminal_leaves_the_summary(deployment: Deployment, tmp_path: Path) -> None:
    for number in range(20):
        _rollout(tmp_path, number, 1_000)
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "publish", str(tmp_path)],
        env={**deployment.environment(), "TERM": "xterm", "COLUMNS": "100"},
        stderr=end,
    )
    os.close(end)
    shown = b""
    try:
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    except OSError:  # how Linux tells that nobody holds the other end
        pass
    os.close(terminal)

    assert process.wait(10) == 0
    assert b"20 files \xc2\xb7 20,000 lines \xc2\xb7 " in shown.replace(b"\r", b"").split(b"\n")[-2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_the_end_is_no_success(
    deployment: Deployment, publish: Publish, tmp_path: Path, number: signal.Signals
) -> None:
    path = _rollout(tmp_path, 1, 40_000)
    publishing = publish(path, "-o", "json", **SLOW)
    _until_there(deployment, 1_000, "some lines")
    code, out, said = publishing.ended_by(number)
    sent = _figures(out)["lines"]

    assert code == 1
    assert "error: stopped before the end; publish again: what comes twice counts once" in " ".join(said.split())
    # The broker may have written one more batch, whose acknowledgement nobody waited for.
    there = _records(deployment)

    assert len(there) >= sent
    assert there == _expected(_id(1), list(RolloutFile(path).lines())[: len(there)])


# Wrong use


def test_a_missing_topic_is_told_with_the_command_that_makes_it(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    code, _, said = publish(tmp_path, "--prefix", "absent.").result()

    assert code == 2
    assert "topic absent.rollout-items is missing: run `thread-history-worker topics create`" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--follow", "-"], "standard input cannot be followed"),
        (["--follow", "absent"], "absent: no such file or folder to follow"),
        (["--state", "file", "."], "--state is for --follow"),
    ],
)
def test_wrong_use_is_told(publish: Publish, arguments: list[str], told: str) -> None:
    code, _, said = publish(*arguments).result()

    assert (code, told in said) == (2, True)


# Following


def test_following_sends_what_grows_and_what_is_new_and_waits_for_line_feeds(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    old = _rollout(tmp_path, 1, 5)
    following = publish("--follow", tmp_path, "-o", "json")
    _until_there(deployment, 5, "the lines that are there")
    new = _rollout(tmp_path, 2, 1)
    _append(old, _said(5) + b"\n" + _said(6)[:20])
    _until_there(deployment, 7, "a new file and a new line")
    _append(old, _said(6)[20:])
    _append(new, b"\n")
    _until_there(deployment, 8, "a blank line")
    _append(old, b"\n")
    _until_there(deployment, 9, "the line whose end was missing")
    code, out, _ = following.ended_by(signal.SIGTERM)

    assert code == 0
    assert (_figures(out)["files"], _figures(out)["lines"]) == (2, 9)
    assert _by_thread(deployment) == {
        _id(1): _expected(_id(1), list(RolloutFile(old).lines())),
        _id(2): _expected(_id(2), list(RolloutFile(new).lines())),
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_following_again_sends_only_what_came_meanwhile(
    deployment: Deployment, publish: Publish, tmp_path: Path, number: signal.Signals
) -> None:
    files = [_rollout(tmp_path, at, 50) for at in range(20)]
    following = publish("--follow", tmp_path)
    _until_there(deployment, 1_000, "all lines")
    first = following.ended_by(number)
    files[3].with_name(f"{files[3].name}.zst").write_bytes(zstandard.compress(files[3].read_bytes()))
    files[3].unlink()
    _append(files[4], _said(50) + b"\n")
    again = publish("--follow", tmp_path, "-o", "json")
    _until_there(deployment, 1_001, "the new line")
    second = again.ended_by(number)

    assert (first[0], second[0], _figures(second[1])["lines"]) == (0, 0, 1)
    assert len(list((again.home / ".local/state/thread-history-worker").glob("publish-*.sqlite"))) == 1


def test_a_followed_line_that_is_too_large_is_named_once_and_passed(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    path = _rollout(tmp_path, 1, 2)
    _append(path, b"x" * 9_000_000 + b"\n" + _said(3) + b"\n")
    following = publish("--follow", tmp_path)
    _until_there(deployment, 3, "all lines but one")
    first = following.ended_by(signal.SIGTERM)
    again = publish("--follow", tmp_path)
    _append(path, _said(4) + b"\n")
    _until_there(deployment, 4, "the new line")
    second = again.ended_by(signal.SIGTERM)

    assert (first[0], second[0]) == (0, 0)
    assert f"{path}:3: not sent: 9000000 bytes" in first[2]
    assert "not sent" not in second[2]
    assert [headers[0][1] for _, _, headers in _records(deployment)] == [b"0", b"1", b"3", b"4"]


def test_two_may_not_follow_with_one_journal(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    state = tmp_path / "state.sqlite"
    publish("--follow", tmp_path / "sessions", "--state", state)
    until(lambda: state.exists() and state.stat().st_size > 0, 30, "the first one has its journal")
    code, _, said = publish("--follow", tmp_path / "sessions", "--state", state).result()

    assert (code, "is in use by another `publish --follow`" in said) == (2, True)


def test_a_topic_that_was_made_anew_gets_all_lines_again(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    _rollout(tmp_path, 1, 10)
    following = publish("--follow", tmp_path)
    _until_there(deployment, 10, "all lines")
    following.ended_by(signal.SIGTERM)
    kafka, name = deployment.settings.kafka, deployment.names.input
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.delete_topics([name])[name].result()
    until(lambda: name not in Topics(kafka).partitions(), 30, "the topic is gone")
    until(
        lambda: bool(Topics(kafka).create(wanted(deployment.names)[:1], deployment.settings.topics)), 30, "it is back"
    )
    publish("--follow", tmp_path)

    _until_there(deployment, 10, "all lines again")


# Kills


def _by_thread(deployment: Deployment) -> dict[str, list[Sent]]:
    threads: dict[str, list[Sent]] = defaultdict(list)
    for record in _input(deployment):
        threads[(record.key or b"").decode()].append((record.key, record.value, record.headers))
    return dict(threads)


def _in_order(records: list[Sent]) -> list[Sent]:
    """Return the records without those whose ordinal came before; a record after a gap fails."""
    first: list[Sent] = []
    for record in records:
        ordinal = int(record[2][0][1] or b"")
        assert ordinal <= len(first), f"{ordinal} after {len(first)} lines"
        if ordinal == len(first):
            first.append(record)
        else:
            assert record == first[ordinal]
    return first


@pytest.mark.timeout(240)
def test_following_through_kills_sends_every_line_in_order_and_few_twice(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    files = [_rollout(tmp_path, number, 1) for number in range(10)]
    rounds, more = 5, 1_000
    for number in range(rounds):
        for path in files:
            _append(path, b"".join(_said(number * more + at) + b"\n" for at in range(more)))
        before = len(_records(deployment))
        following = publish("--follow", tmp_path, **SLOW)
        enough = before + chance.randrange(500, 8_000)
        until(lambda: len(_records(deployment)) >= enough, 30, f"some lines, seed {seed}")  # noqa: B023
        following.process.kill()
        following.process.wait()
    following = publish("--follow", tmp_path)
    total = 10 * (1 + rounds * more)
    _until_there(deployment, total, f"all lines, seed {seed}")
    code, _, _ = following.ended_by(signal.SIGTERM)

    assert code == 0
    assert {key: _in_order(records) for key, records in _by_thread(deployment).items()} == {
        _id(number): _expected(_id(number), list(RolloutFile(path).lines())) for number, path in enumerate(files)
    }, f"seed {seed}"
    assert len(_records(deployment)) - total <= rounds * REPEATED_MAX, f"seed {seed}"


def test_a_worker_counts_once_what_a_killed_follower_sent_twice(
    deployment: Deployment, publish: Publish, tmp_path: Path
) -> None:
    files = [_rollout(tmp_path, number, 1) for number in range(4)]
    worker: WorkerProcess = deployment.start()
    for number in range(3):
        for path in files:
            _append(path, b"".join(_said(number * 500 + at) + b"\n" for at in range(500)))
        before = len(_records(deployment))
        following = publish("--follow", tmp_path, **SLOW)
        until(lambda: len(_records(deployment)) > before + 500, 30, "some lines")  # noqa: B023
        following.process.kill()
        following.process.wait()
    assert publish(tmp_path).result()[0] == 0
    deployment.until_through()
    shared = app.appends(deployment.settings)
    replayed = sum(
        1 for at, path in enumerate(files) for _ in Replay(_id(at), shared).mutations(RolloutFile(path).lines())
    )
    published = [
        (found["threadId"], found["sequence"])
        for record in deployment.published()
        if record.value is not None and (found := decode(record.value))
    ]

    assert worker.alive()
    assert len(_records(deployment)) > 4 * 1_501
    assert (len(published), len(set(published))) == (replayed, replayed), deployment.said()


@pytest.mark.timeout(240)
def test_a_broker_that_dies_costs_no_line_and_no_order(tmp_path: Path) -> None:
    files = [_rollout(tmp_path / "sessions", number, 8_000) for number in range(6)]
    home = tmp_path / "home"
    options = {**SLOW, "message.timeout.ms": 1_500}
    with LocalCluster() as cluster, ExitStack() as stack:
        deployment = stack.enter_context(closing(Deployment(cluster.bootstrap_servers, "dies")))
        following = Publishing(deployment, "--follow", tmp_path / "sessions", home=home, options=options)
        _until_there(deployment, 2_000, "some lines")
        cluster.kill()
        failed = following.result()
        cluster.start()
        again = Publishing(deployment, "--follow", tmp_path / "sessions", home=home)
        _until_there(deployment, 48_000)
        stopped = again.ended_by(signal.SIGTERM)
        sent = _by_thread(deployment)

    assert (failed[0], stopped[0]) == (1, 0)
    assert "acknowledged nothing for 2 s; once the cause is gone run the same command again" in failed[2]
    assert {key: _in_order(records) for key, records in sent.items()} == {
        _id(number): _expected(_id(number), list(RolloutFile(path).lines())) for number, path in enumerate(files)
    }
    assert sum(map(len, sent.values())) - 48_000 <= REPEATED_MAX
