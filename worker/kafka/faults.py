"""What the client's errors mean to us: one table for what consumers meet, one for what the producer meets."""

from confluent_kafka import KafkaError, KafkaException

from worker.errors import DoubtError, FatalError, FencedError, RetryError, SupersededError, WorkerError

_FENCED = frozenset({
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
    KafkaError.FENCED_INSTANCE_ID,
})  # fmt: skip
_FORBIDDEN = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
})  # fmt: skip
# The committed offset, or the one asked for, is not in the topic any more.
OFFSET_GONE = frozenset({
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.OFFSET_OUT_OF_RANGE,
})  # fmt: skip
_TOPIC_GONE = frozenset({
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
})  # fmt: skip
# A consumer that gave up says so under a code of its own, and why in its text only.
_FENCED_TEXT = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()


def consumer_fault(error: KafkaError, *, topic: str = "") -> WorkerError | None:
    """Return what a consumer's error means; None when the client goes on by itself.

    Args:
        topic: the one it is about, if the client's text may leave that out.
    """
    code, text = error.code(), error.str()
    gave_up = error.fatal() or code == KafkaError._FATAL
    if code == KafkaError.FENCED_INSTANCE_ID or (gave_up and _FENCED_TEXT in text):
        return SupersededError("another process joined the group under this worker's name (group and instance)")
    if code in _FORBIDDEN:
        return FatalError(f"Kafka refuses: {topic}{topic and ': '}{text}; grant what `topics acls` prints")
    if code in OFFSET_GONE:
        return FatalError(f"records between the committed offset and the topic's beginning are gone: {text}")
    if code in _TOPIC_GONE:
        return FatalError(f"a topic is gone: {text}; run `thread-history-worker topics check`")
    if gave_up:
        return FatalError(f"the Kafka consumer gave up: {text}")
    return None


def producer_fault(found: KafkaException | KafkaError, *, ending: bool = False, topic: str = "") -> WorkerError:
    """Return what an error of the transactional producer means.

    Args:
        ending: it was met while the transaction was being ended, so that nobody knows how it ended.
        topic: as for `consumer_fault`.
    """
    error = found.args[0] if isinstance(found, KafkaException) else found
    code, text = error.code(), error.str()
    if code in _FENCED:
        return FencedError(f"the producer was fenced: {text}")
    if code in _FORBIDDEN:
        return FatalError(f"Kafka refuses: {topic}{topic and ': '}{text}; grant what `topics acls` prints")
    if error.txn_requires_abort():
        return RetryError(text)
    if error.fatal() or ending or not error.retriable():
        return DoubtError(text)
    return RetryError(text)
