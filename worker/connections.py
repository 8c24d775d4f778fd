"""Settings of how others are reached: what proves who they are, and who we are. Secrets may rest in files."""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from worker.errors import ConfigError


def _readable(file: Path) -> Path:
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


# One that is there when the settings are read; its content is read whenever it is used.
ReadableFile = Annotated[Path, AfterValidator(_readable)]


class Part(BaseModel):
    """A table of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def given(self, *names: str) -> list[str]:
        """Return those settings of these names that have a value."""
        return [name for name in names if getattr(self, name, None) is not None]

    def secret(self, name: str) -> str | None:
        """Return a secret, which is given itself or in the file named beside it; None if there is neither.

        A file is read each time, so that one that is replaced counts for the next connection. The end of its last line
        is no part of the secret.

        Args:
            name: of the setting; `<name>_file` is that of the file.

        Raises:
            ConfigError: the file cannot be read, or is empty.
        """
        found: SecretStr | None = getattr(self, name, None)
        file: Path | None = getattr(self, f"{name}_file")
        if file is None:
            return None if found is None else found.get_secret_value()
        try:
            text = file.read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise ConfigError(f"{name}_file: {file} cannot be read: {said}") from None
        if not text:
            raise ConfigError(f"{name}_file: {file} is empty: put the secret into it")
        return text


def _insist_on_one(part: Part, *secrets: str) -> None:
    """See that each secret is given once, and can be had.

    Raises:
        ValueError: it is given twice, or its file is of no use.
    """
    for name in secrets:
        if len(part.given(name, f"{name}_file")) > 1:
            raise ValueError(f"{name} and {name}_file: set one of them")
        try:
            part.secret(name)
        except ConfigError as error:
            raise ValueError(str(error)) from None


def _insist_on_none(unused: Iterable[str], why: str) -> None:
    names = ", ".join(unused)
    if names:
        raise ValueError(f"{names}: {why}")


class KafkaSecurity(Part):
    """How the brokers and we prove who we are."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="TLS (`ssl`), a password (`sasl`), both, or neither"
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="how the password is proven; `PLAIN` sends it as it is"
    )
    username: str | None = Field(None, description="for `sasl`; no default")
    password: SecretStr | None = Field(None, description="for `sasl`; no default")
    password_file: ReadableFile | None = Field(None, description="a file with the password instead")
    ca_file: ReadableFile | None = Field(
        None, description="certificates (PEM) to trust, for TLS; default: the machine's own"
    )
    certificate_file: ReadableFile | None = Field(
        None, description="our own certificate (PEM), for brokers that ask for one (mTLS); no default"
    )
    key_file: ReadableFile | None = Field(None, description="its key (PEM); default: in the certificate's file")
    key_password: SecretStr | None = Field(None, description="of the key; no default")
    key_password_file: ReadableFile | None = Field(None, description="a file with the key's password instead")

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in ("ssl", "sasl_ssl")

    @property
    def sasl(self) -> bool:
        """Whether we have a name and a password."""
        return self.protocol.startswith("sasl")

    @model_validator(mode="after")
    def _consistent(self) -> "KafkaSecurity":
        _insist_on_one(self, "password", "key_password")
        key = self.given("key_file", "key_password", "key_password_file")
        if not self.sasl:
            mechanism = {"mechanism"} & self.model_fields_set
            unused = [*mechanism, *self.given("username", "password", "password_file")]
            _insist_on_none(unused, f"of no use with protocol {self.protocol}: set sasl_ssl, or remove them")
        elif not self.username or not self.given("password", "password_file"):
            raise ValueError(f"protocol {self.protocol} needs username, and password or password_file")
        if not self.tls:
            unused = [*self.given("ca_file", "certificate_file"), *key]
            _insist_on_none(unused, f"of no use with protocol {self.protocol}: set ssl or sasl_ssl, or remove them")
        if self.certificate_file is None:
            _insist_on_none(key, "of no use without certificate_file")
        return self


