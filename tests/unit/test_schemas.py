"""The files in schemas/: described, each alone enough, compatible with every release, true to the items (G10)."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import fastavro.schema
import orjson
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests import made, strategies
from tests.compatibility import problems
from tests.strategies import Given
from worker.codec.schemas import APPEND, MUTATIONS, VALUES, avro_schema, released, schema
from worker.model.item import Item
from worker.projections.table import PROJECTIONS

FOLDER = Path(__file__).parents[2] / "schemas"
NAMES = (*VALUES, APPEND)
RELEASES = sorted((FOLDER / "released").iterdir())


def source(name: str) -> dict[str, Any]:
    return copy.deepcopy(schema(name).source)


def records(found: Any) -> Iterator[dict[str, Any]]:
    """Yield the record types in a schema."""
    if isinstance(found, dict):
        if found.get("type") == "record":
            yield found
        for child in found.values():
            yield from records(child)
    elif isinstance(found, list):
        for child in found:
            yield from records(child)


def test_there_is_a_schema_for_each_projection_and_one_for_appends() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.avsc")) == sorted(NAMES)
    assert set(MUTATIONS) == set(PROJECTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_alone_is_enough(name: str) -> None:
    loaded: Any = fastavro.schema.load_schema(str(FOLDER / f"{name}.avsc"))

    assert loaded["name"] == schema(name).name


@pytest.mark.parametrize("name", NAMES)
def test_every_type_and_field_is_described(name: str) -> None:
    found = list(records(source(name)))
    bare = [field["name"] for one in found for field in one["fields"] if not field.get("doc")]

    assert (bare, [one["name"] for one in found if not one.get("doc")]) == ([], [])


def test_a_type_that_several_files_hold_is_the_same_in_each() -> None:
    by_name: dict[str, list[Any]] = {}
    for name in NAMES:
        for one in records(source(name)):
            by_name.setdefault(one["name"], []).append(one)

    assert {name: len(found) for name, found in by_name.items() if len(found) > 1} == {"Source": 4}
    assert all(one == found[0] for found in by_name.values() for one in found)


def test_the_mutations_have_their_common_fields_in_common() -> None:
    first, *others = [source(name)["fields"][:7] for name in MUTATIONS]

    assert [field["name"] for field in first][0:2] == ["schemaVersion", "threadId"]
    assert others == [first, first]


# Compatibility


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
@pytest.mark.parametrize("name", NAMES)
def test_todays_schema_and_a_released_one_read_each_other(name: str, release: Path) -> None:
    file = release / f"{name}.avsc"
    if not file.is_file():
        pytest.skip("came after this release")
    before = orjson.loads(file.read_bytes())

    assert list(problems(source(name), before)) == []
    assert list(problems(before, source(name))) == []


# Records on topics name their schema by these. A release adds its own and changes none.
FINGERPRINTS = {
    "1": {
        "thread_item": "6ed19d3c4fdee496",
        "turn_summary": "92cffb228865a7f6",
        "lifecycle": "bad0e8808c83185f",
        "rollout_append": "93dcfcccde255d4d",
    },
    "2": {
        "thread_item": "492ce23c89851679",
        "turn_summary": "250e640e202b3475",
        "thread": "3c1afeb0dd7b74c0",
    },
}


def test_a_released_schema_keeps_its_fingerprint() -> None:
    found = {
        release.name: {file.stem: avro_schema(file.read_text()).fingerprint.hex() for file in release.iterdir()}
        for release in RELEASES
    }

    assert found == FINGERPRINTS
    assert {one.fingerprint.hex() for one in released()} == {one for some in found.values() for one in some.values()}


def _added(**field: Any) -> dict[str, Any]:
    changed = source("thread_item")
    changed["fields"].append({"name": "new", **field})
    return changed


def _without(name: str) -> dict[str, Any]:
    changed = source("thread_item")
    changed["fields"] = [field for field in changed["fields"] if field["name"] != name]
    return changed


def _with_type(name: str, kind: Any) -> dict[str, Any]:
    changed = source("thread_item")
    next(field for field in changed["fields"] if field["name"] == name)["type"] = kind
    return changed


@pytest.mark.parametrize(
    ("changed", "reads_old", "read_by_old"),
    [
        (source("thread_item"), True, True),
        (_added(type="long", default=0), True, True),
        (_added(type=["null", "string"], default=None), True, True),
        (_added(type="long"), False, True),
        (_without("truncated"), True, True),
        (_without("turnId"), True, False),
        (_with_type("isOpen", "string"), False, False),
        (_with_type("sequence", "int"), False, True),
        (_with_type("sequence", "double"), True, False),
        (_with_type("turnId", ["null", "string"]), True, False),
        (_with_type("materializedThreadItem", "string"), False, False),
        ({**source("thread_item"), "name": "Other"}, False, False),
    ],
)
def test_the_check_tells_what_breaks_readers(changed: dict[str, Any], reads_old: bool, read_by_old: bool) -> None:
    before = source("thread_item")

    assert (list(problems(changed, before)) == []) is reads_old
    assert (list(problems(before, changed)) == []) is read_by_old


def test_the_values_of_maps_are_checked() -> None:
    longs, texts = ({"type": "map", "values": kind} for kind in ("long", "string"))

    assert list(problems(longs, {"type": "map", "values": "int"})) == []
    assert list(problems(texts, longs)) == ["{}: long became string"]


# Items

ITEMS = orjson.loads((FOLDER / "thread_item.schema.json").read_bytes())
SHAPES = {
    tag: shape for shape in get_args(Item) for tag in get_args(get_type_hints(shape, include_extras=False)["type"])
}


def closed(found: Any) -> Any:
    """Return a JSON Schema that takes no keys but those it names."""
    if isinstance(found, list):
        return [closed(child) for child in found]
    if not isinstance(found, dict):
        return found
    shut = {key: closed(child) for key, child in found.items()}
    return shut | {"additionalProperties": False} if isinstance(found.get("properties"), dict) else shut


STRICT = closed(ITEMS)
STRICT["oneOf"] = [one for one in STRICT["oneOf"] if not one["$ref"].endswith("/otherItem")]
VALIDATOR = Draft202012Validator(STRICT)


def test_the_schema_of_items_is_one() -> None:
    Draft202012Validator.check_schema(ITEMS)


@pytest.mark.parametrize("tag", sorted(SHAPES))
def test_the_schema_of_an_item_has_the_fields_of_its_shape(tag: str) -> None:
    described = ITEMS["$defs"][tag]

    assert list(described["properties"]) == list(SHAPES[tag].__annotations__)
    assert set(described["required"]) == SHAPES[tag].__required_keys__


def test_every_item_of_the_vectors_keeps_to_the_schema() -> None:
    found = {orjson.dumps(item): item for item in made.items(made.of_vectors())}
    bad = [error.message for item in found.values() for error in VALIDATOR.iter_errors(item)]

    assert bad == []
    assert {item["type"] for item in found.values()} == set(SHAPES)


@given(strategies.threads(size_max=12))
def test_every_item_keeps_to_the_schema(lines: list[Given]) -> None:
    for item in made.items(made.mutations(line.text for line in lines)):
        assert [error.message for error in VALIDATOR.iter_errors(item)] == []


@pytest.mark.parametrize(
    "item",
    [
        {"type": "plan", "id": "p"},
        {"type": "plan", "id": "p", "text": None},
        {"type": "sleep", "id": "s", "durationMs": -1},
        {"type": "fileChange", "id": "c", "changes": [{"path": "a", "kind": {"type": "update"}, "diff": ""}]},
        {"id": "p"},
    ],
)
def test_what_is_no_item_does_not_pass(item: dict[str, Any]) -> None:
    assert not Draft202012Validator(ITEMS).is_valid(item)


def test_an_item_of_a_type_that_came_later_passes() -> None:
    assert Draft202012Validator(ITEMS).is_valid({"type": "hologram", "id": "h", "colour": "blue"})


def test_the_readme_names_the_type_of_each_topic() -> None:
    rows = re.findall(r"^\| `(\S+)` \| `(\S+)` \| `(\S+)` \| `(\S+)` \|$", (FOLDER / "README.md").read_text(), re.M)
    expected = [
        (
            f"codex.{PROJECTIONS[name].topic}",
            f"codex.{PROJECTIONS[name].topic}-value",
            f"{name}.avsc",
            schema(name).name,
        )
        for name in MUTATIONS
    ]

    assert rows == [
        *expected,
        ("codex.threads", "codex.threads-value", "thread.avsc", schema("thread").name),
        ("codex.rollout-items", "codex.rollout-items-value", f"{APPEND}.avsc", schema(APPEND).name),
    ]
