"""What is done to workers, brokers and the line between them."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.chaos.cluster import ProxiedCluster
from tests.chaos.group import STOP_S, Group, Process, Slot
from tests.chaos.proxy import Proxy, Rule
from tests.chaos.schedule import Fault, Step

WORKERS_MIN, WORKERS_MAX = 1, 3
# A process whose name is another's must have noticed by then: its poll or its next commit tells it.
_NOTICED_S = 20.0
# What a shared line is hit with: one worker's connections, or with this chance everybody's.
_EVERYBODY = 0.3
_METADATA_S = 10.0


@dataclass(frozen=True)
class Injection:
    """A fault that was injected.

    Attributes:
        at: seconds since the epoch.
        alone: no other was injected together with it.
    """

    kind: str
    at: float
    alone: bool


@dataclass
class Field:
    """All that a fault may touch.

    Attributes:
        topic: one of the group's topics, for the leaders of its partitions.
        injections: those that happened, in order.
    """

    cluster: ProxiedCluster
    proxy: Proxy
    group: Group
    topic: str
    note: Callable[[str], None]
    injections: list[Injection] = field(default_factory=list)
    broker: threading.Lock = field(default_factory=threading.Lock)

    def inject(self, step: Step) -> None:
        """Inject a step's faults and wait until they are over."""
        threads = [
            threading.Thread(target=self._one, args=(fault, len(step.faults) == 1), name=fault.kind)
            for fault in step.faults
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, fault: Fault, alone: bool) -> None:
        time.sleep(fault.after_s)
        try:
            _ACTIONS[fault.kind](_Action(self, fault, alone))
        except InterruptedError:
            self.note(f"{fault.kind} given up: the run ends")
        except Exception as error:
            self.group.findings.append(f"{fault.kind} could not be injected: {type(error).__name__}: {error}")


@dataclass
class _Action:
    """One fault on its way."""

    field: Field
    fault: Fault
    alone: bool

    def now(self, told: str) -> None:
        """Note that it happens now."""
        self.field.injections.append(Injection(self.fault.kind, time.time(), self.alone))
        self.field.note(f"{self.fault.kind}: {told}")

    def lasts(self) -> None:
        """Wait until its second half."""
        time.sleep(self.fault.lasts_s)

    def found(self, what: str) -> None:
        """Note what became of it; alone it must be as promised."""
        self.field.note(what)
        if self.alone:
            self.field.group.findings.append(what)


def _kill(action: _Action, *, fresh_disk: bool = False) -> None:
    group = action.field.group
    with group.borrow(action.fault.target) as slot:
        action.now(f"worker {slot.instance}, back in {action.fault.lasts_s} s")
        slot.process.kill()
        action.lasts()
        group.start(slot, fresh_disk=fresh_disk)


def _kill_diskless(action: _Action) -> None:
    _kill(action, fresh_disk=True)


def _sigterm(action: _Action) -> None:
    group = action.field.group
    with group.borrow(action.fault.target) as slot:
        action.now(f"worker {slot.instance}, back in {action.fault.lasts_s} s")
        _end(action, slot)
        action.lasts()
        group.start(slot)


def _end(action: _Action, slot: Slot) -> None:
    slot.process.signal(signal.SIGTERM)
    code = slot.process.wait(STOP_S)
    if code != 0:
        action.found(
            f"worker {slot.instance} asked to end: {'no end in time' if code is None else f'exit code {code}'}"
        )
    if code is None:
        slot.process.kill()


def _zombie(action: _Action) -> None:
    with action.field.group.borrow(action.fault.target) as slot:
        action.now(f"worker {slot.instance} for {action.fault.lasts_s} s")
        slot.process.signal(signal.SIGSTOP)
        action.lasts()
        slot.process.signal(signal.SIGCONT)


def _zombie_replaced(action: _Action) -> None:
    group = action.field.group
    with group.borrow(action.fault.target) as slot:
        action.now(f"worker {slot.instance} for {action.fault.lasts_s} s")
        old, folder = slot.process, slot.folder
        old.signal(signal.SIGSTOP)
        time.sleep(1.0)
        group.start(slot, fresh_disk=True)
        action.lasts()
        old.signal(signal.SIGCONT)
        _one_ends(action, slot, old, folder)


