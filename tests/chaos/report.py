"""The report: a table of the faults, for people; and the blocks of docs/reliability.md that are made from reports.

`python -m tests.chaos.report NAME FILE…` puts the files one after the other between the markers of that name.
"""

import os
import platform
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import confluent_kafka

from docs import marked
from tests.chaos.auditor import Audit
from tests.chaos.faults import Injection
from tests.chaos.schedule import KINDS
from tests.chaos.watch import Gap, silences
from worker import __version__
from worker.localbroker.jars import KAFKA_VERSION

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEFORE, _TOGETHER = "before the first fault", "two of these at once"


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        records: input records written from such a fault's injection until the next fault's.
        silence_s: the longest, None where there is none to measure.
    """

    fault: str
    times: int
    records: int
    lost: int
    doubled: int
    silence_s: float | None


def rows(
    injections: Sequence[Injection], written: Sequence[float], audit: Audit, gaps: Sequence[Gap], end: float
) -> list[Row]:
    """Return the table's rows, by kind of fault.

    Args:
        written: when each input record was written.
        end: when the last fault's time ends.
    """
    names = [_BEFORE, *(injection.kind if injection.alone else _TOGETHER for injection in injections)]
    starts = [injection.at for injection in injections]

    def counted(moments: Sequence[float | None]) -> Counter[str]:
        return Counter(names[bisect_right(starts, moment or 0.0)] for moment in moments)

    longest: dict[str, float] = {}
    for name, silence_s in zip(names[1:], silences(gaps, injections, end), strict=True):
        longest[name] = max(longest.get(name, 0.0), silence_s)
    records, lost, doubled = counted(written), counted(audit.lost), counted(audit.doubled)
    times = Counter(names[1:])
    return [
        Row(_told(name), times[name], records[name], lost[name], doubled[name], longest.get(name))
        for name in (_BEFORE, *KINDS, _TOGETHER)
        if records[name] or times[name]
    ]


def _told(name: str) -> str:
    return KINDS[name].told if name in KINDS else name


def table(found: Sequence[Row]) -> list[str]:
    """Return the rows as Markdown, with a sum."""
    lines = ["| fault | times | records | lost | doubled | longest silence |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.fault} | {row.times or ''} | {row.records:,} | {row.lost} | {row.doubled} "
        f"| {'' if row.silence_s is None else f'{row.silence_s:.1f} s'} |"
        for row in found
    ]
    sums = [sum(getattr(row, name) for row in found) for name in ("times", "records", "lost", "doubled")]
    lines.append(f"| **all** | {sums[0]} | {sums[1]:,} | {sums[2]} | {sums[3]} | |")
    return lines


def machine() -> str:
    """Return what it ran on."""
    return (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; worker {__version__}, Python "
        f"{platform.python_version()}, librdkafka {confluent_kafka.libversion()[0]}, Kafka {KAFKA_VERSION}"
    )


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Put a text between a page's markers.

    Raises:
        ValueError: the page does not have them.
    """
    marked.put(page, name, f"\n{text.strip()}\n\n")


if __name__ == "__main__":
    put(sys.argv[1], "\n\n".join(Path(name).read_text("utf-8").strip() for name in sys.argv[2:]))