class RegistrySettings(Part):
    """How to reach a schema registry that speaks Confluent's API; needed for Confluent's frames alone."""

    url: str | None = Field(
        None, pattern="^https?://", description="the registry; several addresses joined by commas. No default"
    )
    auto_register: bool = Field(True, description="register schemas that are missing; else only look them up")
    username: str | None = Field(None, description="for basic authentication; no default")
    password: SecretStr | None = Field(None, description="for basic authentication; no default")
    password_file: ReadableFile | None = Field(None, description="a file with the password instead")
    ca_file: Path | None = Field(None, description="certificates (PEM) to trust; default: those of the certifi package")
    certificate_file: Path | None = Field(None, description="the client's own certificate (PEM); no default")
    key_file: Path | None = Field(None, description="its key (PEM); default: in the certificate's file")
    key_password: SecretStr | None = Field(None, description="of the key; no default")
    key_password_file: ReadableFile | None = Field(None, description="a file with the key's password instead")
    timeout_s: float = Field(5.0, gt=0, le=60, description="how long one request may take, seconds")
    start_timeout_s: float = Field(30.0, gt=0, le=600, description="how long to try at start, seconds")

    @field_validator("url")
    @classmethod
    def _without_credentials(cls, url: str | None) -> str | None:
        if url is not None and "@" in url:
            raise ValueError("credentials are set by registry.username and registry.password")
        return url

    @model_validator(mode="after")
    def _complete(self) -> "RegistrySettings":
        _insist_on_one(self, "password", "key_password")
        if (self.username is None) == bool(self.given("password", "password_file")):
            raise ValueError("username, and password or password_file, come together")
        if self.certificate_file is None:
            key = self.given("key_file", "key_password", "key_password_file")
            _insist_on_none(key, "of no use without certificate_file")
        return self


class SinkDatabase(Part):
    """How the sink's database is reached; a part of the sink's settings."""

    dsn: SecretStr | None = Field(
        None, description="how to connect to the database; required, here or in a file. No default"
    )
    dsn_file: ReadableFile | None = Field(None, description="a file with the same instead")
    password_file: ReadableFile | None = Field(None, description="a file with the database's password, not in the DSN")

    @model_validator(mode="after")
    def _given_once(self) -> "SinkDatabase":
        _insist_on_one(self, "dsn", "password")
        return self


def described(found: Any, settings: type[BaseModel]) -> str:
    """Return one of pydantic's findings as a person reads it; never with what may be a secret.

    Args:
        found: with `loc`, `msg`, `type` and `input`.
        settings: what was read.
    """
    setting = ".".join(str(part) for part in found["loc"]) or "settings"
    if found["type"] == "extra_forbidden":
        return f"{setting}: unknown setting{_meant(found['loc'], settings)}"
    value = "" if _may_be_secret(setting, found) else f" (found {found['input']!r})"
    return f"{setting}: {found['msg'].removeprefix('Value error, ')}{value}"


def _meant(path: tuple[str, ...], settings: Any) -> str:
    """Return the question whether a setting of a like name was meant, if there is one."""
    *tables, name = path
    for table in tables:
        settings = settings.model_fields[table].annotation
    close = get_close_matches(name, list(settings.model_fields), 1)
    return f", did you mean {'.'.join((*tables, *close))}?" if close else ""


def undecoded(said: str, settings: type[BaseModel]) -> str:
    """Return what pydantic-settings says of a variable that is not the JSON it should be, with the remedy.

    Args:
        said: names the field of `settings` in quotes.
    """
    name = re.search(r'field "(\w+)"', said)
    default = settings.model_fields[name[1]].default if name else None
    if name and isinstance(default, tuple):
        return f"{said}; lists are JSON: THW_{name[1].upper()}='{json.dumps(default[:1])}'"
    return f"{said}; set what is in a group one by one, as THW_LOOP__POLL_S=0.1"


def _may_be_secret(setting: str, found: Any) -> bool:
    # A misspelt setting may hold what the right one would, a table given as text a part of it, and a URL credentials
    # before its `@`.
    if found["type"] in ("model_type", "dict_type") or isinstance(found["input"], dict | list):
        return True
    secret = any(word in setting for word in ("password", "secret", "key", "dsn", "options"))
    return (secret and not setting.endswith("_file")) or "@" in str(found["input"])
