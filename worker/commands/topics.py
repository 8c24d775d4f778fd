"""`topics create` and `topics check`: both from deploy/topics.toml."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from worker.app import topic_names
from worker.commands import acls
from worker.commands.options import (
    ConfigOption,
    GroupOption,
    Output,
    OutputOption,
    PrefixOption,
    ServersOption,
    out,
    print_json,
    settings,
)
from worker.commands.tables import facts_table, print_table
from worker.kafka.topics import Finding, Topics, wanted

app = typer.Typer(
    no_args_is_help=True, help="Make the topics, compare them with their definition, tell who must be allowed what."
)
app.command("acls")(acls.acls)

PartitionsOption = Annotated[
    int | None,
    typer.Option(
        "--partitions",
        min=1,
        help="Partitions of each topic. \\[default: the input topic's, else 4]",
        show_default=False,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option("--replication-factor", help="Replicas of each topic. \\[default: the broker's]", show_default=False),
]


@app.command()
def create(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    partitions: PartitionsOption = None,
    replication_factor: ReplicasOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make the topics that are missing; leave those that are there as they are.

    [bold]Examples[/bold]

      thread-history-worker topics create

      thread-history-worker topics create --partitions 48 --replication-factor 3
    """
    found = settings(
        config,
        kafka__bootstrap_servers=bootstrap_servers,
        group=group,
        topics__prefix=prefix,
        topics__partitions=partitions,
        topics__replication_factor=replication_factor,
    )
    topics = wanted(topic_names(found))
    broker = Topics(found.kafka)
    made = broker.create(topics, found.topics)
    there = broker.partitions()
    rows = [{"topic": topic.name, "made": topic.name in made, "partitions": there.get(topic.name)} for topic in topics]
    if output is Output.JSON:
        for row in rows:
            print_json(row)
        return
    for row in rows:
        out.print(f"{row['topic']}: {'made' if row['made'] else 'was there'}", markup=False)
    source = topics[0].name
    if made and source not in made and source in there:
        out.print(f"{source} was there: the others were made with its {there[source]} partitions", markup=False)


@app.command()
def check(
    config: ConfigOption = None,
    bootstrap_servers: ServersOption = None,
    group: GroupOption = None,
    prefix: PrefixOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the topics with their definition; exit code 2 when the worker cannot run on them.

    [bold]Examples[/bold]

      thread-history-worker topics check

      thread-history-worker topics check --output json
    """
    found = settings(config, kafka__bootstrap_servers=bootstrap_servers, group=group, topics__prefix=prefix)
    topics = wanted(topic_names(found))
    findings = Topics(found.kafka).check(topics)
    if output is Output.JSON:
        for finding in findings:
            print_json(asdict(finding))
    elif findings:
        print_table(out, _table(findings))
        for finding in findings:
            out.print(f"- {finding.remedy}", markup=False, soft_wrap=True)
    else:
        out.print(f"{len(topics)} topics are as they should be")
    if any(finding.blocks for finding in findings):
        raise typer.Exit(2)


def _table(findings: list[Finding]) -> Table:
    table = facts_table("topic", "setting", "found", "wanted", "", folds=["found", "wanted"])
    for finding in findings:
        weight = "[red]blocks[/red]" if finding.blocks else "[yellow]advice[/yellow]"
        table.add_row(finding.topic, finding.setting, finding.found, finding.wanted, weight)
    return table
