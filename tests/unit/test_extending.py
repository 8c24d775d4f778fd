"""The projection of docs/extending.md does what the page says."""

import re
from pathlib import Path
from typing import Any

import orjson

from tests import factories, made
from tests.factories import event
from worker.codec.avro import single_objects
from worker.codec.schemas import avro_schema
from worker.codec.values import ValueDecoder
from worker.pipeline import Pipeline
from worker.replay import Replay
from worker.runtime.append import Appends

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def projection() -> Any:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 (it is ours)
    return names["FAILURES"]


def test_the_example_publishes_and_removes_rows_in_any_encoding() -> None:
    failures = projection()
    replay = Replay("t", Appends(factories.DECODER, Pipeline([failures], redact=False)))
    lines = [event("task_started"), event("error", message="no luck"), event("thread_rolled_back")]
    mutations = list(replay.mutations(lines))
    for one in mutations:
        one.value["source"] = made.SOURCE
    schema = avro_schema(orjson.dumps(failures.schema))
    encoder, decode = single_objects({"failure": schema}), ValueDecoder(types=[schema]).decode
    read = [decode(encoder.encode(one)) for one in mutations]

    assert [(one.key, one.removes, one.sequence) for one in mutations] == [("t/a", False, 1), ("t/a", True, 2)]
    assert [(one["turnId"], one["message"]) for one in read] == [("a", "no luck")] * 2


def test_the_example_tells_which_rows_a_forget_must_null() -> None:
    (turn,) = factories.Story(event("task_started"), event("error")).thread.turns()

    assert list(projection().shown("u", turn, turn)) == [("a",)]
