"""docs/metrics.md's tables, made from `worker.telemetry.definitions` so that they stay true.

`python -m docs.metrics` prints them, `python -m docs.metrics --write` puts them into the page.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from worker.telemetry.definition import OPEN, Metric
from worker.telemetry.definitions import SECTIONS

PAGE = Path(__file__).with_name("metrics.md")
BEGIN, END = "<!-- metrics -->\n", "<!-- end of metrics -->\n"


def _values(metric: Metric) -> str:
    told = [
        f"`{label}`: {' '.join(f'`{found}`' for found in found) if found else OPEN[label]}"
        for label, found in metric.labels.items()
    ]
    return "; ".join(told)


def _rows(metrics: tuple[Metric, ...]) -> Iterator[str]:
    yield "| name | type | of | labels | meaning |\n| --- | --- | --- | --- | --- |\n"
    for metric in metrics:
        cells = (f"`{metric.name}`", metric.kind, ", ".join(metric.roles), _values(metric), metric.help)
        yield f"| {' | '.join(cells)} |\n"


def tables() -> str:
    """Return the tables as Markdown, each under its heading."""
    return "\n".join(f"## {title}\n\n{''.join(_rows(metrics))}" for title, metrics in SECTIONS.items())


def between(page: str) -> tuple[str, str, str]:
    """Return a page in three: up to the tables, the tables, what follows them."""
    before, rest = page.split(BEGIN)
    found, after = rest.split(END)
    return before + BEGIN, found, END + after


def main(arguments: list[str]) -> None:
    """Print the tables, or write them into the page."""
    if arguments == ["--write"]:
        before, _, after = between(PAGE.read_text("utf-8"))
        PAGE.write_text(before + tables() + after, "utf-8")
    else:
        sys.stdout.write(tables())


if __name__ == "__main__":
    main(sys.argv[1:])
