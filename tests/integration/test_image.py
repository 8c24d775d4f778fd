"""The image without Docker: deploy/Dockerfile's steps in a folder, then its command line on a real broker."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from confluent_kafka.admin import AdminClient, ConfigResource

from tests.integration.harness import Deployment, until, vector_threads
from tests.tools import ROOT
from worker.localbroker.ports import free_ports

BUILD, FINAL = (ROOT / "deploy" / "Dockerfile").read_text("utf-8").split("\nFROM ")[1:]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]


def instructions(stage: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions of a stage with their arguments."""
    lines = re.sub(r"^#.*\n", "", stage, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    for line in lines[1:]:
        name, _, arguments = line.partition(" ")
        if name:
            yield name, arguments


def argument(stage: str, wanted: str) -> str:
    """Return the argument of an instruction that a stage has once."""
    (found,) = [arguments for name, arguments in instructions(stage) if name == wanted]
    return found


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Follow the build stage with folders of the test in place of /build and /app; return what /app is."""
    root = tmp_path_factory.mktemp("image")
    work, made = root / "build", root / "app"
    work.mkdir()
    for name, arguments in instructions(BUILD):
        if name == "COPY":
            *sources, target = arguments.split()
            for source in sources:
                copied(ROOT / source, work / target, is_folder=target.endswith("/"))
        elif name == "RUN":
            # The cache only saves time here, and the tests need not fetch everything anew.
            command = arguments.replace("/app", str(made)).replace("--no-cache-dir", "")
            done = subprocess.run(["/bin/sh", "-ec", command], cwd=work, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return made


def copied(source: Path, target: Path, *, is_folder: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        place = target / source.name if is_folder else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)


def environment(app: Path, service: str, **more: object) -> dict[str, str]:
    """Return the variables of a service's container: of the image, of the compose file, and the test's own."""
    image = dict(pair.split("=", 1) for pair in shlex.split(argument(FINAL, "ENV")))
    image["PATH"] = image["PATH"].replace("/app", str(app)).replace("$PATH", os.defpath)
    composed = {name: found for name, found in SERVICES[service]["environment"].items() if "$" not in found}
    return {**image, **composed, **{name: str(found) for name, found in more.items()}}


def command(app: Path, service: str) -> list[str]:
    """Return the command line of a service's container."""
    entry = yaml.safe_load(argument(FINAL, "ENTRYPOINT"))
    program = shutil.which(entry[0], path=str(app / "bin"))
    assert program is not None, "the entry point is not in the image's environment"
    return [program, *entry[1:], *SERVICES[service].get("command", yaml.safe_load(argument(FINAL, "CMD")))]


def healthy(app: Path, port: int) -> bool:
    """Ask as the image's HEALTHCHECK does, at the port of the test."""
    _, _, asked = argument(FINAL, "HEALTHCHECK").partition("CMD ")
    program, *arguments = [found.replace("9464", str(port)) for found in yaml.safe_load(asked)]
    found = shutil.which(program, path=str(app / "bin"))
    assert found is not None
    return subprocess.run([found, *arguments], capture_output=True, check=False).returncode == 0


def test_the_containers_make_topics_work_and_stop(app: Path, bootstrap: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    names = {
        "THW_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "THW_GROUP": "image",
        "THW_TOPICS__PREFIX": "image.",
        "THW_STORE__FOLDER": tmp_path,
        "THW_TELEMETRY__PORT": port,
    }
    made = subprocess.run(
        command(app, "topics"),
        env=environment(app, "topics", **names),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr

    group = Deployment(bootstrap, "image")
    log = tmp_path / "log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command(app, "worker-0"), env=environment(app, "worker-0", **names), cwd="/", stdout=output, stderr=output
        )
    try:
        group.publish((name, number, line) for name, lines in vector_threads() for number, line in enumerate(lines))
        until(lambda: worker.poll() is not None or group.lag() == 0, 60, "through its input")
        assert healthy(app, port)
        worker.terminate()
        assert worker.wait(15) == 0, log.read_text("utf-8")
        assert not healthy(app, port)
        assert group.audit() == []
    finally:
        worker.kill()
        group.close()


def test_no_tool_to_install_with_is_in_the_image(app: Path) -> None:
    assert sorted(path.name for path in (app / "bin").glob("pip*")) == []
    assert "pip uninstall" in argument(FINAL, "RUN")


def test_the_brokers_variables_are_settings_of_a_broker(bootstrap: str) -> None:
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (found,) = admin.describe_configs([resource]).values()
    given = [name for name in SERVICES["kafka"]["environment"] if name.startswith("KAFKA_")]

    # The broker ignores a name that it does not know.
    assert {name.removeprefix("KAFKA_").lower().replace("_", ".") for name in given} <= set(found.result(30))
