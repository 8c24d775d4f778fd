"""Where the assigned partitions end, asked every few seconds beside the loop.

Only so can a stuck partition be told from an idle one: a client that fetches nothing learns of no end either.
"""

import threading

from confluent_kafka.admin import AdminClient

from worker.config import KafkaSettings
from worker.errors import WorkerError
from worker.kafka.client import client, client_options
from worker.kafka.offsets import known_ends
from worker.runtime.status import Status

_EVERY_S = 5.0
# As long as there is news to come: a partition's first end, or a broker or leader that is back.
_SOON_S = 0.5


class EndsWatch:
    """Keeps a status informed, in a thread of its own, until it is closed.

    Args:
        topic: one that is read; asked about while no partition is assigned, to see whether a broker answers.
    """

    def __init__(self, kafka: KafkaSettings, status: Status, topic: str) -> None:
        self._spare = [(topic, 0)]
        self._admin = client(AdminClient, client_options(kafka, client_id="thread-history-ends"))
        self._status = status
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ends", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        wait_s = _SOON_S
        while not self._closed.wait(wait_s):
            wait_s = _EVERY_S if self._look() else _SOON_S

    def _look(self) -> bool:
        """Ask once; tell whether there is nothing new to come soon."""
        places = list(self._status.partitions) or self._spare
        try:
            ends = known_ends(self._admin, places)
        except WorkerError:  # no broker, or no right to ask: the loop meets that, too, and says so
            return False
        self._status.learn_ends(ends)
        return self._status.stage == "running" and len(ends) == len(places)

    def close(self) -> None:
        """Stop asking."""
        self._closed.set()
