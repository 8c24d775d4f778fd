"""Starts the Kafka Streams application (`Streams.java`), which Java compiles as it starts.

Its jars are fetched once, through Maven, into the user's cache.
"""

import shutil
import subprocess
from pathlib import Path

from benchmarks.programs import Program
from worker.errors import ConfigError
from worker.localbroker.jars import KAFKA_VERSION, jars_folder

_HERE = Path(__file__).parent
_FETCH_S = 600.0


def jars() -> Path:
    """Return the folder with Kafka Streams' jars, fetched if need be.

    Raises:
        ConfigError: Maven or a Java compiler is missing, or Maven failed.
    """
    folder = jars_folder().with_name(f"kafka-streams-{KAFKA_VERSION}")
    if folder.is_dir():
        return folder
    maven, java = shutil.which("mvn"), shutil.which("javac")
    if maven is None or java is None:
        raise ConfigError("Kafka Streams needs Maven (mvn) and a Java compiler (javac): install a JDK and Maven")
    making = folder.with_name(f"{folder.name}.part")
    command = [maven, "-B", "-q", "-f", str(_HERE / "pom.xml"), f"-Dkafka.version={KAFKA_VERSION}"]
    goal = [f"-DoutputDirectory={making}", "dependency:copy-dependencies"]
    done = subprocess.run([*command, *goal], capture_output=True, text=True, timeout=_FETCH_S, check=False)
    if done.returncode:
        raise ConfigError(f"Maven could not fetch Kafka Streams: {(done.stdout + done.stderr)[-500:]}")
    making.rename(folder)
    return folder


def start(told_so: dict[str, object], log: Path, wrote: dict[str, float]) -> Program:
    """Start it.

    Args:
        wrote: what the worker wrote of so many records, to be equalled.
    """
    java = shutil.which("java")
    if java is None:
        raise ConfigError("Kafka Streams needs Java")
    equal = {
        "PEER_OUTPUTS": wrote["mutations"] / wrote["records"],
        "PEER_OUTPUT_BYTES": wrote["mutation_bytes"],
        "PEER_ROWS": wrote["rows"] / wrote["records"],
        "PEER_ROW_BYTES": wrote["row_bytes"],
    }
    command = [java, "-Xmx1g", "-cp", f"{jars()}/*", str(_HERE / "Streams.java")]
    return Program(command, log, told_so | equal, python="")
