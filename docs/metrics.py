"""docs/metrics.md's tables, made from `worker.telemetry.definitions` so that they stay true.

`python -m docs.metrics` prints them, `python -m docs.metrics --write` puts them into the page.
"""

from collections.abc import Iterator
from pathlib import Path

from docs.marked import main
from worker.telemetry.definition import OPEN, Metric
from worker.telemetry.definitions import SECTIONS

PAGE = Path(__file__).with_name("metrics.md")


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


if __name__ == "__main__":
    main(PAGE, "metrics", tables())
