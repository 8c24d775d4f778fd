"""What happens when: a seed gives the same faults, targets and durations in the same order."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        told: what is done, for the report.
        lasts_s: the shortest and the longest time between its first and its second half: until the process is started
            again, the line is whole again, and so on.
        nodes: how many nodes the cluster must have.
    """

    told: str
    lasts_s: tuple[float, float]
    nodes: tuple[int, ...] = (1, 3)


KINDS = {
    "kill": Kind("worker killed (-9), started again with its disk", (0.2, 2.0)),
    "kill_diskless": Kind("worker killed (-9), started again without its disk", (0.2, 2.0)),
    "sigterm": Kind("worker stopped (SIGTERM), started again", (0.2, 2.0)),
    "zombie": Kind("worker paused beyond its session, then continued", (8.0, 12.0)),
    "zombie_replaced": Kind("worker paused, its name taken over, then continued", (5.0, 9.0)),
    "superseded": Kind("a second process takes a running worker's name", (0.0, 0.0)),
    "added": Kind("worker added", (0.0, 0.0)),
    "removed": Kind("worker removed for good (SIGTERM)", (0.0, 0.0)),
    "broker_killed": Kind("broker killed (-9), started again", (7.0, 10.0), nodes=(1,)),
    "leader_killed": Kind("a partition's leader killed (-9), started again", (2.0, 12.0), nodes=(3,)),
    "delayed": Kind("requests delayed by up to 2.5 s", (4.0, 8.0)),
    "cut": Kind("connections cut, new ones refused", (1.0, 7.0)),
    "swallowed": Kind("connections cut, new ones never answered", (1.0, 5.0)),
    "stalled": Kind("connections stalled: open, nothing passes", (3.0, 9.0)),
    "unanswered": Kind("the answer to a commit never arrives", (3.0, 6.0)),
    "late_commit": Kind("a commit request arrives when its sender gave up", (6.0, 9.0)),
}
# What the short form does, once each.
SHORT = ("kill", "zombie", "broker_killed", "cut", "unanswered")

# After so many faults one by one, two at once.
PAIR_EVERY = 4


@dataclass(frozen=True)
class Fault:
    """One fault to inject.

    Attributes:
        target: from 0 to 1: which of those that can be hit.
        after_s: wait so long first.
        lasts_s: between its two halves.
        strength: from 0 to 1: of what has a strength.
    """

    kind: str
    target: float
    after_s: float
    lasts_s: float
    strength: float


@dataclass(frozen=True)
class Step:
    """Faults that are injected together, and the pause after them."""

    faults: tuple[Fault, ...]
    rest_s: float

    @property
    def name(self) -> str:
        """The kinds."""
        return " + ".join(fault.kind for fault in self.faults)


def kinds(nodes: int) -> list[str]:
    """Return the kinds that a cluster of a size can have."""
    return [name for name, kind in KINDS.items() if nodes in kind.nodes]


def steps(seed: int, names: Sequence[str], *, pairs: bool = True) -> Iterator[Step]:
    """Yield steps without end: every kind once before any comes again, and now and then two at once.

    Args:
        names: the kinds.
        pairs: whether two come at once.
    """
    chance = random.Random(f"schedule-{seed}")
    while True:
        deck = list(names)
        chance.shuffle(deck)
        for number, name in enumerate(deck, 1):
            yield Step((_fault(chance, name, 0.0),), chance.uniform(1.0, 5.0))
            if pairs and number % PAIR_EVERY == 0:
                first, second = chance.sample(deck, 2)
                faults = (_fault(chance, first, 0.0), _fault(chance, second, chance.uniform(0.1, 4.0)))
                yield Step(faults, chance.uniform(1.0, 5.0))


def _fault(chance: random.Random, name: str, after_s: float) -> Fault:
    lasts_s = chance.uniform(*KINDS[name].lasts_s)
    return Fault(name, chance.random(), round(after_s, 2), round(lasts_s, 2), chance.random())
