"""Run a worker group under faults on a real broker and audit what it published.

    python -m tests.chaos [--seed N] [--records 100000] [--threads 500] [--seconds S] [--nodes 1|3] [--short]
                          [--report FILE] [--folder FOLDER]

The seed decides the input and the schedule; how far the schedule comes depends on the machine. The last line of the
output is the verdict; exit code 0 when everything is as promised, else 1.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import report
from tests.chaos.auditor import (
    Audit,
    check_input,
    check_seen,
    check_sequences,
    compare_outputs,
    compare_rows,
    compare_state,
    compare_views,
    scratch,
)
from tests.chaos.cluster import ProxiedCluster
from tests.chaos.faults import Field
from tests.chaos.group import Group
from tests.chaos.load import ID, records
from tests.chaos.proxy import Proxy
from tests.chaos.publish import Load
from tests.chaos.schedule import SHORT, kinds, steps
from tests.chaos.tables import Tables
from tests.chaos.watch import Watch
from tests.integration.harness import TIMERS, Deployment, until
from worker import app
from worker.config import load as load_settings
from worker.kafka.reader import read_all
from worker.kafka.topics import Topics
from worker.store.disk import DiskStore

PARTITIONS = 6
WORKERS = 2
_STARTED_S = 60.0
# How long partitions may take to show something again before the next fault comes anyway.
_RECOVERED_S = 25.0
_THROUGH_S = 180.0
_SEEN_S = 30.0


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    seed: int
    records: int
    threads: int
    seconds: float
    nodes: int
    short: bool
    kinds: tuple[str, ...]
    sink: bool


class Chaos:
    """One run.

    Args:
        folder: for states and logs.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._folder = folder
        self._began = time.monotonic()
        self.audit = Audit(app.value_decoder(load_settings(None, {})))
        self.table: list[report.Row] = []
        self.facts: list[str] = []

    def note(self, text: str) -> None:
        """Tell what happens."""
        sys.stderr.write(f"{time.monotonic() - self._began:7.1f} s  {text}\n")
        sys.stderr.flush()

    def run(self) -> None:
        """Run it all."""
        with (
            ProxiedCluster(self.plan.nodes, folder=self._folder / "cluster") as cluster,
            Proxy(cluster.routes) as proxy,
        ):
            name = f"chaos-{self.plan.seed}"
            deployment = Deployment(cluster.bootstrap_servers, name, PARTITIONS)
            topics = [*deployment.names.projections.values(), deployment.names.dead_letters, deployment.names.parked]
            try:
                with (
                    Group(deployment, cluster.proxied_servers, self._folder, self.note) as group,
                    Watch(cluster.bootstrap_servers, topics, PARTITIONS, self.audit.decode) as watch,
                    self._sink(deployment, cluster.proxied_servers) as tables,
                ):
                    field = Field(cluster, proxy, group, deployment.names.changelog, self.note)
                    self._disturb(deployment, field, watch)
                    self._judge(deployment, field, watch, tables)
            finally:
                deployment.close()

    def _sink(self, deployment: Deployment, servers: str) -> AbstractContextManager[Tables | None]:
        return Tables(deployment, servers, self.plan.seed, self.note) if self.plan.sink else nullcontext()

    def _disturb(self, deployment: Deployment, field: Field, watch: Watch) -> None:
        """Publish while faults are injected, then let the group come through."""
        plan = self.plan
        slots = [field.group.add() for _ in range(WORKERS)]
        for slot in slots:
            running = slot.process
            until(lambda: "partition runs" in running.said(), _STARTED_S, "the workers run")  # noqa: B023
        made = records(plan.seed, plan.records, plan.threads)
        load = Load(
            field.cluster.bootstrap_servers,
            deployment.names.input,
            made,
            count=plan.records,
            seconds=plan.seconds,
            seed=plan.seed,
        )
        load.start()
        until(lambda: watch.seen_since(0.0) == PARTITIONS, _STARTED_S, "all partitions show something")
        try:
            self._inject(field, watch, load)
            self._end_at = time.time()
            until(load.done.is_set, _THROUGH_S, "all input is published")
            self.note(f"all {load.acknowledged:,} records are published")
            until(lambda: deployment.lag() == 0, _THROUGH_S, "the group is through its input")
        finally:
            load.stop()
        if load.renewed:
            self.facts.append(f"the input's producer was renewed {load.renewed} times")

    def _inject(self, field: Field, watch: Watch, load: Load) -> None:
        plan = self.plan
        ends_at = time.monotonic() + plan.seconds
        for number, step in enumerate(steps(plan.seed, plan.kinds, pairs=not plan.short), 1):
            field.inject(step)
            self._recover(watch, load)
            self.note(f"{watch.count():,} records seen of {load.acknowledged:,} written")
            time.sleep(step.rest_s)
            if time.monotonic() > ends_at or (plan.short and number == len(plan.kinds)):
                return

    def _recover(self, watch: Watch, load: Load) -> None:
        """Wait until all partitions show something again, so that what follows is not this fault's doing."""
        over_at, deadline = time.time(), time.monotonic() + _RECOVERED_S
        while watch.seen_since(over_at) < PARTITIONS and not load.done.is_set():
            if time.monotonic() > deadline:
                self.note(f"only {watch.seen_since(over_at)} of {PARTITIONS} partitions show something again")
                return
            time.sleep(0.1)

    def _judge(self, deployment: Deployment, field: Field, watch: Watch, tables: Tables | None) -> None:
        """Audit what there is."""
        self.note("the group is through; auditing")
        names, audit, group = deployment.names, self.audit, field.group
        # While the workers still run, so that they are not through because they ended.
        inputs = deployment.input()
        group.stop()
        topics = [*names.projections.values(), names.dead_letters, names.parked]
        found = read_all(deployment.settings.kafka, topics)
        deadline = time.monotonic() + _SEEN_S
        while watch.count() < len(found) and time.monotonic() < deadline:
            time.sleep(0.1)
        wanted = scratch(deployment.settings, inputs)
        check_input(audit, inputs, ID, self.plan.records)
        compare_outputs(audit, found, wanted.outputs)
        check_sequences(audit, [record for record in found if record.topic in names.projections.values()])
        compare_views(audit, found, wanted.outputs, names.projections.values())
        views = compare_state(audit, read_all(deployment.settings.kafka, [names.changelog]), wanted.rows)
        self._compare_stores(deployment, group, views)
        check_seen(audit, watch.offsets, found)
        audit.add("not as promised", group.findings)
        if tables is not None:
            topics = list(names.projections.values())
            mutations = [one for place, some in wanted.outputs.items() if place[0] in topics for one in some]
            rows, wrong = tables.differing(mutations, audit.decode)
            audit.add("a row of the sink's tables differs", wrong)
            self.facts.append(f"a sink into PostgreSQL, killed {tables.kills} times: {rows:,} rows, all compared")
        written = [(record.timestamp_ms or 0) / 1000 for record in inputs]
        self.table = report.rows(field.injections, written, audit, watch.gaps, self._end_at)
        left_out = field.cluster.markers_left_out()
        if left_out:
            self.facts.append(f"Kafka left out transaction markers {left_out} times (KAFKA-20734)")
        self.facts += [
            f"{len(inputs):,} input records over {len({record.key for record in inputs}):,} keys",
            f"{sum(record.value is None for record in inputs)} forgets; {len(found):,} output records",
            f"{sum(len(rows) for rows in wanted.rows.values()):,} state rows, compared in the changelog and on disk",
            f"workers that ended unasked: {len(field.group.unasked)}",
        ]

    def _compare_stores(self, deployment: Deployment, group: Group, views: dict[int, dict[bytes, bytes]]) -> None:
        """Compare the rows on the disks of those who held the partitions last."""
        changelog = Topics(deployment.settings.kafka).identity(deployment.names.changelog)
        latest: dict[int, tuple[int, dict[bytes, bytes]]] = {}
        for folder in group.last_folders():
            for path in folder.iterdir():
                if not path.name.isdigit():
                    continue
                store = DiskStore(path, changelog=changelog, bytes_max=1 << 36, age_max_s=3_600, wall=time.time)
                if store.changelog_offset > latest.get(int(path.name), (0, {}))[0]:
                    latest[int(path.name)] = (store.changelog_offset, dict(store.scan(b"")))
                store.close()
        for partition in sorted({*views, *latest}):
            rows = latest.get(partition, (0, {}))[1]
            compare_rows(self.audit, f"disk of partition {partition}", rows, views.get(partition, {}))

    def text(self) -> str:
        """Return the report as Markdown."""
        plan, timers = (
            self.plan,
            ", ".join(f"{name.partition('__')[2].lower()} {found}" for name, found in TIMERS.items()),
        )
        lines = [
            f"### Seed {plan.seed}, {'one node' if plan.nodes == 1 else f'{plan.nodes} nodes'}: {self.verdict()}",
            "",
            *report.table(self.table),
            "",
            *(f"- {fact}" for fact in self.facts),
            f"- {WORKERS} workers at first, 1 to 3 later, {PARTITIONS} partitions, {plan.seconds:g} s of faults",
            f"- {timers}",
            f"- {report.machine()}",
        ]
        lines += ["", "Differences:", ""] * bool(self.audit.differences)
        return "\n".join([*lines, *(f"- {one}" for one in self.audit.differences)]) + "\n"

    def verdict(self) -> str:
        """Return the verdict in a few words."""
        if self.audit.differences:
            return f"failed, {len(self.audit.differences)} differences"
        return "passed: nothing lost, nothing doubled"


