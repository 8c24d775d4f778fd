"""Rollout lines: what is a line, what is accepted, what takes an index (F1–F5, D1–D3, D6, D22, U1, U10)."""

from typing import Any

import orjson
import pytest
from xxhash import xxh3_64_digest

from tests import factories
from tests.factories import decoded, event, line, payload, turn_item, without
from worker.codec.lines import Line, LineDecoder, milliseconds
from worker.reducer import table
from worker.reducer.table import EVENTS

STARTED = event("task_started")


def judged(text: bytes) -> tuple[str, str, str]:
    found = decoded(text)
    return found.status, found.kind, found.error


def nested(depth: int) -> bytes:
    """Return a line with objects and arrays so deep, its own and its payload's included."""
    inner = b"[" * (depth - 2) + b"]" * (depth - 2)
    return b'{"timestamp":"","type":"event_msg","payload":{"type":"task_started","turn_id":"a","x":' + inner + b"}}"


def test_an_accepted_event_is_told_whole() -> None:
    text = event("task_started", turn_id="a", started_at=5, unread=[1])

    found = decoded(text, 7)

    assert found == Line(
        status="event",
        kind="task_started",
        handle=EVENTS["task_started"].handle,
        event={"turn_id": "a", "started_at": 5},
        ordinal=7,
        digest=xxh3_64_digest(text),
        timestamp_ms=factories.TIMESTAMP_MS,
    )


# F1, F2, D3: what is no line


@pytest.mark.parametrize("text", [b"", b" ", b"\r", b"\t\r\n", "\u00a0\u2028\u0085\u3000".encode()])
def test_white_space_alone_is_blank(text: bytes) -> None:
    assert decoded(text) == Line("blank")


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"\x1c",
        b"\xff",
        "\u200b".encode(),
        b"\xef\xbb\xbf" + STARTED,
        STARTED + b",",
        STARTED + b"{}",
        STARTED.replace(b'"a"', b"NaN"),
        STARTED.replace(b'"a"', b"Infinity"),
        STARTED.replace(b'"a"', b"1e400"),
        STARTED.replace(b'"a"', b"01"),
        STARTED.replace(b'"a"', b'"\\ud800"'),
        STARTED.replace(b'"a"', b'"\xff"'),
        STARTED.replace(b'"a"', b'"\t"'),
        STARTED.replace(b'"a"', b'"a",'),
        STARTED.replace(b'"', b"'"),
    ],
)
def test_what_is_no_strict_json_is_rejected(text: bytes) -> None:
    found = decoded(text)

    assert (found.status, found.kind, found.error.startswith("not JSON: ")) == ("rejected", "", True)


@pytest.mark.parametrize("text", [b"null", b"[]", b"5", b'"x"', b"true"])
def test_json_that_is_no_object_is_rejected(text: bytes) -> None:
    assert judged(text) == ("rejected", "", "not a JSON object")


def test_nesting_is_accepted_up_to_127_levels() -> None:
    found = [decoded(nested(depth)).status for depth in (126, 127)]

    assert (found, judged(nested(128))) == (["event", "event"], ("rejected", "", "nested deeper than 127"))


def test_many_brackets_are_not_deep() -> None:
    assert decoded(event("task_started", unread=[[]] * 200)).status == "event"


def test_white_space_around_a_line_is_fine_and_does_not_show_in_its_digest() -> None:
    assert decoded(b" \t" + STARTED + b"\r\n") == decoded(STARTED)


def test_of_keys_that_come_twice_the_last_wins() -> None:
    assert decoded(STARTED.replace(b'"a"', b'"a","turn_id":"b"')).event == {"turn_id": "b"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"type":"event_msg","payload":{}}', "timestamp: a string is required"),
        (line("event_msg", payload("task_started"), timestamp=None), "timestamp: a string is required"),
        (line("event_msg", payload("task_started"), timestamp=5), "timestamp: a string is required"),
        (b'{"timestamp":"","payload":{}}', "type: a string is required"),
        (b'{"timestamp":"","type":null,"payload":{}}', "type: a string is required"),
        (b'{"timestamp":"","type":"event_msg"}', "payload: an object is required"),
        (line("event_msg", []), "payload: an object is required"),
        (line("compacted", None), "payload: an object is required"),
        (line("session_meta", "x"), "payload: an object is required"),
        (line("event_msg", {}), "payload.type: a string is required"),
        (line("event_msg", {"type": 5}), "payload.type: a string is required"),
        (line("response_item", {"type": None}), "payload.type: a string is required"),
    ],
)
def test_an_envelope_that_lacks_something_is_rejected(text: bytes, error: str) -> None:
    assert judged(text) == ("rejected", "", error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (without("task_started", "turn_id"), "task_started: turn_id: Field required"),
        (event("task_started", turn_id=None), "task_started: turn_id: Input should be a valid string"),
        (event("task_started", started_at=1.0), "task_started: started_at: Input should be a valid integer"),
        (event("user_message", local_images=None), "user_message: local_images: Input should be a valid list"),
        (event("user_message", images=["x", 5]), "user_message: images.1: Input should be a valid string"),
        (line("compacted", {}), "compacted: message: Field required"),
        (
            event("patch_apply_end", changes={"a/b": {"type": "add"}}),
            "patch_apply_end: changes.*.add.content: Field required",
        ),
        (event("exec_command_end", parsed_cmd=[{"type": "x"}]), "exec_command_end: parsed_cmd.0: unknown tag"),
        (
            event("exec_command_end", cwd="w"),
            "exec_command_end: cwd: neither an absolute path nor a file: URI",
        ),
    ],
)
def test_a_known_kind_with_a_bad_shape_is_rejected_with_the_place(text: bytes, error: str) -> None:
    assert judged(text) == ("rejected", "", error)


