"""What goes out for a record: mutations, encoded and counted; what was set aside."""

from worker.codec.mutations import Encoder, headers
from worker.model.mutation import Mutation
from worker.model.record import Headers, InRecord, OutRecord
from worker.model.topic import TopicNames
from worker.runtime.append import OwnFaultError, Tally
from worker.runtime.headers import set_aside
from worker.runtime.parking import Fault

# What a mutation's key and value may take: the topics' max.message.bytes (deploy/topics.toml) less room for headers and
# the batch. Items are cut long before (item_bytes_max); ids are not.
RECORD_BYTES_MAX = 2_097_152 - 16_384
# Rows that say what happened; those of other projections say what is.
_EVENTS = "lifecycle"


class Outbox:
    """Makes the records of a partition's output topics, and counts them.

    Args:
        tally: of what is published and set aside.

    Attributes:
        parks: records were parked since it was last set to False.
    """

    def __init__(self, topics: TopicNames, encoder: Encoder, tally: Tally) -> None:
        self._topics = topics
        self._projection_of = {topic: name for name, topic in topics.projections.items()}
        self._encoder = encoder
        self._tally = tally
        self.parks = False

    def publish(self, mutation: Mutation, out: list[OutRecord], trace: Headers | None = None) -> None:
        """Add a mutation's record, and the null row that follows a removal.

        Args:
            trace: further headers.

        Raises:
            OwnFaultError: it cannot be encoded, or is larger than a topic takes.
        """
        topic, key, heads = self._topics.projections[mutation.projection], mutation.key.encode(), headers(mutation)
        if trace:
            heads += trace
        try:
            data = self._encoder.encode(mutation)
        except Exception as error:
            raise OwnFaultError("encode", f"a {mutation.projection}: {type(error).__name__}") from error
        if len(key) + len(data) > RECORD_BYTES_MAX:
            size = f"{len(key) + len(data)} bytes, the topics take {RECORD_BYTES_MAX}"
            raise OwnFaultError("encode", f"a {mutation.projection} of {size}: its ids are too long to be cut")
        out.append(OutRecord(topic, key, data, heads))
        if mutation.removes:
            self._tally["published", mutation.projection, "removal"] += 1
            self._tally["published", mutation.projection, "tombstone"] += 1
            out.append(OutRecord(topic, key, None, heads))
            return
        self._tally["published", mutation.projection, "event" if mutation.projection == _EVENTS else "upsert"] += 1
        if mutation.value.get("truncated"):
            self._tally[("truncated",)] += 1

    def set_aside(self, record: InRecord, fault: Fault, out: list[OutRecord]) -> None:
        """Add a record to the dead letters."""
        self._tally["rejected", fault.reason] += 1
        out.append(set_aside(record, self._topics.dead_letters, fault.reason, fault.error))

    def park(self, record: InRecord, fault: Fault, out: list[OutRecord]) -> None:
        """Add a record to those that wait for their thread."""
        self._tally["parked", fault.reason] += 1
        self.parks = True
        out.append(set_aside(record, self._topics.parked, fault.reason, fault.error))

    def nulls(self, records: list[OutRecord], out: list[OutRecord]) -> None:
        """Add the null rows of what is forgotten."""
        for null in records:
            self._tally["published", self._projection_of[null.topic], "null"] += 1
        out += records
