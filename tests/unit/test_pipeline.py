"""Reduce, then observe: mutations in their places (2.2, 2.3, D11, D12, D16, D17)."""

from tests import factories
from tests.factories import event
from worker.model.mutation import Mutation
from worker.model.thread import Thread
from worker.pipeline import Pipeline
from worker.projections.lifecycle import Lifecycle

SOURCE = {"topic": "in", "partition": 1, "offset": 2, "index": 0, "ordinal": 3, "timestamp": 4}


def told(pipeline: Pipeline, thread: Thread, line: bytes) -> list[Mutation]:
    read = factories.decoded(line)
    assert read.handle is not None
    changes = pipeline.reduce(thread, read.handle, read.event, read.timestamp_ms)
    return pipeline.observe(thread, changes, SOURCE)


def test_a_mutation_states_its_place() -> None:
    thread = Thread("t/u")
    thread.header.generation = 7

    (_, mutation) = told(factories.pipeline(), thread, event("task_started", turn_id="%", started_at=1))

    assert mutation == Mutation(
        projection="lifecycle",
        key="t%2Fu/1",
        generation=7,
        sequence=2,
        value={
            "schemaVersion": 1,
            "threadId": "t/u",
            "generation": 7,
            "sequence": 2,
            "topicSequence": 1,
            "source": SOURCE,
            "reducerVersion": 1,
            "lifecycleOrdinal": 1,
            "eventType": "turn.started",
            "turnId": "%",
            "payload": {"startedAt": 1},
        },
        removes=False,
    )


def test_rows_are_keyed_by_thread_turn_and_item() -> None:
    pipeline, thread = factories.pipeline(), Thread("t/u")

    lines = [event("task_started", turn_id="%"), event("web_search_begin", call_id="i/%"), event("turn_aborted")]
    keys = [(one.projection, one.key) for line in lines for one in told(pipeline, thread, line)]

    assert keys == [
        ("turn_summary", "t%2Fu/%25"),
        ("lifecycle", "t%2Fu/1"),
        ("thread_item", "t%2Fu/%25/i%2F%25"),
        ("turn_summary", "t%2Fu/%25"),
        ("lifecycle", "t%2Fu/2"),
    ]


def test_one_event_tells_items_then_summaries_then_lifecycle_and_removals_last_in_each() -> None:
    pipeline, thread = factories.pipeline(), Thread("t")
    for line in (event("task_started"), event("user_message"), event("task_started", turn_id="b")):
        told(pipeline, thread, line)

    found = told(pipeline, thread, event("thread_rolled_back", num_turns=2))

    assert [(one.projection, one.key, one.sequence, one.value["topicSequence"], one.removes) for one in found] == [
        ("thread_item", "t/a/item-1", 7, 2, True),
        ("turn_summary", "t/a", 8, 4, True),
        ("turn_summary", "t/b", 9, 5, True),
        ("lifecycle", "t/3", 10, 3, False),
    ]


def test_only_installed_projections_count_in_the_sequence() -> None:
    pipeline, thread = Pipeline([Lifecycle()], redact=False), Thread("t")

    found = [one for _ in range(2) for one in told(pipeline, thread, event("task_started"))]

    assert [(one.projection, one.sequence) for one in found] == [("lifecycle", 1), ("lifecycle", 2)]
