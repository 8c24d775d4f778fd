"""How an output is compared with a conformance vector.

Number, order, projection and sequence of the mutations must agree, and every expected field. Three tolerances, for
formats newer than the vectors: null keys that U6 added are ignored; the text of an exitedReviewMode may go on after the
expected one (U5); integers and floats compare as numbers. A mutation's value may hold more fields than are expected.
"""

from collections.abc import Iterator, Sequence
from typing import Any

ADDED_NULLS = frozenset({"pluginId", "scriptPath", "appContext", "readOnlyHint", "results", "transparentBackground"})


def differences(expected: Any, found: Any, place: str = "", *, open_ended: bool = False) -> Iterator[str]:
    """Yield where two JSON values differ.

    Args:
        open_ended: the outermost object may have keys that are not expected.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        yield from _in_objects(expected, found, place, open_ended=open_ended)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{place}: {len(found)} entries, expected {len(expected)}"
        for at, pair in enumerate(zip(expected, found, strict=False)):
            yield from differences(*pair, f"{place}[{at}]")
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield f"{place}: {found!r}, expected {expected!r}"


def _in_objects(expected: dict[str, Any], found: dict[str, Any], place: str, *, open_ended: bool) -> Iterator[str]:
    for key, wanted in expected.items():
        if key not in found:
            yield f"{place}.{key}: missing"
        elif key == "review" and expected.get("type") == "exitedReviewMode":
            if not str(found[key]).startswith(wanted):
                yield f"{place}.{key}: {found[key]!r}, expected {wanted!r} and perhaps more"
        else:
            yield from differences(wanted, found[key], f"{place}.{key}")
    if not open_ended:
        for key in found.keys() - expected.keys():
            if found[key] is not None or key not in ADDED_NULLS:
                yield f"{place}.{key}: unexpected {found[key]!r}"


def mutation_differences(
    expected: Sequence[dict[str, Any]], found: Sequence[tuple[str, int, dict[str, Any]]]
) -> Iterator[str]:
    """Yield where mutations differ from a vector's.

    Args:
        expected: objects with `projection`, `sequence` and `payload`.
        found: projection, sequence and value of each mutation.
    """
    if len(expected) != len(found):
        yield f"{len(found)} mutations, expected {len(expected)}"
    for at, (wanted, (projection, sequence, value)) in enumerate(zip(expected, found, strict=False)):
        if (wanted["projection"], wanted["sequence"]) != (projection, sequence):
            yield f"mutation {at}: {projection} {sequence}, expected {wanted['projection']} {wanted['sequence']}"
        yield from differences(wanted["payload"], value, f"mutation {at} ({projection})", open_ended=True)
