"""What all our Kafka clients have in common: their options and their log."""

import logging
from typing import Any

from worker.config import KafkaSettings

LOG = logging.getLogger("librdkafka")


def client_options(kafka: KafkaSettings, **ours: Any) -> dict[str, Any]:
    """Return a client's options: the user's, then ours, which the guarantees rest on and which win.

    Args:
        ours: librdkafka options with `_` for `.`.
    """
    return {
        "socket.timeout.ms": kafka.socket_timeout_ms,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2_000,
        "statistics.interval.ms": 0,
        **kafka.options,
        "bootstrap.servers": kafka.bootstrap_servers,
        **{name.replace("_", "."): found for name, found in ours.items()},
    }
