"""`rebuild`: after a change of the reduction, have the topics and the state converge to what it gives now."""

import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from worker import app
from worker.commands.options import ConfigOption, GroupOption, PrefixOption, ServersOption, err, out, settings
from worker.commands.verify import compared, records_of
from worker.config import Settings
from worker.errors import ConfigError
from worker.kafka.group import GroupProgress
from worker.kafka.sink import KafkaSink
from worker.kafka.topics import Topics
from worker.model.mutation import encoded
from worker.model.record import InRecord
from worker.model.topic import TopicNames
from worker.rebuild import Existing, Rebuilt, rebuilt
from worker.runtime.headers import thread_id_of
from worker.runtime.ports import Offsets
from worker.verify import Difference

# Threads whose records are held in memory at a time; the input is read once for each such part.
_PART_THREADS = 1_000
# Records of one transaction.
_TRANSACTION_RECORDS = 10_000
NOTHING_CONSUMED = Offsets({}, None)


def rebuild(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    thread: Annotated[
        list[str] | None, typer.Option("--thread", "-t", metavar="ID", help="Only this thread; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would change, change nothing.")] = False,
) -> None:
    """Derive threads again whose rows differ from what this release gives, and publish them in a new generation.

    For readers a thread's rows go over from the old generation to the new one, none is missing meanwhile; rows that are
    no more become nulls. The group must be stopped. After a kill, run it again: what is done is not done twice. Threads
    whose first record is not in the input any more are left as they are.

    [bold]Examples[/bold]

      thread-history-worker rebuild --dry-run

      thread-history-worker rebuild --thread 0199f00d-0001-7000-8000-000000000001
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    names = app.topic_names(found)
    progress = GroupProgress(
        found.kafka, found.group, names.input, Topics(found.kafka).partitions().get(names.input, 0)
    )
    with tempfile.TemporaryDirectory(prefix="thread-history-rebuild-") as folder:
        left_out, differences, _ = compared(found, Path(folder))
    chosen = _chosen(differences, left_out, thread)
    for why in ("beginning gone", "moving"):
        if left_out[why]:
            out.print(f"{len(left_out[why])} threads left as they are: {why}")
    if dry_run:
        _print_plan(chosen, differences)
        return
    _insist_on_a_stopped_group(found, progress)
    for start in track(
        range(0, len(chosen), _PART_THREADS), "Rebuilding", console=err, transient=True, disable=not err.is_terminal
    ):
        _rebuild_part(found, names, progress, set(chosen[start : start + _PART_THREADS]))
    out.print(f"{len(chosen)} threads rebuilt")


def _chosen(differences: list[Difference], left_out: dict[str, set[str]], threads: list[str] | None) -> list[str]:
    """Return the keys of the threads to rebuild."""
    differing = {difference.key.partition("/")[0] for difference in differences} | left_out["parked"]
    if threads is None:
        return sorted(differing)
    asked = {encoded(thread) for thread in threads}
    gone = asked & left_out["beginning gone"]
    if gone:
        raise ConfigError(f"--thread {', '.join(sorted(gone))}: the first record is not in the input any more")
    return sorted(asked)


def _print_plan(chosen: list[str], differences: list[Difference]) -> None:
    kinds = Counter(difference.kind for difference in differences if difference.key.partition("/")[0] in set(chosen))
    rows = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none"
    out.print(f"{len(chosen)} threads would be rebuilt; rows that differ: {rows}")


def _insist_on_a_stopped_group(found: Settings, progress: GroupProgress) -> None:
    members = progress.members()
    if members:
        raise ConfigError(
            f"group {found.group} has {members} members: stop its workers and wait for kafka.session_timeout_ms "
            f"({found.kafka.session_timeout_ms / 1000:g} s), then run rebuild again"
        )


def _rebuild_part(found: Settings, names: TopicNames, progress: GroupProgress, threads: set[str]) -> None:
    committed, ends = progress.committed(), progress.ends()
    records: dict[str, list[InRecord]] = defaultdict(list)
    for record in records_of(found, [names.input], "Reading the input"):
        if _thread_key(record) in threads and record.offset < committed[record.partition]:
            records[_thread_key(record)].append(record)
    rows, generations = _published(found, names, threads)
    state = _state(found, names, threads)
    new_task = app.rebuild_task_maker(found)
    sink = KafkaSink(found.model_copy(update={"instance": "rebuild"}), names)
    sink.open()
    try:
        for thread_key, some in sorted(records.items()):
            _insist_on_a_stopped_group(found, progress)
            partition = some[0].partition
            made = rebuilt(
                thread_id_of(some[0].key) or "",
                some,
                Existing(rows[thread_key], state[thread_key]),
                generation=max(ends[partition], generations[thread_key] + 1),
                new_task=new_task,
                topics=names.projections.values(),
                row_format=found.store.row_format,
            )
            _write(sink, partition, made, found.loop.budget_s)
    finally:
        sink.close()


def _write(sink: KafkaSink, partition: int, made: Rebuilt, within_s: float) -> None:
    """Write a thread; the state goes over in its last transactions."""
    for start in range(0, len(made.out), _TRANSACTION_RECORDS):
        sink.send(partition, made.out[start : start + _TRANSACTION_RECORDS])
        if len(made.out) > _TRANSACTION_RECORDS:
            sink.commit(NOTHING_CONSUMED, within_s)
    sink.send_rows(partition, made.rows)
    sink.commit(NOTHING_CONSUMED, within_s)


def _published(
    found: Settings, names: TopicNames, threads: set[str]
) -> tuple[dict[str, set[tuple[str, bytes]]], dict[str, int]]:
    """Return the rows that are there and the newest generation, by thread key."""
    rows: dict[str, set[tuple[str, bytes]]] = defaultdict(set)
    generations: dict[str, int] = defaultdict(int)
    topics = list(names.projections.values())
    for record in records_of(found, topics, "Reading the mutations"):
        thread_key, place = _row_thread(record), (record.topic, record.key or b"")
        if thread_key not in threads:
            continue
        generation = int(dict(record.headers).get("thw-generation") or 0)
        generations[thread_key] = max(generations[thread_key], generation)
        (rows[thread_key].discard if record.value is None else rows[thread_key].add)(place)
    return rows, generations


def _state(found: Settings, names: TopicNames, threads: set[str]) -> dict[str, set[bytes]]:
    """Return the keys of the state rows that are there, by thread key."""
    keys: dict[str, set[bytes]] = defaultdict(set)
    for record in records_of(found, [names.changelog], "Reading the state"):
        if _row_thread(record) in threads:
            own = keys[_row_thread(record)]
            (own.discard if record.value is None else own.add)(record.key or b"")
    return keys


def _thread_key(record: InRecord) -> str:
    return encoded(thread_id_of(record.key) or "")


def _row_thread(record: InRecord) -> str:
    return (record.key or b"").partition(b"/")[0].decode(errors="replace")
