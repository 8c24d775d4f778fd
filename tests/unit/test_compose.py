"""docker-compose.yml and the Dockerfile against the settings and files they name.

Whether the file conforms to the Compose Specification is for `docker compose config --quiet` to say.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from docs.settings import fields
from worker.config import Settings, load
from worker.localbroker.jars import KAFKA_VERSION

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
OURS = sorted(name for name in SERVICES if name != "kafka")


def loaded(service: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, found in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, found)
    return load(None, {})


@pytest.mark.parametrize("service", OURS)
def test_the_variables_of_a_service_are_settings(service: str) -> None:
    known = {f"THW_{path.upper().replace('.', '__')}" for path, _ in fields()}

    assert set(SERVICES[service]["environment"]) <= known


def test_the_workers_share_all_settings_but_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (loaded(service, monkeypatch) for service in ("worker-0", "worker-1"))

    assert (first.member, second.member) == ("thread-history-worker-0", "thread-history-worker-1")
    assert {**first.model_dump(), "instance": "1"} == second.model_dump()


def test_a_worker_may_take_its_time_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    grace = SERVICES["worker-0"]["stop_grace_period"]

    assert float(grace.removesuffix("s")) > loaded("worker-0", monkeypatch).loop.budget_s


def test_the_broker_is_the_one_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    copied = {
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
        for source in sources.split()
    }
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}

    assert copied == kept
    assert [source for source in copied if not (ROOT / source).exists()] == []
