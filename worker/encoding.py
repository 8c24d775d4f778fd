"""The encoding that the settings name, made ready: schemas of the projections, and the registry where there is one."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from worker.codec.appends import AppendDecoder
from worker.codec.avro import confluent_framed, single_objects
from worker.codec.frames import Lookup
from worker.codec.mutations import Encoder, JsonEncoder
from worker.codec.schemas import VALUES, AvroSchema, avro_schema, schema
from worker.codec.values import ValueDecoder
from worker.config import Settings
from worker.errors import ConfigError, UnreadableError
from worker.projections.projection import Projection
from worker.runtime.clock import Clock

if TYPE_CHECKING:
    from worker.kafka.registry import Registry


def encoder(settings: Settings, installed: Iterable[Projection], topics: Mapping[str, str]) -> Encoder:
    """Return the encoder that the settings name.

    Args:
        installed: the projections.
        topics: theirs, by the projection's name.

    Raises:
        ConfigError: a projection has no schema, or the registry does not answer or take one.
    """
    if settings.encoding == "json":
        return JsonEncoder()
    schemas = {projection.name: _insisted(projection) for projection in installed}
    if settings.encoding == "avro":
        return single_objects(schemas)
    ids = _registry(settings).ids({_subject(topics[name]): found.text for name, found in schemas.items()})
    return confluent_framed(schemas, {name: ids[_subject(topics[name])] for name in schemas})


def insist_on_registry(settings: Settings, installed: Iterable[Projection], topics: Mapping[str, str]) -> None:
    """See that the registry answers and would take the projections' schemas; nothing is registered.

    Args:
        installed: as for `encoder`.
        topics: as for `encoder`.

    Raises:
        ConfigError: as `encoder`.
    """
    texts = {_subject(topics[found.name]): _insisted(found).text for found in installed}
    _registry(settings).insist_on_fit(texts)


def _subject(topic: str) -> str:
    return f"{topic}-value"


def value_decoder(settings: Settings, known: Iterable[Projection]) -> Callable[[bytes], Any]:
    """Return what reads a mutation's value, whatever its encoding.

    Args:
        known: the projections whose values may come.
    """
    schemas = [_schema(projection) for projection in known]
    return ValueDecoder(_lookup(settings), [found for found in schemas if found is not None]).decode


def append_decoder(settings: Settings) -> AppendDecoder:
    """Return what reads appends of several items."""
    return AppendDecoder(_lookup(settings))


def _insisted(projection: Projection) -> AvroSchema:
    found = _schema(projection)
    if found is None:
        raise ConfigError(
            f"projection {projection.name} has no Avro schema: give it one (worker.projections.projection), "
            "or set encoding to json"
        )
    return found


def _schema(projection: Projection) -> AvroSchema | None:
    """Return the schema of a projection's values, None when it has none.

    Raises:
        ConfigError: it is no schema.
    """
    own = getattr(projection, "schema", None)
    if own is None:
        return schema(projection.name) if projection.name in VALUES else None
    try:
        return avro_schema(orjson.dumps(own))
    except UnreadableError as error:
        raise ConfigError(f"projection {projection.name}: {error}") from None


def _lookup(settings: Settings) -> Lookup | None:
    """Return what finds schemas by their id, None without a registry; it is asked when the first id comes."""
    if settings.registry.url is None:
        return None
    made = cache(lambda: _registry(settings))
    return lambda schema_id: made().lookup(schema_id)


def _registry(settings: Settings) -> "Registry":
    # Its client and what that brings along take 0.2 s to import: only those who use one pay.
    from worker.kafka.registry import Registry  # noqa: PLC0415

    return Registry(settings.registry, Clock())
