"""What input records say of themselves beside their value, and how records are set aside (design: bad records)."""

from worker import __version__
from worker.model.record import Headers, InRecord, OutRecord
from worker.model.thread import Header

ORDINAL = "rollout-ordinal"
CONTROL = "thw-control"
UNPARK = b"unpark"
# How a trace is carried (W3C Trace Context).
_TRACE = frozenset({"traceparent", "tracestate"})
TRACE_BYTES_MAX = 512
# Forget the thread if its last record has the offset that the other header states.
EXPIRE = b"expire"
LAST_OFFSET = "thw-last-offset"
_OURS = "thw-"


_DIGITS_MAX = 19
# Real ones have 36. It begins the key of every row, and the topics bound those.
THREAD_ID_BYTES_MAX = 1_024


def thread_id_of(key: bytes | None) -> str | None:
    """Return the thread id a key holds, None when it is missing, empty, too long or no UTF-8."""
    if not key or len(key) > THREAD_ID_BYTES_MAX:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def stated(headers: Headers) -> tuple[int | None, bytes | None]:
    """Return the ordinal and the control word that an input record's headers state.

    An ordinal that is no decimal of 63 bits counts as absent (D22).
    """
    ordinal = control = None
    for name, found in headers:
        if name == ORDINAL and found and found.isdigit() and len(found) <= _DIGITS_MAX:
            ordinal = int(found)
        elif name == CONTROL:
            control = found
    return ordinal if ordinal is None or ordinal < 2**63 else None, control


def trace_headers(headers: Headers) -> Headers:
    """Return the headers that tell the trace a record belongs to, if any: the last of a name, none that is too long."""
    found = {name: told for name, told in headers if name in _TRACE and told and len(told) <= TRACE_BYTES_MAX}
    return list(found.items())


def expires(record: InRecord, last_offset: int) -> bool:
    """Tell whether a control record of an idle thread still holds.

    Args:
        last_offset: that of the thread's last record.
    """
    stated_offset = dict(record.headers).get(LAST_OFFSET) or b""
    return stated_offset.isdigit() and len(stated_offset) <= _DIGITS_MAX and last_offset <= int(stated_offset)


def set_aside(record: InRecord, topic: str, reason: str, error: str) -> OutRecord:
    """Return an input record for the dead letters or the parked records: byte for byte, with why and from where."""
    heads: Headers = [
        ("thw-reason", reason.encode()),
        ("thw-error", error.encode()),
        ("thw-topic", record.topic.encode()),
        ("thw-partition", b"%d" % record.partition),
        ("thw-offset", b"%d" % record.offset),
        ("thw-timestamp", b"" if record.timestamp_ms is None else b"%d" % record.timestamp_ms),
        ("thw-worker-version", __version__.encode()),
        *record.headers,
    ]
    return OutRecord(topic, record.key, record.value, heads)


def null_headers(header: Header) -> Headers:
    """Return the headers of null rows that follow no mutation: of the thread's last one."""
    return [
        ("thw-schema-version", b"1"),
        ("thw-worker-version", __version__.encode()),
        ("thw-generation", b"%d" % header.generation),
        ("thw-sequence", b"%d" % header.sequence),
    ]


def restored(parked: InRecord) -> InRecord:
    """Return a dead or parked record as it came from the input: its place and its own headers."""
    ours = {name: found or b"" for name, found in parked.headers if name.startswith(_OURS)}
    own: Headers = [(name, found) for name, found in parked.headers if not name.startswith(_OURS)]
    timestamp = ours.get("thw-timestamp", b"")
    return InRecord(
        ours["thw-topic"].decode(),
        int(ours["thw-partition"]),
        int(ours["thw-offset"]),
        parked.key,
        parked.value,
        own,
        int(timestamp) if timestamp else None,
    )
