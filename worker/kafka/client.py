"""What all our Kafka clients have in common: their options, how they are made, and their log."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from worker.config import KafkaSettings
from worker.errors import ConfigError

LOG = logging.getLogger("librdkafka")

C = TypeVar("C")


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


def client(make: Callable[..., C], options: dict[str, Any]) -> C:
    """Make a client of librdkafka.

    Raises:
        ConfigError: an option is unknown or malformed; ours are right, so it is one of the user's.
    """
    try:
        return make(options, logger=LOG)
    except (KafkaException, ValueError, TypeError) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise ConfigError(f"kafka.options: {said}; see librdkafka's list of configuration properties") from None
