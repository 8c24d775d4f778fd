"""The schema registry: ids of our schemas, schemas of others' ids (Confluent's API)."""

import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import finalize

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from worker.connections import RegistrySettings
from worker.errors import ConfigError, RetryError, UnreadableError
from worker.runtime.clock import Clock

T = TypeVar("T")

_PAUSE_S = 1.0
# The client asks again after this, once, before we hear of it: a connection that was idle may be gone.
_CLIENT_PAUSE_MS = 100
_NOT_FOUND = 404
# How long an id that the registry does not have is not asked for again, and how many such are remembered: a topic full
# of foreign records must not make a request each.
_UNKNOWN_S = 30.0
_UNKNOWN_MAX = 1_000
_BUSY = frozenset({408, 429, 500, 502, 503, 504})


class UnreachableError(Exception):
    """The registry did not answer, or not now."""


class Registry:
    """A client of the registry, made when it is first needed.

    Args:
        settings: how to reach it; the URL is set.
    """

    def __init__(self, settings: RegistrySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: SchemaRegistryClient | None = None
        # When ids that the registry does not have may be asked for again.
        self._unknown: dict[int, float] = {}

    def ids(self, schemas: Mapping[str, str]) -> dict[str, int]:
        """Return the ids of schemas, registered if they were not and the settings allow it.

        Args:
            schemas: Avro schemas as text, by subject.

        Raises:
            ConfigError: the registry does not answer within the time for the start, or does not take or have a schema.
        """
        deadline = self._clock.now() + self._settings.start_timeout_s
        return {subject: self._id(subject, text, deadline) for subject, text in schemas.items()}

    def insist_on_fit(self, schemas: Mapping[str, str]) -> None:
        """See that the registry would take schemas; nothing is registered.

        Args:
            schemas: as for `ids`.

        Raises:
            ConfigError: it would not, or does not answer.
        """
        for subject, text in schemas.items():
            schema = Schema(text, "AVRO")
            try:
                fits = self._asked(lambda client: self._fits(client, subject, schema))  # noqa: B023 (called at once)
            except UnreachableError as error:
                raise ConfigError(
                    f"the schema registry at {self._settings.url} does not answer ({error}); start it, correct "
                    "registry.url, or set encoding to avro, which needs none"
                ) from None
            except SchemaRegistryError as error:
                raise ConfigError(self._remedy(subject, error)) from None
            if not fits:
                raise ConfigError(
                    f"the schema registry at {self._settings.url} finds the schema of subject {subject} incompatible "
                    "with what is registered under it: see schemas/README.md"
                )

    def _fits(self, client: SchemaRegistryClient, subject: str, schema: Schema) -> bool:
        if not self._settings.auto_register:
            return client.lookup_schema(subject, schema).schema_id is not None
        try:
            return client.test_compatibility(subject, schema)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:  # a subject that is new takes anything
                return True
            raise

    def _id(self, subject: str, text: str, deadline: float) -> int:
        schema = Schema(text, "AVRO")
        while True:
            try:
                if self._settings.auto_register:
                    return self._asked(lambda client: client.register_schema(subject, schema))
                found = self._asked(lambda client: client.lookup_schema(subject, schema))
                assert found.schema_id is not None, "the registry found it"
                return found.schema_id
            except UnreachableError as error:
                if self._clock.now() > deadline:
                    raise ConfigError(
                        f"the schema registry at {self._settings.url} did not answer within "
                        f"{self._settings.start_timeout_s:g} s ({error}); start it, correct registry.url, or set "
                        "encoding to avro, which needs none"
                    ) from None
                self._clock.sleep(_PAUSE_S)
            except SchemaRegistryError as error:
                raise ConfigError(self._remedy(subject, error)) from None

    def _remedy(self, subject: str, error: SchemaRegistryError) -> str:
        said = f"{error.error_message} (HTTP {error.http_status_code}, code {error.error_code})"
        where = f"the schema registry at {self._settings.url}"
        if error.http_status_code in (401, 403):
            return f"{where} refuses us: {said}; check registry.username, registry.password and what they may do"
        if error.http_status_code == _NOT_FOUND and not self._settings.auto_register:
            return (
                f"{where} does not have this release's schema under subject {subject}: {said}; register the file from "
                "schemas/ there, or set registry.auto_register"
            )
        return (
            f"{where} does not take the schema of subject {subject}: {said}; if it is said to be incompatible, "
            "something else is registered under this subject: see schemas/README.md"
        )

    def lookup(self, schema_id: int) -> str:
        """Return the text of the schema with an id.

        Raises:
            UnreadableError: there is none, or it is no self-contained Avro schema.
            RetryError: the registry does not answer, or refuses us.
        """
        if self._unknown.get(schema_id, 0.0) > self._clock.now():
            raise _unknown(schema_id)
        try:
            found = self._asked(lambda client: client.get_schema(schema_id))
        except UnreachableError as error:
            raise RetryError(f"schema {schema_id} cannot be looked up at {self._settings.url}: {error}") from None
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                self._remember_unknown(schema_id)
                raise _unknown(schema_id) from None
            raise RetryError(f"schema {schema_id} cannot be looked up at {self._settings.url}: {error}") from None
        if found.schema_type not in (None, "AVRO") or found.references or found.schema_str is None:
            raise UnreadableError("unknown_schema", f"schema {schema_id} is no Avro schema that stands alone")
        return found.schema_str

    def _remember_unknown(self, schema_id: int) -> None:
        self._unknown.pop(schema_id, None)
        if len(self._unknown) >= _UNKNOWN_MAX:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[schema_id] = self._clock.now() + _UNKNOWN_S

    def _asked(self, ask: Callable[[SchemaRegistryClient], T]) -> T:
        """Ask the registry.

        Raises:
            SchemaRegistryError: it answers that it will not.
            UnreachableError: it does not answer, or says that it is busy.
            ConfigError: TLS to it cannot be had as configured.
        """
        if self._client is None:
            self._client = _client(self._settings)
            # Nobody who looks schemas up has a moment at which to close what is behind.
            finalize(self, self._client.close)
        try:
            return ask(self._client)
        except SchemaRegistryError as error:
            if error.http_status_code in _BUSY:
                raise UnreachableError(str(error)) from None
            raise
        except Exception as error:  # what its HTTP library raises, which is not for us to name
            if _is_refused_certificate(error):
                raise ConfigError(
                    f"the certificate of the schema registry at {self._settings.url} is not trusted ({error}): "
                    "set registry.ca_file"
                ) from None
            raise UnreachableError(str(error) or type(error).__name__) from None


def _unknown(schema_id: int) -> UnreadableError:
    return UnreadableError("unknown_schema", f"the registry has no schema {schema_id}")


def _is_refused_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _client(settings: RegistrySettings) -> SchemaRegistryClient:
    """Make a client.

    Raises:
        ConfigError: a file of certificates or keys cannot be used.
    """
    # It would log every request, and there is nothing to see in those that went well.
    for library in ("httpx", "httpx2"):
        logging.getLogger(library).setLevel(logging.WARNING)
    options: dict[str, Any] = {
        "url": settings.url,
        "timeout": settings.timeout_s,
        "max.retries": 1,
        "retries.wait.ms": _CLIENT_PAUSE_MS,
        "ssl.ca.location": settings.ca_file,
        "ssl.certificate.location": settings.certificate_file,
        "ssl.key.location": settings.key_file,
    }
    options["ssl.key.password"] = settings.secret("key_password")
    if (password := settings.secret("password")) is not None:
        options["basic.auth.user.info"] = f"{settings.username}:{password}"
    given = {name: _plain(found) for name, found in options.items() if found is not None}
    try:
        return SchemaRegistryClient(given)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = ", ".join(f"registry.{name}" for name in ("ca_file", "certificate_file", "key_file"))
        raise ConfigError(f"the schema registry's client cannot be made ({error}): check {files}") from None


def _plain(found: Any) -> Any:
    return found if isinstance(found, int | float) else str(found)
