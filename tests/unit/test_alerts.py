"""deploy/prometheus: the rules as promtool checks and tries them, each with its case and its runbook."""

import re
import subprocess
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy import generated
from tests.promql import mistakes
from tests.tools import ROOT, tool

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
CASES = FOLDER / "tests"
RUNBOOK = (ROOT / "docs" / "operations.md").read_text("utf-8")


def promtool(*arguments: object) -> None:
    done = subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", FOLDER / "rules.yml")


@pytest.mark.parametrize("file", sorted(path.name for path in CASES.iterdir()))
def test_alerts_fire_when_they_should_and_only_then(file: str) -> None:
    promtool("test", "rules", CASES / file)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_in_a_case(alert: str) -> None:
    severity = ALERTS[alert]["labels"]["severity"]

    assert severity in {"page", "ticket"}
    assert f'{{alertname="{alert}", severity="{severity}"' in (CASES / "alerts.yml").read_text("utf-8")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_its_runbook(alert: str) -> None:
    assert ALERTS[alert]["annotations"]["runbook_url"] == f"docs/operations.md#{alert.lower()}"
    _, found, section = RUNBOOK.partition(f"\n### {alert}\n")
    section = re.split(r"\n##", section)[0]

    assert found
    assert re.findall(r"^- \*(\w+):\*", section, re.MULTILINE) == ["Cause", "Look", "Remedy"]


def test_the_runbook_has_no_alert_that_is_gone() -> None:
    assert [name for name in re.findall(r"^### (Rollout\w+)$", RUNBOOK, re.MULTILINE) if name not in ALERTS] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_a_worker_has(rule: dict[str, Any]) -> None:
    assert list(mistakes(rule["expr"])) == []


def test_the_look_for_mistakes_finds_them() -> None:
    wrong = 'rate(rollout_gone_total[5m]) + rollout_commit_duration_seconds + rollout_state_bytes{tier="paper"}'

    assert list(mistakes(wrong)) == [
        "rollout_gone_total",
        "rollout_commit_duration_seconds",
        "rollout_state_bytes: tier=paper",
    ]


def test_what_is_made_from_other_files_is_as_these_say() -> None:
    assert generated.stale() == [], "run `make generated`"
