"""Settings: read once, from flags, `THW_…` variables and a TOML file, in that order of precedence.

The only reader of the environment.
"""

import re
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from worker.codec.rows import DEFAULT_FORMAT, FORMATS, known_formats
from worker.connections import KafkaSecurity, Part, RegistrySettings, SinkDatabase, described, undecoded
from worker.errors import ConfigError

PROJECTIONS = ("thread_item", "turn_summary", "lifecycle")

# What the guarantees rest on: written in worker.kafka and refused here.
PROTECTED_OPTIONS = frozenset({
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "partition.assignment.strategy",
    "partitioner",
    "transactional.id",
})  # fmt: skip
# Written from kafka.security; in the options for what that cannot say (Kerberos, OAuth).
SECURITY_OPTIONS = frozenset({
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
})  # fmt: skip
SECRET_OPTIONS = frozenset({"sasl.password", "ssl.key.password"})


def _default_instance() -> str:
    """Return the trailing number of the host name (a StatefulSet's pod ordinal), else "0"."""
    found = re.search(r"-(\d+)$", socket.gethostname())
    return found.group(1) if found else "0"


class KafkaSettings(Part):
    """How to reach Kafka."""

    bootstrap_servers: str = Field("localhost:9092", min_length=1, description="host:port[,host:port…] of the brokers")
    security: KafkaSecurity = KafkaSecurity()
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="further librdkafka settings, passed through (buffers, other SASL mechanisms)"
    )
    start_timeout_s: float = Field(30.0, gt=0, le=600, description="how long to look for a broker at start, seconds")
    message_timeout_ms: int = Field(7_000, ge=100, description="how long a record may take to be written, milliseconds")
    socket_timeout_ms: int = Field(10_000, ge=100, description="how long a broker may take to answer, milliseconds")
    transaction_timeout_ms: int = Field(
        15_000, ge=1_000, le=900_000, description="after this the brokers abort a transaction left open, milliseconds"
    )
    session_timeout_ms: int = Field(
        30_000, ge=1_000, description="after this a silent worker's partitions go to others, milliseconds"
    )
    max_poll_interval_ms: int = Field(
        120_000, ge=1_000, description="after this so does one whose loop stands still, milliseconds"
    )

    @field_validator("options")
    @classmethod
    def _not_protected(cls, options: dict[str, Any]) -> dict[str, Any]:
        clash = sorted(PROTECTED_OPTIONS & options.keys())
        if clash:
            raise ValueError(f"the worker's guarantees rest on {', '.join(clash)}: remove from the options")
        secrets = sorted(SECRET_OPTIONS & options.keys())
        if secrets:
            raise ValueError(f"{', '.join(secrets)}: set kafka.security, where secrets are masked and may be in files")
        return options

    @model_validator(mode="after")
    def _secured_once(self) -> "KafkaSettings":
        clash = sorted(SECURITY_OPTIONS & self.options.keys())
        if clash and self.security.protocol != "plaintext":
            raise ValueError(f"options: {', '.join(clash)}: remove from the options, security has it")
        return self


class TopicSettings(Part):
    """Names and creation of topics."""

    prefix: str = Field("codex.", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="before each public topic's name")
    partitions: int = Field(4, ge=1, le=10_000, description="partitions of each topic that `topics create` makes")
    replication_factor: int = Field(-1, ge=-1, le=100, description="replicas; -1 takes the broker's default")

    @field_validator("replication_factor")
    @classmethod
    def _some(cls, replicas: int) -> int:
        if replicas == 0:
            raise ValueError("a topic needs at least one replica; -1 takes the broker's default")
        return replicas


class LoopSettings(Part):
    """How the loop batches and commits."""

    commit_interval_s: float = Field(0.25, ge=0.01, le=60, description="a transaction ends after this long, seconds")
    transaction_records_max: int = Field(50_000, ge=1, description="or after this many input records")
    transaction_bytes_max: int = Field(33_554_432, ge=1, description="or after this many bytes of them")
    batch_records_max: int = Field(1_000, ge=1, le=100_000, description="records taken from the client at a time")
    poll_s: float = Field(0.05, gt=0, le=1, description="longest wait for a batch to fill, seconds")
    budget_s: float = Field(8.0, gt=0, description="time to finish on SIGTERM or when partitions are revoked, seconds")
    give_up_after_s: float = Field(900.0, gt=0, description="how long failures may follow one another, seconds")


class StoreSettings(Part):
    """Where the state rests on this machine; the changelog topic is the durable copy."""

    folder: Path | None = Field(
        None,
        description="a folder of this process' own; default: ~/.local/state/thread-history-worker/<group>-<instance>",
    )
    partition_bytes_max: int = Field(68_719_476_736, ge=1 << 20, description="how large a partition's state may grow")
    cache_bytes: int = Field(
        134_217_728, ge=1 << 20, description="what decoded threads may take in memory, over all partitions, roughly"
    )
    row_format: int = Field(
        DEFAULT_FORMAT, description="how state rows are written; raise it when all workers of the group can read it"
    )

    @field_validator("row_format")
    @classmethod
    def _known(cls, version: int) -> int:
        if version not in FORMATS:
            raise ValueError(f"this release writes formats {known_formats()}")
        return version


class ParkingSettings(Part):
    """When to stop instead of parking threads on which our own code fails."""

    threads_max: int = Field(10, ge=0, description="threads of a partition parked within the time below, at most")
    within_s: float = Field(600.0, gt=0, description="seconds")