def main() -> int:
    """Run chaos as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="default: a random one, which is printed")
    parser.add_argument("--records", type=int, help="default: 100,000; short 10,000")
    parser.add_argument("--threads", type=int, help="default: 500; short 100")
    parser.add_argument("--seconds", type=float, help="how long faults are injected; default: 360; short 60")
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--only", help="these kinds of faults, with commas between")
    parser.add_argument("--short", action="store_true", help="a handful of faults, about 90 s")
    parser.add_argument("--sink", action="store_true", help="a sink into PostgreSQL too, killed again and again")
    parser.add_argument("--report", type=Path, help="where the report goes, Markdown")
    parser.add_argument("--folder", type=Path, help="keep states and logs here")
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if args.seed is None else args.seed
    records_, threads, seconds = (10_000, 100, 60.0) if args.short else (100_000, 500, 360.0)
    plan = Plan(
        seed=seed,
        records=args.records or records_,
        threads=args.threads or threads,
        seconds=args.seconds or seconds,
        nodes=args.nodes,
        short=args.short,
        sink=args.sink,
        kinds=tuple(args.only.split(",") if args.only else SHORT if args.short else kinds(args.nodes)),
    )
    folder = args.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"seed {seed}\n")
    chaos = Chaos(plan, folder)
    try:
        chaos.run()
    except TimeoutError as error:
        chaos.audit.add("not in time", [str(error).splitlines()[0]])
    sys.stdout.write(chaos.text())
    if args.report:
        args.report.write_text(chaos.text(), "utf-8")
    passed = not chaos.audit.differences
    if passed and args.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif not passed:
        sys.stdout.write(f"logs and states: {folder}\n")
    sys.stdout.write(f"chaos, seed {seed}: {chaos.verdict()}\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
