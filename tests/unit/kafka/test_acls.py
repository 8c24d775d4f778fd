"""What is to be allowed, for the configured names."""

import json
import shlex

import pytest
from typer.testing import CliRunner

from worker import app
from worker.cli import app as cli
from worker.config import load
from worker.kafka.acls import ROLES, Acl, acls


def needed(role: str, **settings: object) -> list[Acl]:
    found = load(None, {"group": "blue", "topics": {"prefix": "p."}, **settings})
    return acls(role, found, app.topic_names(found))


def printed(*arguments: str) -> list[str]:
    done = CliRunner().invoke(cli, ["topics", "acls", "--group", "blue", "--prefix", "p.", *arguments])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_listed_twice_or_wider_than_it_must_be(role: str) -> None:
    found = needed(role)

    assert len(set(map(str, found))) == len(found)
    assert {acl.operation for acl in found} <= {"Read", "Write", "Create", "Describe", "DescribeConfigs"}
    assert all(acl.name not in ("*", "") for acl in found)
    assert [acl.name for acl in found if acl.prefixed] in ([], ["blue-"], ["thread-history-postgres-"])


@pytest.mark.parametrize("role", ["sink", "publish", "inspect", "create"])
def test_who_only_reads_or_publishes_writes_no_mutations(role: str) -> None:
    assert [acl.name for acl in needed(role) if acl.operation == "Write"] == ["p.rollout-items"] * (role == "publish")


def test_a_projection_more_is_a_topic_more() -> None:
    before = needed("worker")
    after = needed("worker", projections=["thread_item", "turn_summary", "lifecycle", "thread"])

    assert {(acl.name, acl.operation) for acl in after if acl not in before} == {
        ("p.threads", "Write"),
        ("p.threads", "DescribeConfigs"),
    }


def test_a_sink_with_a_group_of_its_own_needs_that_alone() -> None:
    (group,) = [acl for acl in needed("sink", sink={"group": "tables"}) if acl.resource == "Group"]

    assert (group.name, group.prefixed) == ("tables", False)


def test_a_command_line_allows_all_operations_on_a_resource() -> None:
    lines = printed("--role", "worker", "--principal", "User:CN=a b", "--output", "commands", "-b", "k:9093")

    assert shlex.split(lines[0])[1:] == [
        *("--bootstrap-server", "k:9093", "--add", "--allow-principal", "User:CN=a b"),
        *("--operation", "Read", "--operation", "DescribeConfigs"),
        *("--topic", "p.rollout-items", "--resource-pattern-type", "literal"),
    ]
    assert lines[-1].endswith("--operation Write --transactional-id blue- --resource-pattern-type prefixed")


def test_programs_get_a_row_for_each() -> None:
    rows = [json.loads(line) for line in printed("--output", "json")]

    assert {row["principal"] for row in rows} == {f"User:{role}" for role in ROLES}
    assert len(rows) == sum(len(needed(role)) for role in ROLES)


def test_people_get_a_table() -> None:
    text = "\n".join(printed("--role", "publish"))

    assert all(word in text for word in ("User:publish", "p.rollout-items", "Write", "DescribeConfigs"))


def test_a_role_that_is_not_known_is_refused() -> None:
    done = CliRunner().invoke(cli, ["topics", "acls", "--role", "admin"])

    assert done.exit_code == 2
    assert "admin not known" in done.output