def test_the_reason_of_a_rejection_holds_nothing_of_the_payload() -> None:
    secret = "hunter2-hunter2"
    texts = [
        event("task_started", turn_id={"password": secret}),
        event("error", codex_error_info=secret),
        event("exec_command_end", cwd=secret),
        event("guardian_assessment", action={"type": secret}, status=secret),
        event("patch_apply_end", changes={"a": {"type": secret}}),
        event("patch_apply_end", changes={secret: {"type": "add"}}),
        event("collab_waiting_end", statuses={secret: "running"}),
        event("context_compacted", **{secret: 1}),
        event("collab_close_end", status={secret: 1}, sender_thread_id=secret),
        turn_item("Extension", id=secret, kind=secret),
        event("error")[:-1] + secret.encode(),
    ]

    found = [decoded(text) for text in texts]

    assert [(one.status, secret in one.error) for one in found] == [("rejected", False)] * len(texts)


# F4, F5, D1, D2: what is known, and how closely it is looked at


@pytest.mark.parametrize("kind", sorted(table.IGNORED_EVENTS))
def test_an_event_that_is_ignored_is_known_by_its_type_alone(kind: str) -> None:
    assert judged(line("event_msg", {"type": kind, "info": 5, "turn_id": None})) == ("ignored", kind, "")


@pytest.mark.parametrize("kind", sorted(table.IGNORED_LINES))
def test_a_line_that_is_ignored_is_known_by_its_type_alone(kind: str) -> None:
    assert judged(line(kind, {"id": 5})) == ("ignored", kind, "")


@pytest.mark.parametrize("kind", ["function_call", "reasoning", "compaction_trigger", "from the future"])
def test_response_items_but_messages_are_ignored_whatever_their_type(kind: str) -> None:
    assert judged(line("response_item", {"type": kind})) == ("ignored", "response_item", "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (line("event_msg", {"type": "background_event"}), "background_event"),
        (line("retained_context", {}), "retained_context"),
        (line("retained_context", ["of another shape"]), "retained_context"),
        (b'{"timestamp":"","type":"retained_context"}', "retained_context"),
    ],
)
def test_a_kind_that_is_not_known_is_tolerated(text: bytes, kind: str) -> None:
    assert judged(text) == ("unknown", kind, "")


def test_a_ghost_snapshot_is_skipped() -> None:
    assert judged(line("response_item", {"type": "ghost_snapshot"})) == ("skipped", "ghost_snapshot", "")


def test_only_context_compacted_takes_no_further_keys() -> None:
    found = [judged(event(kind, more=1))[0] for kind in ("context_compacted", "user_message")]

    assert found == ["rejected", "event"]


@pytest.mark.parametrize(
    "text",
    [
        event("task_started", collaboration_mode_kind="of the future", model_context_window="x"),
        event("task_complete", last_agent_message=5),
        event("exec_command_end", interaction_input=5, completed_at_ms="x"),
        event("guardian_assessment", risk_level="of the future"),
        event("mcp_tool_call_end", tags=5),
        event("collab_close_end", receiver_agent_nickname=5),
        event("entered_review_mode", target={"type": "commit", "sha": "x", "title": 5}, prompt=5),
        line("response_item", {"type": "message", "role": "user", "content": [], "phase": "of the future"}),
        line(
            "response_item",
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_image", "image_url": "x", "detail": "of the future"}],
            },
        ),
    ],
)
def test_an_optional_field_that_is_not_read_may_be_anything(text: bytes) -> None:
    assert decoded(text).status == "event"


OPTIONAL = {("guardian_assessment", "target_item_id"), ("patch_apply_end", "changes")}
REQUIRED = {(kind, field) for kind, fields in factories.DEFAULTS.items() for field in fields} - OPTIONAL


