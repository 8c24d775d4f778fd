"""Items that are too large are cut: enough, the same way each time, and no more than needed (2.6)."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from worker.model.limits import cut, json_bytes

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
trees = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


def item(**fields: Any) -> Any:
    return {"type": "mcpToolCall", "id": "call", "status": "completed", **fields}


def shortened(found: Any) -> tuple[Any, int | None]:
    return cut(found, 4_096)


@given(trees)
def test_a_size_is_never_below_what_the_encoder_writes(tree: Any) -> None:
    assert json_bytes(tree) >= len(orjson.dumps(tree))


@given(st.text())
def test_a_texts_size_is_exact(text: str) -> None:
    assert json_bytes(text) == len(orjson.dumps(text))


def test_an_item_that_fits_is_left_alone() -> None:
    small = item(result={"content": ["x" * 100]})

    assert cut(small, 1_000) == (small, None)


def test_a_long_text_loses_its_middle_and_the_size_before_is_told() -> None:
    large = item(result={"content": ["a" * 5_000 + "b" * 5_000]}, tool="search")
    found, size = shortened(large)
    text = found["result"]["content"][0]

    assert size == len(orjson.dumps(large))
    assert (text[:1_024], text[-1_024:]) == ("a" * 1_024, "b" * 1_024)
    assert "…[7952 characters cut]…" in text
    assert (found["type"], found["id"], found["tool"]) == ("mcpToolCall", "call", "search")


def test_short_texts_stay_whole_beside_a_long_one() -> None:
    found, _ = shortened(item(result={"content": ["short", "x" * 10_000]}))

    assert found["result"]["content"][0] == "short"


def test_a_list_of_very_many_entries_loses_its_middle() -> None:
    found, _ = shortened(item(result={"content": list(range(100_000))}))
    content = found["result"]["content"]

    assert (content[0], content[-1]) == (0, 99_999)


@given(trees)
def test_whatever_it_holds_an_item_is_cut_below_the_bound_and_always_alike(tree: Any) -> None:
    large = item(arguments=tree, result={"content": [tree] * 50 + ["x" * 3_000]})
    found, _ = cut(large, 4_096)

    assert len(orjson.dumps(found)) <= 4_096
    assert cut(large, 4_096) == cut(orjson.loads(orjson.dumps(large)), 4_096)
