"""deploy/kubernetes as kustomize renders it, against Kubernetes' own schemas and the rest of the project."""

import re
import subprocess
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor
from pydantic import BaseModel
from typer.testing import CliRunner

from tests.tools import ROOT, tool
from worker.cli import app
from worker.config import load
from worker.runtime.clock import Clock
from worker.runtime.status import Status
from worker.telemetry.health import Limits
from worker.telemetry.service import Service

FOLDER = ROOT / "deploy" / "kubernetes"
# The oldest that is looked at; the files use nothing newer.
VERSION = "1.31"
# Kinds that come with operators, by models made from the operators' own definitions.
MODELS: dict[str, type[BaseModel]] = {
    "PrometheusRule": PrometheusRule,
    "ScaledObject": ScaledObject,
    "ServiceMonitor": ServiceMonitor,
}
PLACES = ["base", "overlays/example"]
# A stand-in: nobody but the cluster has the real files.
SECRETS = "/etc/thread-history-secrets"


@cache
def rendered(place: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [tool("kustomize"), "build", str(FOLDER / place)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def one(place: str, kind: str, name: str = "thread-history-worker") -> dict[str, Any]:
    (found,) = [
        resource
        for resource in rendered(place)
        if resource["kind"] == kind and resource["metadata"]["name"].startswith(name)
    ]
    return found


def pods(place: str) -> list[dict[str, Any]]:
    """Return the pod templates."""
    specs = [found.get("spec", {}) for found in rendered(place)]
    makers = [spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec for spec in specs]
    return [spec["template"] for spec in makers if "template" in spec]


def containers(place: str) -> list[dict[str, Any]]:
    return [container for pod in pods(place) for container in pod["spec"]["containers"]]


@pytest.mark.parametrize("place", PLACES)
def test_what_comes_with_kubernetes_keeps_to_its_schemas(place: str) -> None:
    for resource in rendered(place):
        if resource["kind"] not in MODELS:
            kubernetes_validate.validate(resource, VERSION, strict=True)


def test_what_comes_with_operators_keeps_to_theirs() -> None:
    found = [resource for resource in rendered("overlays/example") if resource["kind"] in MODELS]

    assert {resource["kind"] for resource in found} == set(MODELS)
    for resource in found:
        # What a model does not know it leaves out.
        model = MODELS[resource["kind"]].model_validate(resource)
        assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == resource


@pytest.mark.parametrize("place", PLACES)
def test_selectors_meet_the_pods(place: str) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(place) if "metadata" in pod]
    selectors = {
        "Service": lambda spec: spec["selector"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        "ServiceMonitor": lambda spec: spec["selector"]["matchLabels"],
        "StatefulSet": lambda spec: spec["selector"]["matchLabels"],
        "Deployment": lambda spec: spec["selector"]["matchLabels"],
    }
    for resource in rendered(place):
        if resource["kind"] in selectors:
            wanted = selectors[resource["kind"]](resource["spec"])
            assert any(wanted.items() <= found.items() for found in labels), resource["metadata"]


def test_prometheus_finds_workers_and_sinks_under_the_names_that_the_rules_use() -> None:
    wanted = one("overlays/example", "ServiceMonitor", "thread-history")["spec"]["selector"]["matchLabels"]
    services = [found["metadata"]["labels"] for found in rendered("overlays/example") if found["kind"] == "Service"]

    assert all(wanted.items() <= labels.items() for labels in services)
    assert {labels["app.kubernetes.io/name"] for labels in services} == {"thread-history-worker", "thread-history-sink"}


@pytest.mark.parametrize("place", PLACES)
def test_pods_have_no_rights_and_what_they_need(place: str) -> None:
    for pod in pods(place):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["automountServiceAccountToken"] is False
        volumes = {volume["name"] for volume in spec["volumes"]} | (
            {"state"} if "topologySpreadConstraints" in spec else set()
        )
        for container in spec["containers"]:
            security = container["securityContext"]
            assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("place", PLACES)
def test_the_settings_are_the_workers(place: str, tmp_path: Path) -> None:
    text = one(place, "ConfigMap")["data"]["worker.toml"].replace(SECRETS, str(tmp_path))
    for name in ("kafka-password", "ca.crt"):
        (tmp_path / name).write_text("secret", "utf-8")
    file = tmp_path / "worker.toml"
    file.write_text(text, "utf-8")
    settings = load(file, {})

    assert settings.group == "thread-history-worker"
    mounted = {mount["mountPath"] for container in containers(place) for mount in container["volumeMounts"]}
    assert {"/etc/thread-history-worker", SECRETS} <= mounted
    assert all(container["args"][-1] == "/etc/thread-history-worker/worker.toml" for container in containers(place))
    grace = one(place, "StatefulSet")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= settings.loop.budget_s + 7


def test_containers_run_commands_there_are() -> None:
    for container in containers("overlays/example"):
        *command, option, _ = container["args"]
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0, command
        assert option == "--config"


@pytest.mark.parametrize("place", PLACES)
def test_probes_ask_what_is_answered(place: str) -> None:
    served = Service("worker", Status(Clock()), Limits(1, 1), topics=[], values=defaultdict(list), facts={}).pages()
    asked = {
        found["httpGet"]["path"]
        for container in containers(place)
        for name, found in container.items()
        if name.endswith("Probe")
    }

    assert asked == {"/startupz", "/livez", "/readyz"}
    assert asked <= set(served)


def test_no_more_workers_than_partitions() -> None:
    scaled = one("overlays/example", "ScaledObject")["spec"]
    settings = tomllib.loads(one("overlays/example", "ConfigMap")["data"]["worker.toml"])
    trigger = scaled["triggers"][0]["metadata"]

    assert scaled["maxReplicaCount"] == settings["topics"]["partitions"]
    assert trigger["bootstrapServers"] == settings["kafka"]["bootstrap_servers"]
    assert trigger["consumerGroup"] == settings["group"]
    assert trigger["topic"] == f"{settings['topics']['prefix']}rollout-items"
    assert "replicas" not in one("overlays/example", "StatefulSet")["spec"]


def test_the_base_cannot_scale_beyond_its_partitions_either() -> None:
    scaled = yaml.safe_load((FOLDER / "components" / "keda" / "scaledobject.yaml").read_text("utf-8"))
    settings = tomllib.loads((FOLDER / "base" / "worker.toml").read_text("utf-8"))

    assert scaled["spec"]["maxReplicaCount"] == settings["topics"]["partitions"]


def test_the_pods_are_those_of_the_image() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    spec = one("base", "StatefulSet")["spec"]["template"]["spec"]
    (state,) = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "state"]

    assert f"USER {spec['securityContext']['runAsUser']}\n" in dockerfile
    assert f"VOLUME {state}\n" in dockerfile


def test_the_docs_and_the_example_have_every_component() -> None:
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").split("\n## Deploy\n")[1].split("\n## ")[0]
    example = yaml.safe_load((FOLDER / "overlays" / "example" / "kustomization.yaml").read_text("utf-8"))
    components = {path.name for path in (FOLDER / "components").iterdir()}

    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == components
    assert {Path(found).name for found in example["components"]} == components
