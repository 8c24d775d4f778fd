"""The first words with the brokers: who is there, and if nobody answers, why."""

import re
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import ConfigError
from worker.kafka.client import client, client_options

# How long the first try may take; each further one twice as long.
_TRY_S = 1.0

_LISTENER = "kafka.security.protocol: the listener speaks another"
# What the client says, and the setting that is at fault.
_REMEDIES = (
    ("nsupported SASL mechanism", "kafka.security.mechanism: the brokers do not know it"),
    ("not valid in current SASL state", _LISTENER),
    ("Authentication failed|SASL authentication error", "check kafka.security.username and kafka.security.password"),
    (
        "certificate verify failed",
        "kafka.security.ca_file must hold who signed the brokers' certificates, kafka.bootstrap_servers their names",
    ),
    ("alert (bad cert|cert|unknown ca|handshake)", "kafka.security.certificate_file: the brokers want one they trust"),
    ("PLAINTEXT broker listener|SSL connection closed|wrong version number", _LISTENER),
)  # fmt: skip
# Where these are said, nothing gets better by waiting.
_FINAL = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})


class Contact:
    """An administrator's client that can tell why it reaches nobody.

    Args:
        name: of this client, in the brokers' logs.

    Attributes:
        admin: the client.
    """

    def __init__(self, kafka: KafkaSettings, name: str) -> None:
        self._kafka = kafka
        self._down = False
        # Why, as far as it is told.
        self._met: KafkaError | None = None
        self.admin = client(AdminClient, client_options(kafka, client_id=name) | {"error_cb": self._meet})

    def _meet(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down = True
        elif not self._is_final():
            self._met = error

    def metadata(self) -> Any:
        """Return what the brokers tell of themselves and of the topics that we may see.

        Raises:
            ConfigError: none answered in time, or they do not trust us, or we not them.
        """
        deadline, try_s = time.monotonic() + self._kafka.start_timeout_s, _TRY_S
        while True:
            try:
                return self.admin.list_topics(timeout=max(0.1, min(try_s, deadline - time.monotonic())))
            except KafkaException as error:
                self.admin.poll(0)
                if self._is_final():
                    raise ConfigError(self._refusal()) from None
                if time.monotonic() >= deadline:
                    raise ConfigError(self._silence(error.args[0].str())) from None
            try_s *= 2

    def _is_final(self) -> bool:
        return self._met is not None and (self._met.code() in _FINAL or _remedy(self._met.str()) is not None)

    def _refusal(self) -> str:
        assert self._met is not None, "asked for only then"
        said = self._met.str()
        remedy = _remedy(said) or "check kafka.security"
        return f"no connection to Kafka at {self._kafka.bootstrap_servers}: {remedy} ({said})"

    def _silence(self, said: str) -> str:
        # The client does not tell of a connection that was made and then closed, as by a listener with TLS.
        closed = self._down and self._met is None
        hint = "; somebody there hangs up: perhaps TLS is wanted (kafka.security.protocol)" if closed else ""
        return (
            f"no broker answered at {self._kafka.bootstrap_servers} within {self._kafka.start_timeout_s:g} s "
            f"({said}); start Kafka or set --bootstrap-servers / THW_KAFKA__BOOTSTRAP_SERVERS{hint}"
        )


def _remedy(said: str) -> str | None:
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, said)), None)
