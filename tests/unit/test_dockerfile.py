"""deploy/Dockerfile against hadolint and the files it names."""

import re
import subprocess

from tests.tools import ROOT, tool

DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def test_the_file_is_as_hadolint_wants_it() -> None:
    done = subprocess.run([tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    copied = {
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
        for source in sources.split()
    }
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}

    assert copied == kept
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_health_is_asked_for_where_the_image_serves_it() -> None:
    text = DOCKERFILE.read_text("utf-8")
    (port,) = re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE)

    assert f"THW_TELEMETRY__PORT={port}" in text
    assert f"http://127.0.0.1:{port}/livez" in text
