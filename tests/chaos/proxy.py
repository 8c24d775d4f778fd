"""A TCP proxy between workers and brokers that knows Kafka's frames: it delays, cuts, stalls and loses requests.

Every request begins with its length, API key, version, correlation id and client id; a response with its length and the
correlation id. That is all that is read, so that a rule can be for one worker's connections or one kind of request.
"""

import asyncio
import contextlib
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from worker.localbroker.ports import HOST

END_TXN = 26
_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhih")
_RESPONSE = struct.Struct(">i")
_TICK_S = 0.05
_READ_BYTES = 65_536
_QUEUED_FRAMES_MAX = 1_000


@dataclass
class Rule:
    """What befalls matching connections or requests while it is in force.

    Attributes:
        kind: `cut`: connections are closed and new ones refused; `swallow`: they are closed and new ones never
            answered, also when the rule is not in force any more; `stall`: nothing passes; `delay`: each request takes
            `seconds` longer; `unanswered`: the answer to a request is thrown away and its connection closed; `late`: a
            request and those behind it wait for `seconds`, then go on, also when their sender is gone.
        member: a worker's name, "" for all.
        api: requests of `unanswered` and `late`.
        hits: how often it struck.
    """

    kind: Literal["cut", "swallow", "stall", "delay", "unanswered", "late"]
    member: str = ""
    seconds: float = 0.0
    api: int = END_TXN
    hits: int = 0

    def matches(self, client_id: str) -> bool:
        """Tell whether a connection is meant; a worker's clients are called like it or begin with its name."""
        return not self.member or client_id == self.member or client_id.startswith(f"{self.member}-")


@dataclass(eq=False)
class _Link:
    """One connection, both halves."""

    client_id: str
    from_client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    from_broker: asyncio.StreamReader
    to_broker: asyncio.StreamWriter
    # API keys of requests that are not answered, by correlation id.
    asked: dict[int, int] = field(default_factory=dict)
    requests: asyncio.Queue[tuple[float, bytes] | None] = field(
        default_factory=lambda: asyncio.Queue(_QUEUED_FRAMES_MAX)
    )

    def close(self) -> None:
        """Close both sides at once."""
        for writer in (self.to_client, self.to_broker):
            writer.transport.abort()


class Proxy:
    """Forwards ports to ports; a context manager.

    Args:
        routes: the brokers' ports by the ports to listen on.
    """

    def __init__(self, routes: dict[int, int]) -> None:
        self._routes = routes
        self._rules: list[Rule] = []
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        for port, broker_port in self._routes.items():
            serving = asyncio.start_server(self._handler(broker_port), HOST, port)
            asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for link in list(self._links):
            link.close()

    @contextmanager
    def rule(self, rule: Rule) -> Iterator[Rule]:
        """Have a rule in force."""
        self._rules.append(rule)
        if rule.kind in ("cut", "swallow"):
            self._loop.call_soon_threadsafe(self._cut, rule)
        try:
            yield rule
        finally:
            self._rules.remove(rule)

    def _cut(self, rule: Rule) -> None:
        for link in self._links:
            if rule.matches(link.client_id):
                rule.hits += 1
                link.close()

    def _in_force(self, kind: str, client_id: str) -> list[Rule]:
        return [rule for rule in self._rules if rule.kind == kind and rule.matches(client_id)]

    def _handler(self, broker_port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                first = await _frame(reader)
                client_id = _client_id(first)
                if swallowing := self._in_force("swallow", client_id):
                    swallowing[0].hits += 1
                    while await reader.read(_READ_BYTES):
                        pass
                elif not self._in_force("cut", client_id):
                    link = _Link(client_id, reader, writer, *await asyncio.open_connection(HOST, broker_port))
                    await self._serve(link, first)
            writer.transport.abort()

        return handle

    async def _serve(self, link: _Link, first: bytes) -> None:
        self._links.add(link)
        link.requests.put_nowait((time.monotonic(), first))
        directions = [
            asyncio.ensure_future(going)
            for going in (self._take_requests(link), self._pass_requests(link), self._pass_responses(link))
        ]
        try:
            # The client's end is no reason to hurry: what it sent is still delivered. The broker's end is.
            await asyncio.wait(directions[1:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            self._links.discard(link)
            link.close()

    async def _take_requests(self, link: _Link) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(link.from_client)
                await link.requests.put((time.monotonic(), frame))
        await link.requests.put(None)

    async def _pass_requests(self, link: _Link) -> None:
        while (found := await link.requests.get()) is not None:
            came_at, frame = found
            api, _, correlation, _ = _REQUEST.unpack_from(frame, _LENGTH.size)
            link.asked[correlation] = api
            await self._hold(link, api, came_at)
            link.to_broker.write(frame)
            await link.to_broker.drain()

    async def _hold(self, link: _Link, api: int, came_at: float) -> None:
        for rule in self._in_force("late", link.client_id):
            if rule.api == api and not rule.hits:
                rule.hits += 1
                await asyncio.sleep(rule.seconds)
        delays = self._in_force("delay", link.client_id)
        if delays:
            delays[0].hits += 1
            await asyncio.sleep(max(0.0, came_at + delays[0].seconds - time.monotonic()))
        await self._stalled(link)

    async def _stalled(self, link: _Link) -> None:
        while stalls := self._in_force("stall", link.client_id):
            stalls[0].hits += 1
            await asyncio.sleep(_TICK_S)

    async def _pass_responses(self, link: _Link) -> None:
        while True:
            frame = await _frame(link.from_broker)
            api = link.asked.pop(_RESPONSE.unpack_from(frame, _LENGTH.size)[0], None)
            await self._stalled(link)
            for rule in self._in_force("unanswered", link.client_id):
                if rule.api == api and not rule.hits:
                    rule.hits += 1
                    return
            with contextlib.suppress(OSError):
                link.to_client.write(frame)
                await link.to_client.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(_LENGTH.size)
    return head + await reader.readexactly(_LENGTH.unpack(head)[0])


def _client_id(frame: bytes) -> str:
    *_, length = _REQUEST.unpack_from(frame, _LENGTH.size)
    start = _LENGTH.size + _REQUEST.size
    return frame[start : start + max(0, length)].decode(errors="replace")
