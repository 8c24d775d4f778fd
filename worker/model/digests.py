"""What was read, by ordinal: 8-byte digests in rows of 32, so that a line that comes again is known (D22)."""

from typing import Literal

from worker.model.thread import DIGESTS_PER_ROW, Thread

_MASK_BYTES = 4
_DIGEST_BYTES = 8

Seen = Literal["new", "gap", "late", "repeated", "conflict"]


def admit(thread: Thread, ordinal: int, digest: bytes) -> Seen:
    """Enter an item of a thread by its ordinal, and tell what it is.

    Returns:
        `new`: the next one; `gap`: ordinals before it are missing; `late`: it fills a gap; `repeated`: read before, to
        be skipped; `conflict`: the ordinal was read before with another text, which it replaces.
    """
    header = thread.header
    row_number, slot = divmod(ordinal, DIGESTS_PER_ROW)
    key = f"d/{row_number}"
    row: bytearray = thread.get(key) or bytearray(_MASK_BYTES)
    if len(row) < _MASK_BYTES + (slot + 1) * _DIGEST_BYTES:
        row.extend(bytes(_MASK_BYTES + (slot + 1) * _DIGEST_BYTES - len(row)))
    start = _MASK_BYTES + slot * _DIGEST_BYTES
    byte, bit = divmod(slot, 8)
    known = row[byte] >> bit & 1
    if known and row[start : start + _DIGEST_BYTES] == digest:
        return "repeated"
    row[byte] |= 1 << bit
    row[start : start + _DIGEST_BYTES] = digest
    thread.put(key, row)
    if known:
        return "conflict"
    if ordinal < header.next_ordinal:
        return "late"
    seen: Seen = "new" if ordinal == header.next_ordinal else "gap"
    header.next_ordinal = ordinal + 1
    return seen
