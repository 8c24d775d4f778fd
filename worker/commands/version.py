"""`--version`: this release, the libraries that matter, and the formats it reads and writes."""

import platform
from importlib.metadata import version

from worker import __version__
from worker.codec import rows
from worker.kafka.client import library_version
from worker.model.mutation import REDUCER_VERSION, SCHEMA_VERSION
from worker.store.format import FORMAT as STORE_FORMAT


def versions() -> str:
    """Return them as lines of text; the first names the release alone, for scripts."""
    client = f"librdkafka {library_version()}, confluent-kafka {version('confluent-kafka')}"
    lines = [
        f"thread-history-worker {__version__}",
        f"{client}, Python {platform.python_version()}",
        f"state rows formats {rows.known_formats()}, store on disk format {STORE_FORMAT}",
        f"schemas version {SCHEMA_VERSION}, reducer version {REDUCER_VERSION}",
    ]
    return "\n".join(lines)