@pytest.mark.parametrize(("kind", "field"), sorted(REQUIRED))
def test_a_field_that_is_required_is_neither_missing_nor_null(kind: str, field: str) -> None:
    nullable = {("dynamic_tool_call_request", "arguments"), ("dynamic_tool_call_response", "arguments")}

    missing, null = decoded(without(kind, field)).status, decoded(event(kind, **{field: None})).status

    assert (missing, null == "rejected") == ("rejected", (kind, field) not in nullable)


@pytest.mark.parametrize(("kind", "field"), sorted(OPTIONAL))
def test_a_field_that_is_optional_may_be_missing(kind: str, field: str) -> None:
    assert decoded(without(kind, field)).status == "event"


@pytest.mark.parametrize(
    "content",
    [
        {"type": "input_text", "text": "x"},
        {"type": "output_text", "text": "x"},
        {"type": "input_image", "image_url": "x"},
        {"type": "input_audio", "audio_url": "x"},
    ],
)
def test_a_message_may_hold_what_either_program_writes(content: Any) -> None:
    text = line("response_item", {"type": "message", "role": "user", "content": [content]})

    assert decoded(text).event == {"role": "user", "content": [content]}


@pytest.mark.parametrize(
    "content", [{"type": "input_text"}, {"type": "input_video", "url": "x"}, {"type": "input_audio"}, "x"]
)
def test_a_message_with_other_content_is_rejected(content: Any) -> None:
    text = line("response_item", {"type": "message", "role": "user", "content": [content]})

    assert decoded(text).status == "rejected"


def test_the_old_names_of_turn_events_are_known() -> None:
    found = [decoded(event(kind)).handle for kind in ("turn_started", "turn_complete")]

    assert found == [decoded(event(kind)).handle for kind in ("task_started", "task_complete")]


# U10: what a worker takes that one of the programs would not


@pytest.mark.parametrize("path", ["/w", "file:///w"])
@pytest.mark.parametrize(
    "text",
    [
        lambda path: event("exec_command_begin", cwd=path),
        lambda path: event("exec_command_end", cwd=path),
        lambda path: event("view_image_tool_call", path=path),
        lambda path: event(
            "guardian_assessment", action={"type": "command", "source": "shell", "command": "ls", "cwd": path}
        ),
        lambda path: turn_item("ImageView", id="i", path=path),
        lambda path: turn_item(
            "CommandExecution", id="i", command=[], cwd=path, parsed_cmd=[], source="agent", status="completed"
        ),
    ],
)
def test_a_path_may_be_plain_or_a_file_uri(text: Any, path: str) -> None:
    assert decoded(text(path)).status == "event"


def test_any_reasoning_effort_is_taken() -> None:
    assert decoded(event("collab_agent_spawn_begin", reasoning_effort="mega")).event["reasoning_effort"] == "mega"


def test_a_review_may_state_a_prompt_instead_of_a_target() -> None:
    found = decoded(without("entered_review_mode", "target", prompt="look", user_facing_hint="h"))

    assert (found.status, found.event) == ("event", {"prompt": "look", "user_facing_hint": "h"})


@pytest.mark.parametrize(
    "fields", [{}, {"prompt": 5}, {"prompt": None}, {"target": None, "prompt": "x"}, {"target": {"type": "x"}}]
)
def test_a_review_without_either_is_rejected(fields: dict[str, Any]) -> None:
    assert decoded(line("event_msg", {"type": "entered_review_mode", **fields})).status == "rejected"


@pytest.mark.parametrize(
    "text",
    [
        line("turn_context", {"cwd": "/w", "sandbox_policy": {"mode": "read-only"}}),
        line("turn_context", {"cwd": "/w", "collaboration_mode": {"model": "m"}}),
        line("event_msg", {"type": "token_count", "rate_limits": {"primary": {"resets_at": "2026-06-04T00:00:00Z"}}}),
    ],
)
def test_old_forms_of_kinds_that_are_read_loosely_take_their_index(text: bytes) -> None:
    assert (decoded(text).status, decoded(text).indexed) == ("event", True)


def test_a_turn_item_of_an_unknown_tag_is_taken_by_its_id() -> None:
    found = [decoded(turn_item("Hologram", id="x", beams=3)), decoded(turn_item("Hologram"))]

    assert [(one.status, one.event and one.event["item"]) for one in found] == [
        ("event", {"type": "Hologram", "id": "x"}),
        ("rejected", None),
    ]


def test_an_extension_of_an_unknown_kind_is_rejected() -> None:
    assert decoded(turn_item("Extension", id="x", kind="holo.gram")).status == "rejected"


# U1, D22: ordinals and digests


