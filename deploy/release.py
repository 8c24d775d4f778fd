"""`make release`: checks that this commit can be released, and makes what a release has, in dist/.

It changes nothing outside dist/, and publishes nothing; `--tag` makes the tag, too. Pushing tag, image and files is the
releaser's.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from worker import __version__
from worker.codec.schemas import APPEND, VALUES, released, schema

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


class NotReleasableError(Exception):
    """Something is to be done before this commit can be released."""


def output(*command: str | Path) -> str:
    """Return what a program prints.

    Raises:
        NotReleasableError: it failed.
    """
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        raise NotReleasableError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """Return the environment of tools: with the commit's time, so that the same commit gives the same files."""
    when = subprocess.run(
        ["git", "log", "-1", "--format=%ct"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {**os.environ, "SOURCE_DATE_EPOCH": when.stdout.strip()}


# Checks: each yields what is to be done.


def version(found: str = __version__, project: str | None = None) -> Iterator[str]:
    """The version is one, and the same in both places."""
    text = project if project is not None else (ROOT / "pyproject.toml").read_text("utf-8")
    if not _VERSION.fullmatch(found):
        yield f"worker/__init__.py: {found} is no version such as 1.2.3 or 1.2.3rc1"
    if f'\nversion = "{found}"\n' not in text:
        yield f"pyproject.toml: set version to {found}, as in worker/__init__.py"


def changelog(found: str = __version__, text: str | None = None) -> Iterator[str]:
    """The changelog has an entry of this version with a date, and nothing is left above it."""
    text = text if text is not None else (ROOT / "CHANGELOG.md").read_text("utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    entry = re.compile(rf"\[{re.escape(found)}\] - \d{{4}}-\d\d-\d\d\n")
    if not any(entry.match(section) and "\n- " in section for section in sections):
        yield f"CHANGELOG.md: head the entries of this release with `## [{found}] - <date>`, below `## [Unreleased]`"
    for section in sections:
        if section.startswith("[Unreleased]") and "\n- " in section:
            yield "CHANGELOG.md: entries under `## [Unreleased]` are not in this release"


def schemas() -> Iterator[str]:
    """What this release writes can be read by later ones: each schema is stored."""
    stored = {found.fingerprint for found in released()}
    for name in (*VALUES, APPEND):
        if schema(name).fingerprint not in stored:
            yield f"schemas/{name}.avsc has changed: store it with its fingerprint, see schemas/README.md, Add a field"


def commit() -> Iterator[str]:
    """All is committed, and the tag is free."""
    if output("git", "status", "--porcelain"):
        yield "commit or remove what `git status` shows"
    if output("git", "tag", "--list", f"v{__version__}"):
        yield f"the tag v{__version__} exists: set the next version"


def notice() -> Iterator[str]:
    """The notice names what the formats are derived from."""
    text = (ROOT / "NOTICE").read_text("utf-8")
    if "openai/codex" not in text or "Apache License" not in text:
        yield "NOTICE: name openai/codex and its license"


CHECKS: tuple[Callable[[], Iterator[str]], ...] = (version, changelog, schemas, notice, commit)


# Steps: each makes something and tells of it.


def packages() -> str:
    """Build wheel and source archive."""
    output(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    return "wheel and source archive"


def stored_schemas() -> str:
    """Pack the schemas, today's and those of earlier releases, for readers who have no Python."""
    name = DIST / f"thread-history-schemas-{__version__}.tar.gz"
    output("git", "archive", "--format=tar.gz", f"--output={name}", "HEAD", "schemas")
    return f"schemas: {name.name}"


def bill_of_materials() -> str:
    """List all that the image and the locked environment consist of."""
    name = DIST / f"thread-history-worker-{__version__}.cdx.json"
    command = ("-m", "cyclonedx_py", "requirements", "--pyproject", "pyproject.toml", "--output-reproducible")
    output(sys.executable, *command, "--output-file", name, "requirements.lock")
    return f"bill of materials (CycloneDX): {name.name}"


def _docker_runs() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0  # noqa: S607


def image() -> str:
    """Build the image where there is Docker, else tell how."""
    tag = f"thread-history-worker:{__version__}"
    command = ("docker", "build", "--file", "deploy/Dockerfile", "--tag", tag, ".")
    if not _docker_runs():
        return f"no image, as no Docker runs here: {' '.join(command)}"
    output(*command)
    return f"image {tag}"


def sums() -> str:
    """Write the digests of all files."""
    files = sorted(path for path in DIST.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (DIST / "SHA256SUMS").write_text("".join(lines), "utf-8")
    return f"SHA256SUMS of {len(files)} files"


STEPS: tuple[Callable[[], str], ...] = (packages, stored_schemas, bill_of_materials, image, sums)


def main(arguments: list[str]) -> int:
    """Check, make, and tag if asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description=__doc__)
    parser.add_argument("--tag", action="store_true", help="make the tag of the version at this commit")
    parser.add_argument(
        "--try", action="store_true", dest="trial", help="make the files even if something is to be done"
    )
    chosen = parser.parse_args(arguments)
    to_do = [found for check in CHECKS for found in check()]
    for found in to_do:
        sys.stdout.write(f"to do: {found}\n")
    if to_do and not chosen.trial:
        return 1
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for step in STEPS:
        sys.stdout.write(f"{step()}\n")
    tag = ("git", "tag", "--annotate", f"v{__version__}", "--message", f"Release {__version__}")
    if chosen.tag and not to_do:
        output(*tag)
    sys.stdout.write(f"{'tagged' if chosen.tag and not to_do else 'not tagged'}: {' '.join(tag[:4])}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NotReleasableError as error:
        sys.exit(str(error))
