"""The PostgreSQL sink under the same schedule: killed again and again, its tables compared at the end."""

import random
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from tests.integration.harness import Deployment
from tests.integration.postgres import PostgresServer, binaries
from tests.integration.sinks import Sinks, content, differences, wanted
from worker.model.record import OutRecord

# Seconds between two kills.
_KILL_AFTER = (4.0, 20.0)


class Tables:
    """A sink that reads the group's topics; a context manager.

    Args:
        servers: where the sink finds Kafka.
        note: is told what happens.

    Attributes:
        kills: how often the sink was killed.
    """

    def __init__(self, deployment: Deployment, servers: str, seed: int, note: Callable[[str], None]) -> None:
        programs = binaries()
        if programs is None:
            raise RuntimeError("--sink needs the programs of PostgreSQL")
        self._server = PostgresServer(programs)
        self._server.start()
        self._dsn = self._server.database("chaos")
        self._sinks = Sinks(deployment, self._dsn)
        self._servers = servers
        self._chance = random.Random(f"tables-{seed}")
        self._note = note
        self._ending = threading.Event()
        self._killer = threading.Thread(target=self._run, name="kill sinks", daemon=True)
        self.kills = 0

    def __enter__(self) -> Self:
        self._killer.start()
        return self

    def _run(self) -> None:
        while not self._ending.is_set():
            sink = self._sinks.start(KAFKA__BOOTSTRAP_SERVERS=self._servers)
            self._ending.wait(self._chance.uniform(*_KILL_AFTER))
            if sink.alive():
                self.kills += 1
            sink.kill()

    def differing(self, records: Iterable[OutRecord], decode: Callable[[bytes], Any]) -> tuple[int, list[str]]:
        """Let the tables catch up and compare them.

        Args:
            records: all mutations, in order by partition.

        Returns:
            How many rows there are, and which are not as they must be.
        """
        self._ending.set()
        self._killer.join()
        self._sinks.once()
        found = content(self._dsn)
        wrong = differences(found, wanted(records, decode))
        self._note(f"the sink was killed {self.kills} times; {len(wrong)} rows of its tables differ")
        return sum(map(len, found.values())), [f"{table} {key}" for table, key in wrong]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._killer.join()
        self._sinks.close()
        self._server.close()
