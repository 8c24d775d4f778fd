"""Kafka's default partitioner: murmur2 over the key, as Java producers place records.

Source: org.apache.kafka.common.utils.Utils, murmur2; the algorithm is public domain.
"""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Return the hash of a key as an unsigned number of 32 bits."""
    length = len(key)
    found = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        found = found * _M & _MASK ^ k
    rest = key[whole:]
    if rest:
        found = (found ^ int.from_bytes(rest, "little")) * _M & _MASK
    found = (found ^ found >> 13) * _M & _MASK
    return found ^ found >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that the default partitioner gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
