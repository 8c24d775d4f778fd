"""The local broker with the real Kafka: records, crashes, freezes, the loss of a leader, and whose end ends it."""

import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from worker.errors import FatalError
from worker.localbroker.broker import LocalBroker
from worker.localbroker.cluster import LocalCluster
from worker.localbroker.ports import HOST

pytestmark = pytest.mark.integration

WAIT_S = 30.0


def new_topic(bootstrap: str, replicas: int = 1) -> str:
    topic = f"localbroker-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, replicas)])[topic].result(WAIT_S)
    return topic


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "message.timeout.ms": int(WAIT_S * 1000)})
    producer.produce(topic, value, on_delivery=lambda error, _: failures.extend([error] if error else []))
    left = producer.flush(WAIT_S)

    assert (left, failures) == (0, [])


def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """Read through a group, so that its coordinator and the offsets topic take part."""
    settings = {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings | {"enable.auto.commit": False})
    try:
        consumer.subscribe([topic])
        return [record.value() for record in consumer.consume(count, WAIT_S)]
    finally:
        consumer.close()


def answers(bootstrap: str, timeout_s: float) -> bool:
    try:
        AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=timeout_s)
    except KafkaException:
        return False
    return True


def gone(connection: socket.socket) -> bool:
    """Wait until the other side's process has ended, which closes its connections."""
    connection.settimeout(WAIT_S)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def connect(bootstrap: str) -> socket.socket:
    host, port = bootstrap.split(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_S)


def leader(cluster: LocalCluster, topic: str) -> LocalBroker:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    return cluster.node(admin.list_topics(topic, timeout=WAIT_S).topics[topic].partitions[0].leader)


def test_a_record_makes_the_round_trip(bootstrap: str) -> None:
    topic = new_topic(bootstrap)
    produce(bootstrap, topic, b"hello")

    assert read(bootstrap, topic, 1) == [b"hello"]


def test_topics_are_not_made_by_asking_for_them(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = f"absent-{uuid.uuid4()}"

    assert admin.list_topics(topic, timeout=WAIT_S).topics[topic].error is not None
    assert topic not in admin.list_topics(timeout=WAIT_S).topics


def test_a_killed_node_comes_back_on_its_port_with_its_records(own_cluster: LocalCluster) -> None:
    bootstrap = own_cluster.bootstrap_servers
    topic = new_topic(bootstrap)
    produce(bootstrap, topic, b"before")

    own_cluster.kill()
    assert not answers(bootstrap, 1.0)
    own_cluster.start()
    assert own_cluster.bootstrap_servers == bootstrap
    produce(bootstrap, topic, b"after")

    assert read(bootstrap, topic, 2) == [b"before", b"after"]


def test_a_stopped_node_comes_back_with_its_records(own_cluster: LocalCluster) -> None:
    bootstrap = own_cluster.bootstrap_servers
    topic = new_topic(bootstrap)
    produce(bootstrap, topic, b"before")

    own_cluster.restart()

    assert read(bootstrap, topic, 1) == [b"before"]


def test_a_paused_node_does_not_answer_until_it_goes_on(own_cluster: LocalCluster) -> None:
    (node,) = own_cluster.nodes

    node.pause()
    assert not answers(node.bootstrap_server, 1.0)
    node.resume()

    assert answers(node.bootstrap_server, WAIT_S)


def test_three_nodes_go_on_without_the_leader(tmp_path: Path) -> None:
    with LocalCluster(3, folder=tmp_path / "three") as cluster:
        bootstrap = cluster.bootstrap_servers
        topic = new_topic(bootstrap, replicas=3)
        produce(bootstrap, topic, b"before")

        lost = leader(cluster, topic)
        lost.kill()
        produce(bootstrap, topic, b"without")
        assert leader(cluster, topic) is not lost
        lost.start()

        assert read(bootstrap, topic, 2) == [b"before", b"without"]
    assert not (tmp_path / "three").exists()


def test_a_kept_folder_outlives_the_cluster(tmp_path: Path) -> None:
    with LocalCluster(folder=tmp_path, keep=True, extra={"num.partitions": "5"}) as cluster:
        (node,) = cluster.nodes

    assert not node.running
    assert "num.partitions=5\n" in (tmp_path / "node-1" / "server.properties").read_text()
    assert (node.folder / "data" / ".kafka_cleanshutdown").exists()


def test_settings_that_kafka_refuses_are_quoted_and_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "broken"

    with (
        pytest.raises(FatalError, match=r"formatting .* failed:\n(.|\n)*compression\.type"),
        LocalCluster(folder=folder, extra={"compression.type": "no"}),
    ):
        pass
    assert not folder.exists()


def test_a_node_whose_port_was_taken_says_so_and_starts_once_it_is_free(own_cluster: LocalCluster) -> None:
    (node,) = own_cluster.nodes
    own_cluster.kill()

    with (
        socket.create_server((HOST, node.address.broker_port)),
        pytest.raises(FatalError, match=r"ended while starting(.|\n)*Address already in use"),
    ):
        own_cluster.start()
    own_cluster.start()

    assert answers(own_cluster.bootstrap_servers, WAIT_S)


CHILD = """
import os, pathlib, signal, sys
from worker.localbroker.cluster import LocalCluster

cluster = LocalCluster(folder=pathlib.Path(sys.argv[1]), detached=sys.argv[2] == "detached")
cluster.start()
print(cluster.bootstrap_servers, cluster.nodes[0].pid, flush=True)
sys.stdin.readline()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["killed", "forgetful", "detached"])
def test_whose_end_ends_the_node(tmp_path: Path, end: str) -> None:
    folder = tmp_path / "data"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CHILD, str(folder), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        bootstrap, pid = child.stdout.readline().split()
        with connect(bootstrap) as connection:
            _, errors = child.communicate("\n", timeout=WAIT_S)
            assert errors == ""
            if end == "detached":
                assert answers(bootstrap, WAIT_S)
                subprocess.run(["/bin/kill", pid], check=True)
            assert gone(connection)

    assert folder.exists() == (end != "forgetful")
