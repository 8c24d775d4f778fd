"""Rows of a partition that belong to no thread: thread ids are never empty, so their keys begin with a slash."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from worker.model.mutation import row_key
from worker.model.record import StateRow
from worker.runtime.ports import StateStore

# Of these rows: the same for ever, since they tell a release of formats that it does not know.
_FORMAT = b"\x01"


class Facts:
    """Small JSON values by name, in the same store, changelog and transactions as the threads' rows."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._changed: dict[bytes, bytes | None] = {}

    def get(self, *name: str) -> Any:
        """Return a value, None if there is none."""
        key = fact_key(*name)
        data = self._changed[key] if key in self._changed else self._store.get(key)
        return None if data is None else orjson.loads(data[len(_FORMAT) :])

    def put(self, *name_and_value: Any) -> None:
        """Set a value, the last argument, under a name; None deletes it."""
        *name, found = name_and_value
        self._changed[fact_key(*name)] = None if found is None else fact_value(found)

    def under(self, name: str) -> Iterator[Any]:
        """Yield all values whose name begins with a part."""
        rows: dict[bytes, bytes | None] = dict(self._store.scan(fact_key(name, "")))
        yield from values_under(name, (rows | self._changed).items())

    def changed_rows(self) -> list[StateRow]:
        """Return the changed rows, encoded."""
        return [StateRow(key, data) for key, data in self._changed.items()]

    def settle(self) -> None:
        """Take the changes as written, or as dropped."""
        self._changed.clear()


def values_under(name: str, rows: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Any]:
    """Yield the values among state rows whose name begins with a part."""
    prefix = fact_key(name, "")
    for key, data in rows:
        if data is not None and key.startswith(prefix):
            yield orjson.loads(data[len(_FORMAT) :])


def fact_key(*name: str) -> bytes:
    """Return a fact's key in the store and the changelog."""
    return f"/{row_key(*name)}".encode()


def fact_value(found: Any) -> bytes:
    """Return a fact's value as it is stored."""
    return _FORMAT + orjson.dumps(found)
