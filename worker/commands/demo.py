"""`demo`: the whole system on this machine, for a newcomer."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from worker import app
from worker.audit import differences, from_scratch
from worker.commands.options import ServersOption, err, out, settings
from worker.commands.tables import print_table
from worker.commands.view import turns_table
from worker.compacted import Rows, threads
from worker.config import Settings
from worker.errors import FatalError, RetryError
from worker.kafka.group import GroupProgress
from worker.kafka.publisher import Publisher
from worker.kafka.reader import TopicReader, read_all
from worker.kafka.topics import Topics, wanted
from worker.localbroker.cluster import LocalCluster
from worker.model.topic import TopicNames
from worker.rollouts.files import RolloutFile, rollout_files

SAMPLES = Path(__file__).parents[1] / "samples"
# A pause after each round of lines, so that an eye can follow.
_ROUND_S = 0.03
_WAIT_S = 60.0
_STOP_S = 15.0
_SAMPLE = "0199f00d-0001-7000-8000-000000000001"


def demo(
    bootstrap_servers: ServersOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker and the worker running at the end.")] = False,
) -> None:
    """Show the whole system on this machine: broker, sample threads, worker, topics, and a check of the result.

    Starts a throw-away Kafka broker on loopback (Java, and Maven once, for its jars), unless one is named. Takes less
    than a minute and ends by itself.

    [bold]Examples[/bold]

      thread-history-worker demo

      thread-history-worker demo --keep

      thread-history-worker demo --bootstrap-servers localhost:9092
    """
    with ExitStack() as stack:
        if bootstrap_servers is None:
            out.print("[bold]1.[/bold] Starting a Kafka broker on loopback …")
            cluster = stack.enter_context(LocalCluster(detached=keep))
            servers, own_topics, broker = cluster.bootstrap_servers, {}, str(cluster.nodes[0].pid)
            out.print(f"   Kafka answers at {servers}")
        else:
            # Somebody's cluster: nothing here may touch the topics of a real worker.
            servers, own_topics = bootstrap_servers, {"group": "thread-history-demo", "topics__prefix": "demo."}
            broker = ""
            out.print(f"[bold]1.[/bold] Using Kafka at {servers}")
        found = settings(None, kafka__bootstrap_servers=servers, instance="demo", **own_topics)
        process = _show(found, stack, keep=keep)
        if keep:
            _print_how_to_look(found, app.topic_names(found), f"{process.pid} {broker}".strip())


def _show(found: Settings, stack: ExitStack, *, keep: bool) -> "subprocess.Popen[bytes]":
    names = app.topic_names(found)
    made = Topics(found.kafka).create(wanted(names), found.topics)
    out.print(f"[bold]2.[/bold] {len(made)} topics made: {', '.join(made) or 'all were there'}")
    process = stack.enter_context(_worker(found, keep=keep))
    out.print(f"[bold]3.[/bold] A worker runs (process {process.pid}). Publishing sample threads:")
    _publish_and_watch(found, names, process)
    topics = [*names.projections.values(), names.dead_letters]
    published = read_all(found.kafka, topics)
    rows = Rows(app.value_decoder(found))
    for record in published:
        if record.topic in names.projections.values():
            rows.apply(record)
    shown = threads(rows.values())
    thread_id, turns = next(iter(sorted(shown.items())))
    out.print(f"[bold]4.[/bold] One of {len(shown)} threads, read back from the topics:")
    print_table(out, turns_table(f"thread {thread_id}", turns))
    scratch = from_scratch(read_all(found.kafka, [names.input]), app.task_maker(found))
    wrong = differences(published, scratch, app.latest_topics(found))
    if wrong:
        raise FatalError(f"the topics differ from a reduction from scratch: {wrong}")
    out.print(
        f"[bold]5.[/bold] [green]✓[/green] The {len(published)} records on the topics are byte for byte "
        "what a reduction from scratch gives."
    )
    return process


@contextmanager
def _worker(found: Settings, *, keep: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker in a process of its own, stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="thread-history-worker-"))
    log = folder / "worker.log"
    command = [
        *(sys.executable, "-m", "worker", "run", "--bootstrap-servers", found.kafka.bootstrap_servers),
        *("--group", found.group, "--instance", found.instance, "--prefix", found.topics.prefix),
        *("--state-folder", str(folder / "state")),
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, stdout=file, start_new_session=True)
    try:
        yield process
    except BaseException:
        _stop(process)
        err.print(f"The worker's log: {log}", markup=False)
        raise
    if not keep:
        code = _stop(process)
        if code:
            raise FatalError(f"the worker ended with exit code {code}; its log: {log}")
        shutil.rmtree(folder)


def _stop(process: "subprocess.Popen[bytes]") -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _publish_and_watch(found: Settings, names: TopicNames, process: "subprocess.Popen[bytes]") -> None:
    """Publish the samples, threads interleaved, and show the topics filling until the worker is through."""
    topics = [names.input, *names.projections.values(), names.dead_letters, names.changelog]
    reader = TopicReader(found.kafka, topics)
    counts: Counter[str] = Counter()
    sending = _published(found, names.input)
    progress = GroupProgress(found.kafka, found.group, names.input, Topics(found.kafka).partitions()[names.input])
    deadline = time.monotonic() + _WAIT_S
    with Live(console=out, refresh_per_second=10) if out.is_terminal else nullcontext() as live:
        through = False
        while not through:
            sent = next(sending, False)
            counts.update(record.topic for record in reader.read(_ROUND_S))
            if live is not None:
                live.update(_counts(topics, counts))
            through = not sent and _is_through(progress)
            if process.poll() is not None or time.monotonic() > deadline:
                raise FatalError(f"the worker did not get through the samples (exit code {process.poll()})")
        counts.update(record.topic for record in reader.to(reader.ends()))
        if live is not None:
            live.update(_counts(topics, counts))
    if not out.is_terminal:
        out.print(_counts(topics, counts))
    reader.close()


def _is_through(progress: GroupProgress) -> bool:
    try:
        return progress.lag() == 0
    except RetryError:
        return False


def _published(found: Settings, topic: str) -> Iterator[bool]:
    """Send one line of each sample at a time; yield True after each round."""
    files = [RolloutFile(path) for path in rollout_files([SAMPLES])]
    keys = [file.thread_id().encode() for file in files]
    with Publisher(found.kafka, topic, record_bytes_max=Topics(found.kafka).record_bytes_max(topic)) as publisher:
        for ordinal, lines in enumerate(zip_longest(*(file.lines() for file in files))):
            for key, line in zip(keys, lines, strict=True):
                while line is not None and not publisher.send(key, ordinal, line):
                    pass
            publisher.flush()
            yield True


def _counts(topics: list[str], counts: Counter[str]) -> Table:
    table = Table("topic", box=None, pad_edge=False, padding=(0, 2))
    table.add_column("records", justify="right")
    table.add_column("", no_wrap=True)
    for topic in topics:
        table.add_row(f"   {topic}", str(counts[topic]), f"[cyan]{'█' * (counts[topic] // 10)}[/cyan]")
    return table


def _print_how_to_look(found: Settings, names: TopicNames, processes: str) -> None:
    servers = found.kafka.bootstrap_servers
    out.print(f"The broker at {servers} and the worker go on. To look at them:", markup=False)
    for line in (
        f"  thread-history-worker topics check -b {servers} --group {found.group} --prefix {found.topics.prefix}",
        f"  thread-history-worker inspect -b {servers} --prefix {found.topics.prefix} {_SAMPLE}",
        f"  thread-history-worker verify -b {servers} --group {found.group} --prefix {found.topics.prefix}",
        f"  thread-history-worker publish -b {servers} --prefix {found.topics.prefix} ~/.codex/sessions",
        f"  any Kafka client (isolation.level=read_committed) on {', '.join(names.projections.values())}",
    ):
        out.print(line, markup=False, soft_wrap=True)
    out.print(f"To end them: kill {processes}")