@pytest.mark.parametrize(
    ("stated", "given", "ordinal"),
    [
        ({}, None, None),
        ({}, 7, 7),
        ({"ordinal": 3}, None, 3),
        ({"ordinal": 3}, 7, 3),
        ({"ordinal": 0}, 7, 0),
        ({"ordinal": None}, 7, 7),
        ({"ordinal": 2**63 - 1}, None, 2**63 - 1),
        ({"ordinal": 2**63}, None, None),
        ({"ordinal": 2**64 - 1}, 7, 7),
        ({"ordinal": 1e30}, None, None),
    ],
)
def test_a_lines_own_ordinal_comes_first_and_one_beyond_63_bits_is_absent(
    stated: dict[str, Any], given: int | None, ordinal: int | None
) -> None:
    assert decoded(line("event_msg", payload("task_started"), **stated), given).ordinal == ordinal


@pytest.mark.parametrize("ordinal", [-1, 1.0, -1e30, True, "1", []])
def test_an_ordinal_that_is_no_unsigned_integer_is_rejected(ordinal: Any) -> None:
    found = decoded(line("event_msg", payload("task_started"), ordinal=ordinal), 7)

    assert (found.status, found.error, found.ordinal) == ("rejected", "ordinal: not an unsigned integer", 7)


@pytest.mark.parametrize("text", [line("event_msg", {"type": "task_started"}, ordinal=3), line("x", {}, ordinal=3)])
def test_a_line_keeps_its_place_whether_it_is_accepted_or_not(text: bytes) -> None:
    found = decoded(text, 7)

    assert (found.ordinal, len(found.digest)) == (3, 8)


def test_the_digest_is_of_the_text() -> None:
    texts = [STARTED, STARTED + b" ", event("task_started", turn_id="b"), b"{", b"}"]

    found = [decoded(text).digest for text in texts]

    assert (found[0] == found[1], len(set(found))) == (True, 4)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("2026-06-04T00:00:00.000Z", factories.TIMESTAMP_MS),
        ("2026-06-04T00:00:00Z", factories.TIMESTAMP_MS),
        ("2026-06-04T02:00:00.001999999+02:00", factories.TIMESTAMP_MS + 1),
        ("1969-12-31T23:59:59.9995Z", -1),
        ("0001-01-01T00:00:00+14:00", -62_135_596_800_000 - 14 * 3_600_000),
        ("2026-06-04T00:00:00", None),
        ("2026-06-04T00:00:60Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_timestamp_is_read_as_milliseconds_or_not_at_all(written: str, found: int | None) -> None:
    assert milliseconds(written) == found


# F9, D6: the read filter

FILTER = LineDecoder(read_filter=True)


def filtered(text: bytes) -> tuple[str, str]:
    found = FILTER.decode(text)
    return found.status, found.kind


@pytest.mark.parametrize(
    "text",
    [
        event("error"),
        event("exec_command_end"),
        event("collab_close_end"),
        event("mcp_tool_call_begin"),
        event("guardian_assessment"),
        event("view_image_tool_call"),
        event("dynamic_tool_call_response"),
        event("warning"),
        event("item_started"),
        turn_item("ContextCompaction", id="x"),
        turn_item("Hologram", id="x"),
        line("response_item", {"type": "compaction_trigger"}),
        line("response_item", {"type": "from the future"}),
        line("response_item", {"type": "ghost_snapshot"}),
    ],
)
def test_the_read_filter_leaves_out_what_a_rollout_does_not_keep(text: bytes) -> None:
    assert filtered(text)[0] == "skipped"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (event("task_started"), "event"),
        (event("turn_complete"), "event"),
        (event("user_message"), "event"),
        (event("patch_apply_end"), "event"),
        (event("mcp_tool_call_end"), "event"),
        (event("sub_agent_activity"), "event"),
        (event("item_completed"), "event"),
        (turn_item("Extension", id="x", kind="clock.sleep", durationMs=1), "event"),
        (event("token_count"), "event"),
        (event("thread_settings_applied"), "ignored"),
        (factories.message("x"), "event"),
        (line("response_item", {"type": "function_call"}), "ignored"),
        (factories.compacted(), "event"),
        (line("session_meta", {}), "event"),
        (line("world_state", {}), "ignored"),
        (event("background_event"), "unknown"),
        (without("error", "message"), "rejected"),
        (b"{", "rejected"),
        (b" ", "blank"),
    ],
)
def test_the_read_filter_leaves_everything_else_alone(text: bytes, status: str) -> None:
    assert filtered(text)[0] == status


def test_the_read_filter_is_off_by_default() -> None:
    assert LineDecoder().decode(event("error")).status == "event"


def test_a_line_is_read_the_same_whatever_was_read_before() -> None:
    fresh = LineDecoder().decode(STARTED)

    FILTER.decode(b"{")
    assert FILTER.decode(STARTED) == fresh
    assert orjson.loads(STARTED)["payload"] == {"type": "task_started", "turn_id": "a"}
