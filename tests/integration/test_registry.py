"""A real registry: our schemas in it, Confluent's own serialisers on the other side, and its absences (G10)."""

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    SchemaRegistryError,
    topic_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests import made
from tests.factories import event
from tests.integration.guard import KEY_PASSWORD, PASSWORD, USERNAME, Guard, certificates
from tests.integration.harness import Deployment, interleaved, until, vector_threads
from tests.integration.registry import RegistryProcess
from worker import app
from worker.codec.schemas import APPEND, MUTATIONS, avro_schema, schema
from worker.codec.texts import to_nested, to_texts
from worker.codec.values import ValueDecoder
from worker.config import load
from worker.connections import RegistrySettings
from worker.errors import ConfigError
from worker.kafka.registry import Registry
from worker.runtime.clock import Clock

pytestmark = pytest.mark.integration

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryProcess]:
    running = RegistryProcess()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture
def client(registry: RegistryProcess) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.url}) as made_:
        yield made_


@pytest.fixture
def subject() -> str:
    return f"subject-{next(_NUMBERS)}-value"


@pytest.fixture
def guard(registry: RegistryProcess, tmp_path: Path) -> Iterator[Guard]:
    certificates(tmp_path)
    with Guard(f"http://127.0.0.1:{registry.port}", tmp_path) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def guarded(guard: Guard, folder: Path, **more: object) -> dict[str, object]:
    """Return the settings of a registry behind a guard."""
    return {
        "url": f"{guard.url}/apis/ccompat/v7",
        "username": USERNAME,
        "password": PASSWORD,
        "ca_file": str(folder / "ca.pem"),
        "certificate_file": str(folder / "client.pem"),
        "key_file": str(folder / "client.key"),
        "key_password": KEY_PASSWORD,
        "start_timeout_s": 1,
        **more,
    }


def ours(**settings: object) -> Registry:
    return Registry(RegistrySettings.model_validate(settings), Clock())


def deployed(bootstrap: str, settings: dict[str, object]) -> Deployment:
    """Return a worker group that writes Confluent's frames."""
    variables = {f"REGISTRY__{name.upper()}": found for name, found in settings.items()}
    name = f"registry-{next(_NUMBERS)}"
    found = Deployment(bootstrap, name, ENCODING="avro-registry", **variables)  # type: ignore[arg-type]
    topics = {"prefix": f"{name}.", "partitions": found.settings.topics.partitions}
    found.settings = load(
        None,
        {
            "kafka": {"bootstrap_servers": bootstrap},
            "group": name,
            "topics": topics,
            "encoding": "avro-registry",
            "registry": settings,
        },
    )
    return found


@pytest.fixture
def framed(bootstrap: str, registry: RegistryProcess) -> Iterator[Deployment]:
    """Return a worker group that writes Confluent's frames, with the registry as it is."""
    found = deployed(bootstrap, {"url": registry.url, "start_timeout_s": 1})
    yield found
    found.close()


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> str:
    source = copy.deepcopy(schema(name).source)
    change(source)
    return json.dumps(source)


def grow(source: dict[str, Any]) -> None:
    source["fields"].append({"name": "colour", "type": ["null", "string"], "default": None})


def break_(source: dict[str, Any]) -> None:
    source["fields"].append({"name": "colour", "type": "string"})


def shrink(source: dict[str, Any]) -> None:
    source["fields"] = [field for field in source["fields"] if field["name"] != "truncated"]


# Schemas in the registry


def test_schemas_are_registered_once_and_found_by_their_ids(registry: RegistryProcess, subject: str) -> None:
    texts = {f"{name}-{subject}": schema(name).text for name in (*MUTATIONS, APPEND)}
    first, again = ours(url=registry.url).ids(texts), ours(url=registry.url).ids(texts)
    looked_up = ours(url=registry.url, auto_register=False)

    assert first == again == looked_up.ids(texts)
    assert len(set(first.values())) == 4
    for name, schema_id in first.items():
        assert avro_schema(looked_up.lookup(schema_id)).fingerprint == avro_schema(texts[name]).fingerprint


