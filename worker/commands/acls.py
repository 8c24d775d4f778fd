"""`topics acls`: what to allow to whom, for the configured names."""

import shlex
from collections import defaultdict
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from worker.app import topic_names
from worker.commands.options import (
    ConfigOption,
    GroupOption,
    PrefixOption,
    ServersOption,
    out,
    print_json,
    settings,
)
from worker.commands.tables import facts_table, print_table
from worker.kafka.acls import ROLES, Acl
from worker.kafka.acls import acls as needed


class Output(StrEnum):
    """How the list is printed."""

    TABLE = "table"
    JSON = "json"
    COMMANDS = "commands"


# By the type of resource: the option of kafka-acls that names one.
_OPTIONS = {"Topic": "--topic", "Group": "--group", "TransactionalId": "--transactional-id"}


def acls(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="ROLE",
            help=f"Only for this; may be repeated: {', '.join(ROLES)}. \\[default: all]",
            show_default=False,
        ),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Whom to allow it. \\[default: User: and the role]", show_default=False),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people, for programs, or as commands of Kafka's own tool.")
    ] = Output.TABLE,
) -> None:
    """Print the ACLs that each command needs, and nothing that it can do without; asks no broker.

    [bold]Examples[/bold]

      thread-history-worker topics acls

      thread-history-worker topics acls --role worker --principal User:CN=worker --output commands | sh
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    unknown = sorted(set(role or ()) - ROLES.keys())
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} not known; choose of {', '.join(ROLES)}", param_hint="--role")
    names = topic_names(found)
    rows = [(principal or f"User:{each}", acl) for each in role or ROLES for acl in needed(each, found, names)]
    if output is Output.JSON:
        for whom, acl in rows:
            print_json({"principal": whom, **asdict(acl)})
    elif output is Output.COMMANDS:
        for command in _commands(rows, found.kafka.bootstrap_servers):
            out.out(command, highlight=False)
    else:
        _print_table(rows)


def _commands(rows: list[tuple[str, Acl]], servers: str) -> list[str]:
    """Return a command line for each principal and resource."""
    operations: dict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    for whom, acl in rows:
        operations[whom, acl.resource, acl.name, acl.prefixed].append(acl.operation)
    return [
        shlex.join([
            *("kafka-acls.sh", "--bootstrap-server", servers, "--add", "--allow-principal", whom),
            *(part for operation in dict.fromkeys(some) for part in ("--operation", operation)),
            *(_OPTIONS[resource], name, "--resource-pattern-type", "prefixed" if prefixed else "literal"),
        ])
        for (whom, resource, name, prefixed), some in operations.items()
    ]  # fmt: skip


def _print_table(rows: list[tuple[str, Acl]]) -> None:
    table = facts_table("principal", "for", "resource", "name", "operation", folds=["for"])
    before = ""
    for whom, acl in rows:
        if acl.role != before:
            table.add_section()
        shown = ("", "") if acl.role == before else (escape(whom), ROLES[acl.role])
        table.add_row(*shown, acl.resource, escape(acl.name) + ("*" if acl.prefixed else ""), acl.operation)
        before = acl.role
    print_table(out, table)
    out.print("name*: all that begin so (--resource-pattern-type prefixed)", markup=False)
