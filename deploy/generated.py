"""What in deploy/ is made from something else: `python -m deploy.generated --write`; without it, what differs."""

import sys
from pathlib import Path

from deploy.grafana.dashboard import dashboard

FOLDER = Path(__file__).parent
_RULE = """\
# Made from deploy/prometheus/rules.yml by `make generated`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: thread-history
spec:
"""


def prometheus_rule() -> str:
    """Return the rules as the Prometheus operator takes them."""
    _, found, groups = (FOLDER / "prometheus" / "rules.yml").read_text("utf-8").partition("groups:\n")
    return _RULE + "".join(f"  {line}" if line.strip() else line for line in (found + groups).splitlines(keepends=True))


FILES = {
    FOLDER / "grafana" / "dashboards" / "thread-history-worker.json": dashboard,
    FOLDER / "kubernetes" / "components" / "monitoring" / "prometheusrule.yaml": prometheus_rule,
}


def stale() -> list[Path]:
    """Return the files that are not what they are made from."""
    return [path for path, made in FILES.items() if not path.is_file() or path.read_text("utf-8") != made()]


def main(arguments: list[str]) -> None:
    """Write the files, or print the names of those that differ."""
    for path in stale():
        if arguments == ["--write"]:
            path.write_text(FILES[path](), "utf-8")
        else:
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