class SinkSettings(SinkDatabase):
    """How `sink` fills a store."""

    group: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,150}$",
        description="consumer group that shares the partitions; default: one for each database",
    )
    batch_records_max: int = Field(5_000, ge=1, le=100_000, description="mutations in a transaction, at most")
    batch_bytes_max: int = Field(16_777_216, ge=1, description="or so many bytes of them")
    interval_s: float = Field(0.1, ge=0, le=60, description="how long to gather mutations for one, seconds")
    give_up_after_s: float = Field(900.0, gt=0, description="how long failures may follow one another, seconds")


class TelemetrySettings(Part):
    """Metrics, health and status over HTTP."""

    host: str = Field("127.0.0.1", min_length=1, description="the address to listen at; 0.0.0.0 for all of the machine")
    port: int | None = Field(
        None, ge=0, le=65_535, description="the port; 0 takes any that is free. No default: without one, none is opened"
    )
    stuck_after_s: float = Field(
        120.0, gt=0, description="a partition with work that stands still so long is stuck: /livez fails, seconds"
    )
    tracing: bool = Field(
        False, description="spans of transactions by OpenTelemetry, sent where its own OTEL_… variables say"
    )
    restore_within_s: float = Field(
        600.0, gt=0, description="a partition that takes longer to restore lets /readyz fail, seconds"
    )


class Settings(BaseSettings):
    """All settings of the worker; `THW_KAFKA__BOOTSTRAP_SERVERS` sets `kafka.bootstrap_servers`."""

    model_config = SettingsConfigDict(
        env_prefix="THW_", env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )

    group: str = Field("thread-history-worker", pattern=r"^[A-Za-z0-9._-]{1,150}$", description="consumer group")
    instance: str = Field(
        default_factory=_default_instance,
        pattern=r"^[A-Za-z0-9._-]{1,60}$",
        description="this process' stable name in its group; default: the host name's trailing number, else 0",
    )
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    loop: LoopSettings = LoopSettings()
    store: StoreSettings = StoreSettings()
    parking: ParkingSettings = ParkingSettings()
    sink: SinkSettings = SinkSettings()
    registry: RegistrySettings = RegistrySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    projections: tuple[str, ...] = Field(
        PROJECTIONS, min_length=1, description="the observers to run, in this order; `thread` is the index"
    )
    encoding: Literal["avro", "avro-registry", "json"] = Field(
        "avro", description="how mutations are encoded: Avro single objects, Avro in Confluent's frame, or JSON"
    )
    redact: bool = Field(True, description="replace secrets in commands")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="the least level logged")
    item_bytes_max: int = Field(786_432, ge=4_096, le=1_900_000, description="larger items are cut to this size")
    on_lost_offset: Literal["fail", "skip"] = Field(
        "fail", description="what to do when input was removed before it was read: stop, or go on without it"
    )
    forget_after_days: float | None = Field(
        None, gt=0, description="forget threads that get no record for so many days; no default: none is"
    )
    read_filter: bool = Field(False, description="drop what a legacy rollout of June 2026 would not hold")

    @model_validator(mode="after")
    def _timers_in_order(self) -> "Settings":
        timers = [
            ("loop.commit_interval_s", self.loop.commit_interval_s * 1000),
            ("kafka.message_timeout_ms", self.kafka.message_timeout_ms),
            ("loop.budget_s", self.loop.budget_s * 1000),
            ("kafka.socket_timeout_ms", self.kafka.socket_timeout_ms),
            ("kafka.transaction_timeout_ms", self.kafka.transaction_timeout_ms),
            ("kafka.session_timeout_ms", self.kafka.session_timeout_ms),
            ("kafka.max_poll_interval_ms", self.kafka.max_poll_interval_ms),
        ]
        for (low, low_ms), (high, high_ms) in pairwise(timers):
            if low_ms > high_ms:
                raise ValueError(f"{low} ({low_ms:g} ms) must not be above {high} ({high_ms:g} ms)")
        return self

    @model_validator(mode="after")
    def _registry_for_its_encoding(self) -> "Settings":
        if self.encoding == "avro-registry" and self.registry.url is None:
            raise ValueError("encoding avro-registry needs registry.url")
        return self

    @property
    def state_folder(self) -> Path:
        """Where this process' state rests."""
        return self.store.folder or Path.home() / ".local" / "state" / "thread-history-worker" / self.member

    @property
    def member(self) -> str:
        """The stable name of this process: its static member id and its transactional id."""
        return f"{self.group}-{self.instance}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(file: Path | None, flags: dict[str, Any]) -> Settings:
    """Read the settings.

    Args:
        file: a TOML file, or None.
        flags: values given on the command line, nested like the settings; they win.

    Raises:
        ConfigError: a setting is unknown, malformed or out of bounds, or the file cannot be read.
    """

    class WithFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    if file is not None and not file.is_file():
        raise ConfigError(f"configuration file {file} does not exist or cannot be read; check --config")
    try:
        return WithFile(**flags)
    except ValidationError as error:
        raise ConfigError("; ".join(described(found, Settings) for found in error.errors(include_url=False))) from None
    except SettingsError as error:
        raise ConfigError(f"environment: {undecoded(str(error), Settings)}") from None
    except ValueError as error:  # not TOML
        raise ConfigError(f"configuration file {file}: {error}") from None
