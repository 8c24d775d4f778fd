"""What a node is told: identities, addresses, settings and their spelling."""

import string
from dataclasses import replace

from worker.localbroker.properties import (
    Address,
    bootstrap_servers,
    initial_controllers,
    kafka_id,
    properties_text,
    server_properties,
)

ONE = Address(node_id=1, broker_port=20001, controller_port=20002, directory_id="first")
TWO = Address(node_id=2, broker_port=20003, controller_port=20004, directory_id="second")
THREE = Address(node_id=3, broker_port=20005, controller_port=20006, directory_id="third")

REPLICATION = [
    ("default.replication.factor", "min.insync.replicas"),
    ("transaction.state.log.replication.factor", "transaction.state.log.min.isr"),
    ("share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"),
]


def test_an_id_is_never_taken_for_an_option() -> None:
    ids = [kafka_id() for _ in range(1_000)]

    assert all(len(each) == 22 and set(each) <= set(string.ascii_letters + string.digits + "-_") for each in ids)
    assert not [each for each in ids if each.startswith("-")]
    assert len(set(ids)) == len(ids)


def test_clients_and_the_quorum_are_told_of_every_node() -> None:
    assert bootstrap_servers([ONE, TWO]) == "127.0.0.1:20001,127.0.0.1:20003"
    assert initial_controllers([ONE, TWO]) == "1@127.0.0.1:20002:first,2@127.0.0.1:20004:second"


def test_a_node_listens_on_its_own_ports_and_knows_all_controllers() -> None:
    properties = server_properties(TWO, [ONE, TWO, THREE])

    assert properties["node.id"] == "2"
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:20003,CONTROLLER://127.0.0.1:20004"
    assert properties["controller.quorum.bootstrap.servers"] == "127.0.0.1:20002,127.0.0.1:20004,127.0.0.1:20006"


def test_a_further_listener_is_named_by_its_security_protocol() -> None:
    address = replace(ONE, listeners={"SASL_SSL": 20009})
    properties = server_properties(address, [address])

    assert properties["listeners"].split(",")[2:] == ["SASL_SSL://127.0.0.1:20009"]
    assert properties["listener.security.protocol.map"] == "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL"
    assert bootstrap_servers([address], "SASL_SSL") == "127.0.0.1:20009"


def test_one_node_keeps_one_replica_of_everything() -> None:
    properties = server_properties(ONE, [ONE])

    assert [(properties[factor], properties[in_sync]) for factor, in_sync in REPLICATION] == [("1", "1")] * 3
    assert properties["offsets.topic.replication.factor"] == "1"


def test_three_nodes_keep_three_replicas_of_which_two_are_in_sync() -> None:
    properties = server_properties(ONE, [ONE, TWO, THREE])

    assert [(properties[factor], properties[in_sync]) for factor, in_sync in REPLICATION] == [("3", "2")] * 3
    assert properties["offsets.topic.replication.factor"] == "3"


def test_extra_settings_override_ours_and_add_to_them() -> None:
    extra = {"num.partitions": "7", "message.max.bytes": "1000"}

    properties = server_properties(ONE, [ONE], extra)

    assert properties == server_properties(ONE, [ONE]) | extra


def test_settings_are_spelt_as_java_reads_them() -> None:
    text = properties_text({"plain": "PLAINTEXT://127.0.0.1:20001", "odd": "a\\b é 😀\n"})

    assert text == "plain=PLAINTEXT://127.0.0.1:20001\nodd=a\\u005cb\\u0020\\u00e9\\u0020\\ud83d\\ude00\\u000a\n"
