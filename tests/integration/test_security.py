"""TLS, passwords, certificates and an authorizer: what is printed suffices, what is missing is named."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.guard import KEY_PASSWORD
from tests.integration.harness import Deployment, interleaved, until, vector_threads
from tests.integration.secured import PASSWORD, PLAIN_PASSWORD, PLAIN_USER, SecuredBroker, secured
from worker import app
from worker.config import Settings, load
from worker.errors import ConfigError
from worker.kafka.acls import Acl, acls
from worker.kafka.sink import KafkaSink
from worker.kafka.topics import Topics

pytestmark = pytest.mark.integration

Variables = dict[str, Any]

NAME = "secure"
PARTITIONS = 2
NAMED = load(None, {"group": NAME, "topics": {"prefix": f"{NAME}."}})
NEEDED = acls("worker", NAMED, app.topic_names(NAMED))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with secured(tmp_path_factory.mktemp("certificates")) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(broker: SecuredBroker) -> Iterator[Deployment]:
    """Return a group whose topics there are, made by one who may."""
    made = Deployment(broker.cluster.bootstrap_servers, NAME, PARTITIONS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def worker(broker: SecuredBroker, deployment: Deployment) -> Variables:
    """Return the settings of a user who may do what is printed for a worker."""
    allowed(broker, deployment, "worker")
    return broker.by_password("worker")


def printed(deployment: Deployment, role: str) -> list[Acl]:
    """Return what the command prints for a role."""
    done = deployment.command("topics", "acls", "--role", role, "--output", "json")
    rows = map(json.loads, done.stdout.splitlines())
    return [Acl(**{name: found for name, found in row.items() if name != "principal"}) for row in rows]


def allowed(broker: SecuredBroker, deployment: Deployment, role: str) -> None:
    broker.add_user(role)
    broker.allow(role, printed(deployment, role))


def settings(environment: Variables) -> Settings:
    """Return settings of these variables, the others as the deployment's."""
    nested: dict[str, Any] = {"group": NAME, "topics": {"prefix": f"{NAME}."}, "kafka": {"security": {}}}
    for path, found in environment.items():
        *tables, name = path.lower().split("__")
        place = nested
        for table in tables:
            place = place[table]
        place[name] = found
    return load(None, nested)


def test_with_exactly_what_is_printed_a_worker_runs_restores_and_runs_again(
    deployment: Deployment, worker: Variables, tmp_path: Path
) -> None:
    threads = list(vector_threads())
    deployment.publish(interleaved(threads[:5]))
    first = deployment.start(**worker)
    deployment.until_through()
    assert first.terminate() == 0
    deployment.publish([("thread-bad", 0, b"no json"), *interleaved(threads[5:10])])
    second = deployment.start(**worker | {"STORE__FOLDER": tmp_path})
    deployment.until_through()

    assert second.terminate() == 0
    assert second.told("restored")
    assert deployment.published()
    assert deployment.audit() == []


@pytest.mark.parametrize("acl", NEEDED, ids=lambda acl: f"{acl.operation}-{acl.resource}-{acl.name}")
def test_whatever_is_missing_is_named(broker: SecuredBroker, worker: Variables, tmp_path: Path, acl: Acl) -> None:
    found = settings(worker | {"INSTANCE": "9"})
    found = found.model_copy(update={"store": found.store.model_copy(update={"folder": tmp_path})})
    name = found.member if acl.prefixed else acl.name
    broker.forbid("worker", acl)
    try:
        with pytest.raises(ConfigError) as refused:
            app.worker(found)
            KafkaSink(found, app.topic_names(found)).open()
    finally:
        broker.allow("worker", [acl])

    assert str(refused.value).startswith(f"Kafka does not allow {acl.operation} on {acl.resource} {name}: grant it")


def one_of_each_kind() -> list[Acl]:
    return list({acl.resource: acl for acl in NEEDED}.values())


@pytest.mark.parametrize("acl", one_of_each_kind(), ids=lambda acl: acl.resource)
def test_a_worker_that_is_not_allowed_something_ends_with_two(
    broker: SecuredBroker, deployment: Deployment, worker: Variables, acl: Acl
) -> None:
    broker.forbid("worker", acl)
    try:
        started = deployment.start("7", **worker)
        code = started.wait(60)
    finally:
        broker.allow("worker", [acl])

    assert (code, f"{acl.operation} on {acl.resource} {acl.name}" in started.error()) == (2, True)
    assert PASSWORD not in started.said()


COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "create": [("topics", "create"), ("topics", "check")],
    "publish": [("publish", str(Path(__file__).parents[2] / "worker" / "samples"))],
    "inspect": [("verify",), ("dead-letters", "list")],
    "repair": [("rebuild",)],
}


@pytest.mark.parametrize("role", COMMANDS)
def test_with_exactly_what_is_printed_each_command_does_its_work(
    broker: SecuredBroker, deployment: Deployment, role: str
) -> None:
    allowed(broker, deployment, role)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda command: deployment.command(*command, **broker.by_password(role)), COMMANDS[role]))

    assert [(one.returncode, one.stderr if one.returncode else "") for one in done] == [(0, "")] * len(done)


def test_a_publisher_that_is_not_allowed_to_is_told(broker: SecuredBroker, deployment: Deployment) -> None:
    broker.add_user("nobody")
    done = deployment.command(*COMMANDS["publish"][0], **broker.by_password("nobody"))

    assert done.returncode == 2
    assert f"Kafka does not allow Write on Topic {NAME}.rollout-items" in " ".join(done.stderr.split())


def test_with_exactly_what_is_printed_a_sink_fills_its_tables_with_secrets_from_files(
    broker: SecuredBroker, deployment: Deployment, dsn: str, tmp_path: Path
) -> None:
    user, _, rest = dsn.removeprefix("postgresql://").partition("@")
    name, _, secret = user.partition(":")
    files = {"SINK__DSN_FILE": f"postgresql://{name}@{rest}\n", "SINK__PASSWORD_FILE": f"{secret}\n"}
    for setting, text in files.items():
        (tmp_path / setting).write_text(text)
    by_file = {setting: tmp_path / setting for setting in files}
    allowed(broker, deployment, "sink")
    filled = deployment.command("sink", "postgres", "--once", **broker.by_password("sink") | by_file)
    (tmp_path / "SINK__PASSWORD_FILE").write_text("guessed")
    refused = deployment.command("sink", "postgres", "--once", **broker.by_password("sink") | by_file)

    assert (filled.returncode, filled.stderr if filled.returncode else "") == (0, "")
    assert refused.returncode == 2
    assert "sink.password_file" in " ".join(refused.stderr.split())
    assert not [one for one in (PASSWORD, secret, "guessed") if one in filled.stderr + refused.stderr]


def test_a_certificate_lets_its_owner_in(broker: SecuredBroker, deployment: Deployment) -> None:
    assert deployment.names.input in Topics(settings(broker.by_certificate()).kafka).partitions()


def test_a_password_may_be_sent_as_it_is(broker: SecuredBroker, deployment: Deployment) -> None:
    plain = {
        "KAFKA__SECURITY__MECHANISM": "PLAIN",
        "KAFKA__SECURITY__USERNAME": PLAIN_USER,
        "KAFKA__SECURITY__PASSWORD": PLAIN_PASSWORD,
    }
    found = settings(broker.by_password("") | plain)

    assert deployment.names.input in Topics(found.kafka).partitions()


def test_a_right_that_is_taken_away_ends_a_worker_with_its_name(
    broker: SecuredBroker, deployment: Deployment, worker: Variables, tmp_path: Path
) -> None:
    topic = deployment.names.projections["lifecycle"]
    (acl,) = [one for one in NEEDED if (one.operation, one.name) == ("Write", topic)]
    started = deployment.start(**worker | {"STORE__FOLDER": tmp_path})
    until(lambda: bool(started.told("worker starts")), 30, "the worker starts", started)
    broker.forbid("worker", acl)
    try:
        deployment.publish(interleaved(list(vector_threads())[10:15]))
        code = started.wait(60)
    finally:
        broker.allow("worker", [acl])

    assert code == 1
    assert f"Kafka refuses: {acl.name}: " in started.error()


def test_a_tool_tells_what_it_may_not_see_from_what_is_missing(broker: SecuredBroker, deployment: Deployment) -> None:
    broker.add_user("nobody")
    check = deployment.command("topics", "check", **broker.by_password("nobody"))
    look = deployment.command("inspect", "t", **broker.by_password("nobody"))

    assert (check.returncode, look.returncode) == (2, 2)
    assert f"Describe on Topic {deployment.names.changelog}" in " ".join(check.stderr.split())
    assert f"Describe on Topic {deployment.names.projections['thread_item']}" in " ".join(look.stderr.split())


