"""docker-compose.yml against the Compose Specification, the settings it names, and the broker's own reading of it."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from docs.settings import fields
from tests.integration import registry
from tests.tools import ROOT, tool
from worker.config import Settings, load
from worker.localbroker.jars import KAFKA_VERSION, kafka_jars
from worker.localbroker.java import find_java

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("thread-history-worker"))
# The logging of the broker's image, as little of it as its program needs.
LOGGING = "Configuration: {Loggers: {Root: {level: INFO}, Logger: [{name: kafka, level: INFO}]}}"


def valued(found: str) -> str:
    """Return a variable's value when nobody sets what it is taken from."""
    return found.removeprefix("${THW_ENCODING:-").removesuffix("}")


def loaded(service: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, found in SERVICES[service]["environment"].items():
        monkeypatch.setenv(name, valued(found))
    return load(None, {})


@pytest.mark.parametrize("profile", ["", "publish", "registry"])
def test_the_file_conforms_to_the_compose_specification(profile: str) -> None:
    done = subprocess.run(
        [tool("compose"), str(ROOT / "docker-compose.yml")],
        env={**os.environ, "COMPOSE_PROFILES": profile},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, "name: thread-history-worker"), done.stdout


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


def test_the_brokers_image_understands_the_variables_of_the_broker(tmp_path: Path) -> None:
    given, mounted, final, data = (tmp_path / name for name in ("given", "mounted", "final", "data"))
    for folder in (given, mounted, final):
        folder.mkdir()
    (given / "server.properties").touch()
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        (given / name).write_text(LOGGING, "utf-8")
    places = ("--default-configs-dir", given, "--mounted-configs-dir", mounted, "--final-configs-dir", final)

    # The program that the image starts: it writes the properties, reads them as a broker does and formats the disk.
    done = subprocess.run(
        [find_java(), "-cp", f"{kafka_jars()}/*", "kafka.docker.KafkaDockerWrapper", "setup", *map(str, places)],
        env={**os.environ, **SERVICES["kafka"]["environment"], "KAFKA_LOG_DIRS": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cluster.id={SERVICES['kafka']['environment']['CLUSTER_ID']}" in (data / "meta.properties").read_text()


def test_the_registry_is_the_one_the_tests_run_on() -> None:
    assert SERVICES["registry"]["image"] == f"apicurio/apicurio-registry:{registry.VERSION}"


def mounted(service: str) -> dict[str, Path]:
    """Return the project's folders by where a service's container has them."""
    pairs = [volume.split(":")[:2] for volume in SERVICES[service]["volumes"] if volume.startswith("./")]
    return {target: ROOT / source for source, target in pairs}


def test_prometheus_scrapes_each_process_at_the_port_of_the_image() -> None:
    file = mounted("prometheus")["/etc/prometheus"] / "prometheus.yml"
    done = subprocess.run([tool("promtool"), "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    jobs = yaml.safe_load(file.read_text("utf-8"))["scrape_configs"]
    targets = {target for job in jobs for config in job["static_configs"] for target in config["targets"]}
    (port,) = re.findall(r"^EXPOSE (\d+)$", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert targets == {f"{name}:{port}" for name in OURS if SERVICES[name].get("restart")}


def test_grafana_finds_what_it_is_to_show() -> None:
    folders = mounted("grafana")
    (provider,) = yaml.safe_load(
        (folders["/etc/grafana/provisioning"] / "dashboards" / "files.yml").read_text("utf-8")
    )["providers"]
    shown = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    place = provider["options"]["path"]

    assert shown.startswith(f"{place}/")
    assert (folders[place] / shown.removeprefix(f"{place}/")).is_file()
    (source,) = yaml.safe_load(
        (folders["/etc/grafana/provisioning"] / "datasources" / "prometheus.yml").read_text("utf-8")
    )["datasources"]
    assert source["url"].removeprefix("http://").partition(":")[0] in SERVICES


@pytest.mark.parametrize("service", [name for name in OURS if not SERVICES[name].get("restart")])
def test_what_ends_by_itself_has_no_health(service: str) -> None:
    assert SERVICES[service]["healthcheck"] == {"disable": True}
