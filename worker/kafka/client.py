"""What all our Kafka clients have in common: their options, how they are made, and their log."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaException, libversion

from worker.config import KafkaSettings
from worker.connections import KafkaSecurity
from worker.errors import ConfigError

LOG = logging.getLogger("librdkafka")

C = TypeVar("C")

HEARTBEAT_MS_MAX = 3_000


def library_version() -> str:
    """Return the version of librdkafka, which does all the talking."""
    return str(libversion()[0])


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
        **_security_options(kafka.security),
        "bootstrap.servers": kafka.bootstrap_servers,
        **{name.replace("_", "."): found for name, found in ours.items()},
    }


# librdkafka's name of each setting of `kafka.security`.
_SECURITY = {
    "protocol": "security.protocol",
    "mechanism": "sasl.mechanism",
    "username": "sasl.username",
    "password": "sasl.password",
    "ca_file": "ssl.ca.location",
    "certificate_file": "ssl.certificate.location",
    "key_file": "ssl.key.location",
    "key_password": "ssl.key.password",
}
# What else may be at fault when the client does not take one.
_BESIDE = {"key_file": "key_password"}


def _security_options(security: KafkaSecurity) -> dict[str, str]:
    """Return the options that `kafka.security` stands for: none while it is plaintext.

    Raises:
        ConfigError: the file of a secret cannot be read any more.
    """
    if security.protocol == "plaintext":
        return {}
    found = security.model_dump(include=set(_SECURITY)) | {
        "password": security.secret("password"),
        "key_password": security.secret("key_password"),
        "key_file": security.key_file or security.certificate_file,
        "mechanism": security.mechanism if security.sasl else None,
    }
    return {_SECURITY[name]: str(given) for name, given in found.items() if given is not None}


def heartbeat_ms(session_timeout_ms: int) -> int:
    """Return how often a member tells its group that it lives, in milliseconds."""
    return min(HEARTBEAT_MS_MAX, session_timeout_ms // 3)


# What a consumer may have in memory beside its queue: a whole answer of a broker, decompressed, which the client's own
# settings let grow to 50 MB before that.
READ_AHEAD = {"fetch.max.bytes": 4_194_304, "fetch.message.max.bytes": 262_144}


def member_options(kafka: KafkaSettings, *, queued_kb: int, session_timeout_ms: int, **ours: Any) -> dict[str, Any]:
    """Return the options of a group's member that keeps its offsets itself and reads what is committed.

    Args:
        queued_kb: what the client may hold ahead of us, unless the user says otherwise.
        ours: as for `client_options`.
    """
    return (
        READ_AHEAD
        | {"queued.max.messages.kbytes": queued_kb, "fetch.wait.max.ms": 100}
        | client_options(
            kafka,
            group_protocol="classic",
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=heartbeat_ms(session_timeout_ms),
            max_poll_interval_ms=kafka.max_poll_interval_ms,
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            enable_partition_eof=True,
            auto_offset_reset="error",
            isolation_level="read_committed",
            **ours,
        )
    )


def client(make: Callable[..., C], options: dict[str, Any]) -> C:
    """Make a client of librdkafka.

    Raises:
        ConfigError: an option is unknown or malformed; ours are right, so it is one of the user's.
    """
    try:
        return make(options, logger=LOG)
    except (KafkaException, ValueError, TypeError) as error:
        said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise ConfigError(_refused(said, options)) from None


def _refused(said: str, options: dict[str, Any]) -> str:
    """Return why the client could not be made, with the setting at fault."""
    for name, option in _SECURITY.items():
        if option in options and f"{option} failed" in said:
            settings = " or ".join(f"kafka.security.{each}" for each in (name, _BESIDE.get(name)) if each)
            return f"{settings}: {options[option]} cannot be used ({said}): check the file, and that it is PEM"
    return f"kafka.options: {said}; see librdkafka's list of configuration properties"