@pytest.mark.parametrize("change", [grow, shrink])
def test_a_compatible_schema_is_taken_and_both_releases_find_theirs(
    registry: RegistryProcess, client: SchemaRegistryClient, subject: str, change: Callable[[dict[str, Any]], None]
) -> None:
    today, later = schema("thread_item").text, changed("thread_item", change)
    (first,) = ours(url=registry.url).ids({subject: today}).values()
    client.set_compatibility(subject, "FULL")
    (second,) = ours(url=registry.url).ids({subject: later}).values()
    (still,) = ours(url=registry.url).ids({subject: today}).values()

    assert (first, second != first) == (still, True)


def test_an_incompatible_schema_is_refused_under_full(
    registry: RegistryProcess, client: SchemaRegistryClient, subject: str
) -> None:
    ours(url=registry.url).ids({subject: schema("thread_item").text})
    client.set_compatibility(subject, "FULL")
    breaking = changed("thread_item", break_)

    assert not client.test_compatibility(subject, Schema(breaking, "AVRO"))
    with pytest.raises(SchemaRegistryError):
        client.register_schema(subject, Schema(breaking, "AVRO"))
    with pytest.raises(ConfigError, match=f"does not take the schema of subject {subject}.+schemas/README.md"):
        ours(url=registry.url).ids({subject: breaking})


def test_who_may_not_register_is_told_what_to_register(
    registry: RegistryProcess, client: SchemaRegistryClient, subject: str
) -> None:
    looking = {"url": registry.url, "auto_register": False}
    with pytest.raises(ConfigError, match=f"does not have this release's schema under subject {subject}"):
        ours(**looking).ids({subject: schema("lifecycle").text})
    assert subject not in client.get_subjects()
    # By hand, from the file as it is.
    file = Path(__file__).parents[2] / "schemas" / "lifecycle.avsc"
    by_hand = client.register_schema(subject, Schema(file.read_text(), "AVRO"))

    assert ours(**looking).ids({subject: schema("lifecycle").text}) == {subject: by_hand}


# Confluent's own serialisers


def values_of(deployment: Deployment) -> list[tuple[str, bytes]]:
    topics = set(deployment.names.projections.values())
    return [(one.topic, one.value) for one in deployment.published() if one.topic in topics and one.value is not None]


def test_confluents_deserialiser_reads_what_a_worker_writes(framed: Deployment, client: SchemaRegistryClient) -> None:
    framed.publish(interleaved(vector_threads()))
    framed.start()
    framed.until_through()
    found = values_of(framed)
    # By the topic's name, else it asks the registry for associations with every value.
    deserialiser = AvroDeserializer(client, conf={"subject.name.strategy": topic_subject_name_strategy})
    decode = app.value_decoder(framed.settings)
    nested = {framed.names.projections[name]: to_nested(schema(name).source) for name in framed.names.projections}

    assert framed.audit() == []
    assert {topic for topic, _ in found} == set(framed.names.projections.values())
    assert {f"{topic}-value" for topic, _ in found} <= set(client.get_subjects())
    for topic, data in found:
        theirs: Any = deserialiser(data, SerializationContext(topic, MessageField.VALUE))
        assert nested[topic](theirs) == decode(data)


def test_our_decoder_reads_what_confluents_serialiser_writes(
    registry: RegistryProcess, client: SchemaRegistryClient, subject: str
) -> None:
    decode = ValueDecoder(ours(url=registry.url).lookup).decode
    for name in MUTATIONS:
        texts = to_texts(schema(name).source)
        serialiser = AvroSerializer(client, schema(name).text)
        context = SerializationContext(f"{name}-{subject}", MessageField.VALUE)
        for mutation in [one for one in made.of_vectors() if one.projection == name][:200]:
            data = serialiser(texts(mutation.value), context)
            assert data is not None
            assert decode(data) == mutation.value


# Appends in Confluent's frame


class Appender:
    """A producer of appends with Confluent's serialiser."""

    def __init__(self, deployment: Deployment, client: SchemaRegistryClient) -> None:
        self._topic = deployment.names.input
        self._serialiser = AvroSerializer(client, schema(APPEND).text)
        servers = deployment.settings.kafka.bootstrap_servers
        self._producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})

    def send(self, thread_id: str, *items: bytes, first_ordinal: int = 0) -> None:
        """Send an append and wait until the broker has it."""
        fields = {
            "thread_id": thread_id,
            "first_ordinal": first_ordinal,
            "timestamp": 1,
            "items": [item.decode() for item in items],
            "source_events": [],
        }
        self.raw(thread_id, self._serialiser(fields, SerializationContext(self._topic, MessageField.VALUE)))

    def raw(self, thread_id: str, value: bytes | None) -> None:
        """Send any value and wait until the broker has it."""
        self._producer.produce(self._topic, value, thread_id)
        assert self._producer.flush(10) == 0