def _second(action: _Action) -> None:
    group = action.field.group
    with group.borrow(action.fault.target) as slot:
        action.now(f"worker {slot.instance}")
        old, folder = slot.process, slot.folder
        group.start(slot, fresh_disk=True)
        _one_ends(action, slot, old, folder)


def _one_ends(action: _Action, slot: Slot, old: Process, folder: Path) -> None:
    """See that of two processes of one name the one that joined first ends, which after a pause may be either."""
    deadline = time.monotonic() + _NOTICED_S
    while time.monotonic() < deadline and old.ended() is None and slot.process.ended() is None:
        time.sleep(0.1)
    code = old.ended()
    if code is None and slot.process.ended() is not None:
        code = slot.process.ended()
        slot.process, slot.folder = old, folder
    if code != 0:
        what = f"both run after {_NOTICED_S:g} s" if code is None else f"one ended with {code}"
        action.found(f"two workers {slot.instance}: {what}")


def _added(action: _Action) -> None:
    if len(action.field.group.slots) < WORKERS_MAX:
        action.now("one more worker")
        action.field.group.add()


def _removed(action: _Action) -> None:
    group = action.field.group
    if len(group.slots) <= WORKERS_MIN:
        return
    with group.borrow(action.fault.target) as slot:
        action.now(f"worker {slot.instance}")
        slot.wanted = False
        _end(action, slot)


def _broker_killed(action: _Action) -> None:
    with action.field.broker:
        action.now(f"back in {action.fault.lasts_s} s")
        (broker,) = action.field.cluster.brokers
        broker.kill()
        action.lasts()
        broker.start()


def _leader_killed(action: _Action) -> None:
    with action.field.broker:
        cluster, topic = action.field.cluster, action.field.topic
        metadata = AdminClient({"bootstrap.servers": cluster.bootstrap_servers}).list_topics(topic, _METADATA_S)
        partitions = metadata.topics[topic].partitions
        node = cluster.node(partitions[int(action.fault.target * len(partitions))].leader)
        action.now(f"node {node.address.node_id}, back in {action.fault.lasts_s} s")
        node.kill()
        action.lasts()
        node.start()


def _line(action: _Action, rule: Rule) -> None:
    """Have a rule in force for one worker's connections, or for everybody's."""
    group = action.field.group
    if action.fault.strength >= _EVERYBODY:
        rule.member = group.member(group.pick(action.fault.target))
    action.now(f"{rule.member or 'everybody'} for {action.fault.lasts_s} s")
    with action.field.proxy.rule(rule):
        action.lasts()
    action.field.note(f"{action.fault.kind}: struck {rule.hits} times")


def _cut(action: _Action) -> None:
    _line(action, Rule("cut"))


def _swallowed(action: _Action) -> None:
    _line(action, Rule("swallow"))


def _stalled(action: _Action) -> None:
    _line(action, Rule("stall"))


def _delayed(action: _Action) -> None:
    _line(action, Rule("delay", seconds=0.2 + 2.3 * action.fault.strength))


def _unanswered(action: _Action) -> None:
    _line(action, Rule("unanswered"))


def _late_commit(action: _Action) -> None:
    _line(action, Rule("late", seconds=action.fault.lasts_s))


_ACTIONS: dict[str, Callable[[_Action], None]] = {
    "kill": _kill,
    "kill_diskless": _kill_diskless,
    "sigterm": _sigterm,
    "zombie": _zombie,
    "zombie_replaced": _zombie_replaced,
    "superseded": _second,
    "added": _added,
    "removed": _removed,
    "broker_killed": _broker_killed,
    "leader_killed": _leader_killed,
    "cut": _cut,
    "swallowed": _swallowed,
    "stalled": _stalled,
    "delayed": _delayed,
    "unanswered": _unanswered,
    "late_commit": _late_commit,
}
