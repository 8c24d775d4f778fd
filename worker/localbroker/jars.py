"""Fetch Kafka's jars once, through Maven, into the user's cache."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from worker.errors import ConfigError
from worker.localbroker.java import bundled_java, path_java

KAFKA_VERSION = "4.3.1"
POM = Path(__file__).with_name("pom.xml")

# 44 MB on a slow line, and Maven's own plugins before them.
FETCH_TIMEOUT_S = 900.0

_INSTEAD = "or use a broker of your own: `--bootstrap-servers`, or `docker compose up`"
_REASON_LENGTH_MAX = 300


def jars_folder(cache: Path | None = None) -> Path:
    """Return where the jars are, or will be once fetched.

    Args:
        cache: The folder that holds one folder a Kafka version; None means the user's cache.
    """
    parent = cache if cache is not None else Path.home() / ".cache" / "thread-history-worker"
    return parent / f"kafka-{KAFKA_VERSION}"


def kafka_jars(cache: Path | None = None, *, path: str | None = None) -> Path:
    """Return the folder with Kafka's jars, fetching them if they are not there yet.

    The folder appears whole or not at all, also when two processes fetch at the same time.

    Args:
        cache: The folder that holds one folder a Kafka version; None means the user's cache.
        path: Folders to search for `mvn`, joined as in `PATH`; None means the process's own.

    Raises:
        ConfigError: Maven is missing or could not fetch them, or the cache cannot be written.
    """
    folder = jars_folder(cache)
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn", path=path)
    if maven is None:
        raise ConfigError(
            f"The local broker needs Maven once, to fetch Kafka {KAFKA_VERSION}: install Maven (`mvn`), {_INSTEAD}."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as scratch:
            fetched = Path(scratch) / "jars"
            _fetch([*_java_for_maven(path), maven], fetched)
            _publish(fetched, folder)
    except OSError as error:
        raise ConfigError(
            f"Kafka's jars cannot be kept in {folder.parent} ({error.strerror}): make it writable, {_INSTEAD}."
        ) from error
    return folder


def _java_for_maven(path: str | None) -> list[str]:
    # Maven is a Java program too. With no Java on the search path it is lent the wheel's, by `env`
    # because only worker.config reads the environment.
    bundled = bundled_java() if path_java(path) is None else None
    return ["env", f"JAVA_HOME={bundled.parent.parent}"] if bundled else []


def _fetch(maven: list[str], fetched: Path) -> None:
    # Maven may write beside the pom, and the package's folder may be read-only.
    pom = shutil.copy(POM, fetched.parent)
    command = [
        *maven,
        *("-B", "-q", "-Dstyle.color=never", "-f", str(pom)),
        *(f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={fetched}", "dependency:copy-dependencies"),
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _not_fetched(f"no end after {FETCH_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise _not_fetched(_reason(done.stdout + done.stderr))
    if not (fetched / f"kafka_2.13-{KAFKA_VERSION}.jar").is_file():
        raise _not_fetched("it ended well, but the broker's jar is missing")


def _publish(fetched: Path, folder: Path) -> None:
    try:
        fetched.rename(folder)
    except OSError:
        # Another process was faster, and its jars are the same.
        if not folder.is_dir():
            raise


def _not_fetched(reason: str) -> ConfigError:
    return ConfigError(
        f"Maven could not fetch Kafka {KAFKA_VERSION} ({reason}): check that `mvn` can download, {_INSTEAD}."
    )


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("[ERROR]")] or lines[-1:]
    return errors[0].removeprefix("[ERROR]").strip()[:_REASON_LENGTH_MAX] if errors else "it said nothing"
