"""Threads as hypothesis draws them: lines of every kind, drawn from the shapes that the kinds are checked against.

A new kind is drawn unasked. A scalar that is parsed by a function of its own needs an entry in `PARSED`; without one
the strategy cannot be built. Ids come from small pools, so that turns and items meet again: repeated turn ids, items
of the same id, late completions, names that the reducer would generate itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints

import orjson
from hypothesis import strategies as st
from typing_extensions import is_typeddict

from tests import factories
from worker.model.scalar import AbsolutePath, Bounded, DurationMs, Effort, Location, Tagged, Uuid
from worker.reducer import agents, messages, tools, turns
from worker.reducer.table import EVENTS, IGNORED_EVENTS, IGNORED_LINES, LINES, RESPONSE_ITEMS

Json = st.SearchStrategy[Any]

TURN_IDS = st.sampled_from(["a", "b", "c", "a", "b", "", "rollout-0", "rollout-3", "rollout-9", "a/b%"])
ITEM_IDS = st.sampled_from(["i", "j", "k", "i", "j", "item-1", "item-2", "item-4", "hook-2", "", "i/j%2F"])
TEXTS = st.sampled_from(["x", "y", "", " ", "two\nlines", "é\u2028", "\u00a0", "token=abcdefgh12", "it's"])
JSON = st.sampled_from([None, True, 0, 1, 1.0, -0.0, 2**64 - 1, 1e300, "x", [], [1, [True]], {}, {"k": {"k": [None]}}])
UUIDS = st.sampled_from([factories.UUID, factories.OTHER_UUID, factories.UUID.upper(), f"{{{factories.OTHER_UUID}}}"])
HOOKS = st.sampled_from([f'<h hook_run_id="r">{text}</h>' for text in ("x", "y", "&lt;", "")] + ["plain", " "])
ERRORS = st.sampled_from([
    None,
    "other",
    "thread_rollback_failed",
    "usage_limit_exceeded",
    {"http_connection_failed": {"http_status_code": 500}},
    {"active_turn_not_steerable": {"turn_kind": "review"}},
])  # fmt: skip
STATES = st.sampled_from(["running", "not_found", {"completed": None}, {"completed": "x"}, {"errored": "y"}])
DURATIONS = st.sampled_from([
    {"secs": 0, "nanos": 0},
    {"secs": 1, "nanos": 999_999},
    [2, 1_000_000],
    {"secs": 2**64 - 1, "nanos": 0},
])  # fmt: skip
LOCATIONS = st.sampled_from(["/w", "/w/../x//y", "file:///w%20x", "file:///C:/x"])

PARSED: list[tuple[Any, Json]] = [
    (Uuid, UUIDS),
    (AbsolutePath, st.sampled_from(["/", "/p/./q"])),
    (Location, LOCATIONS),
    (DurationMs, DURATIONS),
    (Effort, st.sampled_from(["high", "mega"])),
    (turns.ErrorInfo, ERRORS),
    (agents.State, STATES),
]
NAMED: dict[str, Json] = {
    "turn_id": TURN_IDS,
    "turnId": TURN_IDS,
    "call_id": ITEM_IDS,
    "callId": ITEM_IDS,
    "event_id": ITEM_IDS,
    "item_id": ITEM_IDS,
    "target_item_id": ITEM_IDS,
    "id": ITEM_IDS,
    "num_turns": st.sampled_from([1, 1, 1, 2, 0, 3, 2**32 - 1]),
}


@cache
def of_shape(shape: Any) -> Json:
    """Return a strategy for the JSON that a shape accepts.

    Raises:
        LookupError: a scalar of this shape has no entry in `PARSED`.
    """
    special = _special(shape)
    if special is not None:
        return special
    origin, args = get_origin(shape), get_args(shape)
    if origin is Annotated:
        return _annotated(args[0], args[1:])
    if is_typeddict(shape):
        return _dictionary(shape)
    if origin is Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(of_shape(args[0]), max_size=2)
    if origin is dict:
        return st.dictionaries(of_shape(args[0]), of_shape(args[1]), max_size=2)
    if args:
        return st.one_of(*map(of_shape, args))
    return _PLAIN[shape]


_PLAIN: dict[Any, Json] = {
    Any: JSON,
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(),
    float: st.sampled_from([0, 0.5, 1e10]),
    type(None): st.none(),
}


def _special(shape: Any) -> Json | None:
    if shape is messages.ResponseMessage:
        return _response_message()
    if shape is tools.McpOutcome:
        ok = st.fixed_dictionaries({"Ok": of_shape(tools.McpResult)})
        return ok | st.fixed_dictionaries({"Err": TEXTS})
    if shape == EVENTS["entered_review_mode"].shape:
        whole = _dictionary(get_args(shape)[0])
        return whole.map(lambda found: found if "target" in found else {**found, "prompt": "x"})
    return next((strategy for parsed, strategy in PARSED if parsed == shape), None)


def _annotated(inner: Any, markers: Sequence[Any]) -> Json:
    for marker in markers:
        if isinstance(marker, Bounded):
            return st.sampled_from([0, 1, marker.low, marker.high]) | st.integers(marker.low, marker.high)
        if isinstance(marker, Tagged):
            others = [*marker.nested.values(), *([marker.otherwise] if marker.otherwise else [])]
            return st.one_of(*map(of_shape, [*get_args(inner), *others]))
    if _special(inner) is not None or inner is tools.McpOutcome:
        return of_shape(inner)
    raise LookupError(f"no strategy in PARSED for {inner} with {markers}")


def _dictionary(shape: Any) -> Json:
    hints = get_type_hints(shape, include_extras=True)
    fields = {name: NAMED[name] if name in NAMED else of_shape(_bare(hint)) for name, hint in hints.items()}
    required = {name: fields[name] for name in shape.__required_keys__}
    optional = {name: fields[name] for name in shape.__optional_keys__}
    return st.fixed_dictionaries(required, optional=optional)


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint


def _response_message() -> Json:
    texts = st.fixed_dictionaries({"type": st.just("input_text"), "text": HOOKS})
    whole = st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "user", "assistant"]), "content": st.lists(texts, min_size=1, max_size=2)},
        optional={"id": ITEM_IDS | st.none()},
    )
    return whole | _dictionary(messages.ResponseMessage)


# Lines

_TIMESTAMPS = st.sampled_from([factories.TIMESTAMP, "2026-06-04T02:00:01.5+02:00", "yesterday", ""])
_TABLES = {"event_msg": EVENTS, "response_item": RESPONSE_ITEMS}


def handled_kinds() -> list[tuple[str, str]]:
    """Return line type and payload type of every kind that the reducer reads."""
    inner = [(outer, name) for outer, table in _TABLES.items() for name in table if table[name].handle]
    return [*inner, *((name, "") for name, kind in LINES.items() if kind.handle)]


# Of version 7, in the order of their making.
OLD_UUID, OWN_UUID, NEW_UUID = (f"019b0000-{part}-7000-8000-00000000000a" for part in ("0000", "5000", "9000"))
_ODD: Json = st.sampled_from([None, 5, "", "x", [], {}])
# What lines of the session say, all of it optional and of any type; these make no copies and no paginated thread.
SESSION: dict[str, Json] = {
    "session_meta": st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from([OWN_UUID, NEW_UUID]) | _ODD,
            "history_mode": st.just("legacy") | _ODD,
            "source": st.sampled_from(["cli", "exec", {"subagent": "review"}]) | _ODD,
            "cwd": st.just("/w") | _ODD,
            "git": st.just({"branch": "main", "commit_hash": 5}) | _ODD,
            "timestamp": st.just(factories.TIMESTAMP) | _ODD,
            "subagent_history_start_ordinal": st.just(3) | _ODD,
        },
    ),
    "turn_context": st.fixed_dictionaries({}, optional={"model": TEXTS | _ODD, "turn_id": st.just(OWN_UUID) | _ODD}),
    "token_count": st.fixed_dictionaries(
        {}, optional={"info": st.just({"total_token_usage": {"total_tokens": 7, "input_tokens": "x"}}) | _ODD}
    ),
    "thread_name_updated": st.fixed_dictionaries({}, optional={"thread_name": TEXTS | _ODD}),
}


@cache
def line_of(outer: str, inner: str) -> Json:
    """Return a strategy for the lines of a kind that the reducer reads."""
    shape = (_TABLES[outer][inner] if inner else LINES[outer]).shape
    if shape is None:
        return st.builds(_line, st.just(outer), st.just(inner), SESSION[inner or outer], _TIMESTAMPS)
    return st.builds(_line, st.just(outer), st.just(inner), of_shape(shape), _TIMESTAMPS)


def _line(outer: str, inner: str, found: dict[str, Any], timestamp: str) -> bytes:
    return factories.line(outer, {**found, "type": inner} if inner else found, timestamp=timestamp)


FREQUENT = (
    ["task_started"] * 8
    + ["task_complete", "thread_rolled_back", "user_message", "agent_message", "agent_reasoning"] * 4
    + ["exec_command_begin", "exec_command_end", "turn_aborted", "error", "agent_reasoning_raw_content"] * 2
)


def _ignored() -> Json:
    events = st.sampled_from(sorted(IGNORED_EVENTS)).map(lambda kind: factories.line("event_msg", {"type": kind}))
    lines = st.sampled_from(sorted(IGNORED_LINES)).map(lambda kind: factories.line(kind, {}))
    return events | lines | st.just(factories.line("response_item", {"type": "function_call"}))


_MALFORMED = st.sampled_from([
    b"{",
    b"null",
    b'{"timestamp":"","type":"event_msg","payload":{"type":"task_started"}}',
    factories.line("event_msg", {"type": "exec_command_end"}),
    factories.event("user_message", message=5),
    factories.line("response_item", {"type": "message", "role": "user"}),
])  # fmt: skip
_UNKNOWN = st.sampled_from([
    factories.line("event_msg", {"type": "background_event"}),
    factories.line("retained_context", {}),
    factories.line("response_item", {"type": "ghost_snapshot"}),
])  # fmt: skip
_BLANK = st.sampled_from([b"", b" \t", "\u00a0\u2028".encode()])


def lines() -> Json:
    """Return a strategy for a line of any sort: most are of kinds that the reducer reads."""
    kinds = handled_kinds()
    often = [("event_msg", kind) for kind in FREQUENT] + [("response_item", "message")] * 4 + [("compacted", "")] * 2
    # Boundaries first: what a failing example is shrunk to.
    read = st.sampled_from([*often, *kinds]).flatmap(lambda kind: line_of(*kind))
    sorts = [read] * 12 + [_ignored(), _UNKNOWN, _MALFORMED, _BLANK]
    return st.integers(0, len(sorts) - 1).flatmap(lambda at: sorts[at])


@dataclass(frozen=True)
class Given:
    """A line as an append brings it, with the ordinal of its record."""

    text: bytes
    ordinal: int | None = None


def threads(*, size_max: int = 40) -> st.SearchStrategy[list[Given]]:
    """Return a strategy for the lines of a thread: without ordinals, counted, or numbered as real files do."""
    texts = st.lists(lines(), max_size=size_max) | st.lists(lines(), min_size=size_max // 2, max_size=size_max)
    plain = texts.map(lambda found: [Given(text) for text in found])
    counted = texts.map(lambda found: [Given(text, at) for at, text in enumerate(found)])
    return plain | counted | numbered(size_max=size_max)


def _meta(**found: Any) -> bytes:
    return factories.line("session_meta", {"id": OWN_UUID, **found})


_FORKED = {"forked_from_id": OLD_UUID}
_SESSIONS = st.sampled_from([
    _meta(history_mode="paginated"),
    _meta(history_mode="paginated", subagent_history_start_ordinal=4, **_FORKED),
    _meta(history_mode="paginated", source={"subagent": {"thread_spawn": {"parent_thread_id": OLD_UUID}}}),
    _meta(**_FORKED),
    _meta(),
])  # fmt: skip
_OF_SESSIONS = st.sampled_from([
    factories.line("session_meta", {"id": OLD_UUID}),
    factories.line("session_meta", {"id": NEW_UUID, "forked_from_id": OWN_UUID}),
    factories.line("turn_context", {"turn_id": NEW_UUID}),
    *[factories.event("task_started", turn_id=turn) for turn in (OLD_UUID, OWN_UUID, NEW_UUID)],
    *[factories.event("turn_aborted", turn_id=turn) for turn in (OLD_UUID, NEW_UUID)],
    factories.event("task_complete", turn_id=OLD_UUID, error={"message": "bad"}),
])  # fmt: skip


def whole_items() -> Json:
    """Return a strategy for lines of the kinds that paginated threads are made of."""
    kinds = ["item_completed"] * 6 + ["task_started", "task_complete"] * 2 + ["turn_aborted", "thread_rolled_back"]
    return st.sampled_from(kinds).flatmap(lambda kind: line_of("event_msg", kind))


def sessions(*, size_max: int = 24) -> st.SearchStrategy[list[Given]]:
    """Return a strategy for threads with sessions: paginated, forked, spawned, with copied lines (D19, D21)."""
    texts = st.lists(whole_items() | lines() | _OF_SESSIONS, max_size=size_max)
    return st.builds(lambda first, rest: [Given(text, at) for at, text in enumerate([first, *rest])], _SESSIONS, texts)


# Few ids and few values, so that copies of an item meet in every way: within a turn, in twins, after a rollback.
_TWINS = st.sampled_from([
    *[factories.event("task_started", turn_id="a")] * 3,
    factories.event("task_started", turn_id="b"),
    factories.event("task_complete", turn_id="x"),
    *[factories.event("thread_rolled_back")] * 2,
    *[factories.event(f"exec_command_{end}", turn_id="a", call_id=item) for end in ("begin", "end") for item in "cc"],
    factories.event("exec_command_begin", turn_id="a", call_id="item-1"),
    factories.event("web_search_begin", call_id="c"),
    factories.hook_prompt("1", id="c"),
    factories.hook_prompt("2", id="c"),
    factories.event("agent_message"),
    factories.event("user_message"),
    factories.event("agent_reasoning"),
])  # fmt: skip


def twins() -> st.SearchStrategy[list[Given]]:
    """Return a strategy for threads of two turn ids and hardly more item ids (D10)."""
    texts = st.lists(_TWINS, max_size=12) | st.lists(_TWINS, min_size=8, max_size=24)
    return texts.map(lambda found: [Given(text) for text in found])


@st.composite
def numbered(draw: st.DrawFn, *, size_max: int = 40) -> list[Given]:
    """Draw lines with ordinals that repeat, jump, come late, collide and overflow (D22)."""
    found: list[Given] = []
    following = 0
    for _ in range(draw(st.integers(0, size_max))):
        what = draw(st.sampled_from(["next"] * 8 + ["again", "again", "collide", "gap", "late", "huge", "none"]))
        earlier = draw(st.sampled_from(found)) if found and what in ("again", "collide") else None
        if what == "again" and earlier is not None:
            found.append(earlier)
            continue
        given = Given(draw(lines()), following)
        match what:
            case "collide" if earlier is not None:
                given = replace(given, ordinal=earlier.ordinal)
            case "gap":
                given = replace(given, ordinal=following + draw(st.sampled_from([1, 31, 32, 70])))
            case "late":
                given = replace(given, ordinal=draw(st.integers(0, max(following - 1, 0))))
            case "huge":
                given = stating(given, draw(st.sampled_from([2**63 - 2, 2**63 - 1, 2**63, 2**64, 2**70])))
            case "none":
                given = replace(given, ordinal=None)
            case _:
                pass
        following = max(following, min(given.ordinal or 0, 2**40)) + 1
        found.append(given)
    return found


def stating(given: Given, ordinal: int) -> Given:
    """Return a line that states its ordinal itself, if it is JSON that can."""
    try:
        found = orjson.loads(given.text)
    except orjson.JSONDecodeError:
        return given
    if not isinstance(found, dict):
        return given
    body = given.text.rstrip()
    return Given(body[:-1] + b',"ordinal":%d}' % ordinal)


def mangled() -> Json:
    """Return a strategy for what no writer writes: bytes, cut and bent lines, JSON of the wrong shape anywhere."""
    whole = lines()
    return st.one_of(
        st.binary(max_size=80),
        st.builds(lambda text, at: text[: at % (len(text) + 1)], whole, st.integers(0, 10_000)),
        st.builds(_bent, whole, st.integers(0, 10_000), st.integers(0, 255)),
        st.builds(_replaced, whole, st.integers(0, 100), JSON),
        st.builds(_without, whole, st.integers(0, 100)),
    )


def _bent(text: bytes, at: int, byte: int) -> bytes:
    if not text:
        return text
    at %= len(text)
    return text[:at] + bytes([byte]) + text[at + 1 :]


def _places(found: Any) -> list[tuple[Any, Any]]:
    """Return every container and key inside a JSON value."""
    keys = list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ()
    return [place for key in keys for place in ((found, key), *_places(found[key]))]


def _replaced(text: bytes, at: int, value: Any) -> bytes:
    return _edited(text, at, lambda container, key: container.__setitem__(key, value))


def _without(text: bytes, at: int) -> bytes:
    return _edited(text, at, lambda container, key: container.__delitem__(key))


def _edited(text: bytes, at: int, edit: Any) -> bytes:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    places = _places(found)
    if places:
        edit(*places[at % len(places)])
    return orjson.dumps(found)
