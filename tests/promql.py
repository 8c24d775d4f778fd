"""What a PromQL expression asks for, against what a worker has."""

import re
from collections.abc import Iterator

from worker.telemetry.definitions import METRICS

# A metric, what a histogram adds to its name, and what is asked of its labels.
_SELECTOR = re.compile(r"(?<![\w:])(rollout_\w+?)(_bucket|_count|_sum)?(?:\{([^}]*)\})?(?![\w{:])")
_MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"([^"]*)"')
# Of the scrape, and variables of a dashboard.
_OTHERS = {"job", "namespace", "instance"}


def mistakes(expression: str) -> Iterator[str]:
    """Yield the metrics, labels and values of labels that an expression names and no worker or sink has."""
    for name, suffix, asked in _SELECTOR.findall(expression):
        metric = METRICS.get(name)
        if metric is None or (metric.kind == "histogram") != bool(suffix):
            yield f"{name}{suffix}"
            continue
        for label, _, found in _MATCHER.findall(asked):
            values = {str(bound) for bound in metric.buckets} if label == "le" else metric.labels.get(label, ())
            if label not in _OTHERS and found not in values:
                yield f"{name}: {label}={found}"
