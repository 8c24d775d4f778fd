"""The placement guard: a thread's records must all be on one partition, also after somebody changed the topic."""

import logging

from worker.errors import ConfigError
from worker.model.murmur2 import partition_of
from worker.runtime.facts import Facts

log = logging.getLogger(__name__)

_COUNT = "partitions"
MIGRATION = (
    "Make a new set of topics with the new count (a topics.prefix and a group of their own), publish all rollouts to "
    "it from the beginning, let the new group derive them, then switch the readers"
)


class Placement:
    """Watches where threads are.

    Args:
        partition: the one watched.
        partitions: how many the input topic had when the worker started; None watches nothing, for a reduction away
            from Kafka.

    Raises:
        ConfigError: somebody raised the partition count meanwhile.
    """

    def __init__(self, partition: int, partitions: int | None, facts: Facts) -> None:
        self._partition = partition
        self._partitions = partitions
        self._facts = facts
        self._checked = False
        self._told = False
        if partitions is not None and partition >= partitions:
            raise _changed(partitions, "more")

    def compare(self) -> None:
        """Compare the partition count with the one the state was made with.

        Raises:
            ConfigError: somebody changed the partition count.
        """
        known = self._facts.get(_COUNT)
        if known is not None and self._partitions not in (None, known):
            raise _changed(known, str(self._partitions))

    def check(self) -> None:
        """Compare the partition count, as `compare`; the first time, write it down."""
        if self._checked or self._partitions is None:
            return
        self.compare()
        if self._facts.get(_COUNT) is None:
            self._facts.put(_COUNT, self._partitions)
        self._checked = True

    def see_new_thread(self, key: bytes) -> bool:
        """Look at where the first record of a thread came from; tell whether it should be elsewhere."""
        if self._partitions is None or partition_of(key, self._partitions) == self._partition:
            return False
        if not self._told:
            self._told = True
            log.warning(
                "a thread is not where the default partitioner puts it: producers with different partitioners split "
                "threads; every producer of input must use murmur2 (librdkafka: partitioner=murmur2_random)",
                extra={"partition": self._partition},
            )
        return True

    def forget(self) -> None:
        """Check again: the transaction that wrote the count down is no more."""
        self._checked = False


def _changed(known: int, now: str) -> ConfigError:
    return ConfigError(
        f"the input topic had {known} partitions when this state was made and has {now} now: new records of old "
        f"threads go to other partitions than their state. {MIGRATION}"
    )