def test_appends_of_confluents_serialiser_are_folded(framed: Deployment, client: SchemaRegistryClient) -> None:
    appender = Appender(framed, client)
    appender.send("t", event("task_started"), event("user_message"))
    appender.send("t", event("task_started"), event("user_message"))
    appender.send("t", event("task_complete"), first_ordinal=2)
    appender.raw("t", b"\0\x7f\xff\xff\xff")
    framed.start()
    framed.until_through()
    decode = app.value_decoder(framed.settings)
    kinds = [decode(data).get("eventType") for _, data in values_of(framed)]
    reasons = [dict(one.headers)["thw-reason"] for one in framed.published() if one.topic == framed.names.dead_letters]

    assert sorted(filter(None, kinds)) == ["turn.completed", "turn.started"]
    assert reasons == [b"unknown_schema"]
    assert framed.audit() == []


# Absences


def test_a_registry_that_is_down_at_start_ends_a_worker_with_two_and_the_remedy(framed: Deployment) -> None:
    done = framed.command("run", REGISTRY__URL="http://127.0.0.1:1")
    said = " ".join(done.stderr.split())

    assert done.returncode == 2
    assert "the schema registry at http://127.0.0.1:1 did not answer within 1 s" in said
    assert "start it, correct registry.url, or set encoding to avro, which needs none" in said


def test_a_registry_that_goes_down_later_is_not_missed(bootstrap: str) -> None:
    alone = RegistryProcess()
    deployment = deployed(bootstrap, {"url": alone.url, "start_timeout_s": 30})
    try:
        lines = list(interleaved(vector_threads()))
        worker = deployment.start()
        alone.wait_ready()
        deployment.publish(lines[:100])
        deployment.until_through()
        decode = app.value_decoder(deployment.settings)
        before = [decode(data) for _, data in values_of(deployment)]
        alone.stop()
        deployment.publish(lines[100:])
        deployment.until_through()
        after = [decode(data) for _, data in values_of(deployment)]

        assert worker.alive()
        assert len(after) > len(before) > 0
    finally:
        deployment.close()
        alone.stop()


def test_an_append_waits_for_the_registry_that_knows_its_schema(
    bootstrap: str, client: SchemaRegistryClient, guard: Guard, tmp_path: Path
) -> None:
    deployment = deployed(bootstrap, guarded(guard, tmp_path, timeout_s=1))
    try:
        worker = deployment.start()
        until(lambda: "partition runs" in worker.said(), 30, "the worker runs", worker)
        guard.down = True
        Appender(deployment, client).send("t", event("task_started"))
        until(lambda: "cannot be looked up" in worker.said(), 30, "it notices")
        guard.down = False
        deployment.until_through()

        assert worker.alive()
        assert len(values_of(deployment)) == 2
        assert [one.topic for one in deployment.published() if one.topic == deployment.names.dead_letters] == []
    finally:
        deployment.close()


# TLS and passwords


def test_a_registry_behind_tls_a_client_certificate_and_a_password(guard: Guard, tmp_path: Path, subject: str) -> None:
    known = schema("lifecycle")
    (schema_id,) = ours(**guarded(guard, tmp_path)).ids({subject: known.text}).values()

    assert avro_schema(ours(**guarded(guard, tmp_path)).lookup(schema_id)).fingerprint == known.fingerprint


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"password": "wrong"}, "refuses us: who are you? (HTTP 401, code 401); check registry.username"),
        ({"ca_file": None}, "is not trusted"),
        ({"certificate_file": None, "key_file": None, "key_password": None}, "did not answer within 1 s"),
        ({"key_password": "wrong"}, "check registry.ca_file, registry.certificate_file, registry.key_file"),
    ],
)
def test_what_is_wrong_with_the_credentials_is_told(
    guard: Guard, tmp_path: Path, subject: str, more: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        ours(**guarded(guard, tmp_path, **more)).ids({subject: schema("lifecycle").text})

    assert told in str(refused.value)
    assert PASSWORD not in str(refused.value)