def by_password(broker: SecuredBroker, **faults: object) -> Variables:
    return broker.by_password("worker") | {"KAFKA__START_TIMEOUT_S": 5} | faults


def by_certificate(broker: SecuredBroker, **faults: object) -> Variables:
    return broker.by_certificate() | {"KAFKA__START_TIMEOUT_S": 5} | faults


def without(settings: Variables, *names: str) -> Variables:
    gone = {f"KAFKA__SECURITY__{name}" for name in names}
    return {name: found for name, found in settings.items() if name not in gone}


FAULTS: dict[str, tuple[Callable[[SecuredBroker], Variables], str]] = {
    "wrong password": (
        lambda broker: by_password(broker, KAFKA__SECURITY__PASSWORD="guessed"),
        "check kafka.security.username and kafka.security.password",
    ),
    "unknown user": (
        lambda broker: by_password(broker, KAFKA__SECURITY__USERNAME="unheard"),
        "check kafka.security.username and kafka.security.password",
    ),
    "wrong mechanism": (
        lambda broker: by_password(broker, KAFKA__SECURITY__MECHANISM="SCRAM-SHA-256"),
        "kafka.security.mechanism: the brokers do not know it",
    ),
    "wrong authority": (
        lambda broker: by_password(broker, KAFKA__SECURITY__CA_FILE=broker.folder / "other" / "ca.pem"),
        "kafka.security.ca_file must hold who signed the brokers' certificates",
    ),
    "another name than the certificate's": (
        lambda broker: by_password(
            broker, KAFKA__BOOTSTRAP_SERVERS=broker.cluster.servers("SASL_SSL").replace("127.0.0.1", "localhost")
        ),
        "kafka.bootstrap_servers their names",
    ),
    "no certificate": (
        lambda broker: without(by_certificate(broker), "CERTIFICATE_FILE", "KEY_FILE", "KEY_PASSWORD"),
        "kafka.security.certificate_file: the brokers want one they trust",
    ),
    "a stranger's certificate": (
        lambda broker: by_certificate(
            broker,
            KAFKA__SECURITY__CERTIFICATE_FILE=broker.folder / "other" / "client.pem",
            KAFKA__SECURITY__KEY_FILE=broker.folder / "other" / "client.key",
        ),
        "kafka.security.certificate_file: the brokers want one they trust",
    ),
    "wrong password of the key": (
        lambda broker: by_certificate(broker, KAFKA__SECURITY__KEY_PASSWORD="guessed"),
        "kafka.security.key_file or kafka.security.key_password:",
    ),
    "no authority's file": (
        lambda broker: by_password(broker, KAFKA__SECURITY__CA_FILE=broker.folder / "server.key"),
        "kafka.security.ca_file:",
    ),
    "a listener without TLS": (
        lambda broker: by_password(broker, KAFKA__BOOTSTRAP_SERVERS=broker.cluster.bootstrap_servers),
        "kafka.security.protocol: the listener speaks another",
    ),
    "a listener with TLS": (
        lambda broker: {"KAFKA__BOOTSTRAP_SERVERS": broker.cluster.servers("SSL"), "KAFKA__START_TIMEOUT_S": 2},
        "perhaps TLS is wanted (kafka.security.protocol)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whoever_is_not_let_in_is_told_the_setting_at_fault(
    broker: SecuredBroker, worker: Variables, fault: str
) -> None:
    make, told = FAULTS[fault]
    with pytest.raises(ConfigError) as refused:
        Topics(settings(make(broker)).kafka).partitions()

    assert told in str(refused.value)
    assert not [secret for secret in (PASSWORD, KEY_PASSWORD, "guessed") if secret in str(refused.value)]


@pytest.mark.parametrize("fault", ["wrong password", "wrong authority", "no certificate"])
def test_a_worker_that_is_not_let_in_ends_with_two_and_tells_no_secret(
    broker: SecuredBroker, deployment: Deployment, worker: Variables, fault: str
) -> None:
    make, told = FAULTS[fault]
    started = deployment.start("8", **make(broker))

    assert started.wait(60) == 2
    assert told in " ".join(started.said().split())
    assert not [secret for secret in (PASSWORD, KEY_PASSWORD, "guessed") if secret in started.said()]
