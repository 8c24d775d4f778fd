"""Where each setting's value came from: what `config show` prints, secrets masked."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from worker.config import Settings
from worker.model.value import value

MASK = "********"
# Entries of librdkafka's options are plain texts, so their names must tell.
_SECRET_OPTION = re.compile(r"password|secret|token|\.pem$|jaas|oauthbearer\.config")


@value
class Shown:
    """A setting as it is in force.

    Attributes:
        path: `kafka.session_timeout_ms`; entries of a table one by one: `kafka.options.sasl.username`.
        value: fit for JSON; a secret is masked, None stands for a setting without a value.
        source: `default`, `option`, the configuration file's path, or the variable's name.
    """

    path: str
    value: Any
    source: str


def shown(settings: Settings, file: Path | None, flags: Mapping[str, Any]) -> Iterator[Shown]:
    """Yield every setting in the order of definition.

    Args:
        settings: what was read from the others.
        file: as for `worker.config.load`.
        flags: as for `worker.config.load`.
    """
    environment = EnvSettingsSource(type(settings))
    layers: list[tuple[Any, Callable[[tuple[str, ...]], str]]] = [
        (dict(flags), lambda _path: "option"),
        (environment(), lambda path: _variable(path, environment.env_vars)),
        ({} if file is None else TomlConfigSettingsSource(type(settings), file)(), lambda _path: str(file)),
    ]
    for path, found in _leaves(settings):
        source = next((told(path) for layer, told in layers if _holds(layer, path)), "default")
        yield Shown(".".join(path), _printable(path, found), source)


def _leaves(model: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(model).model_fields:
        found = getattr(model, name)
        if isinstance(found, BaseModel):
            yield from _leaves(found, (*path, name))
        elif isinstance(found, dict) and found:
            yield from (((*path, name, entry), one) for entry, one in found.items())
        else:
            yield (*path, name), found


def _holds(layer: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(layer, Mapping) or name not in layer:
            return False
        layer = layer[name]
    return True


def _variable(path: tuple[str, ...], variables: Mapping[str, str | None]) -> str:
    """Return the variable that sets a path: its own, or one that sets what it is part of, as JSON."""
    names = ["THW_" + "__".join(path[:end]) for end in range(len(path), 0, -1)]
    return next((name.upper() for name in names if variables.get(name.lower())), "environment")


def _printable(path: tuple[str, ...], found: Any) -> Any:
    if isinstance(found, SecretStr) or (path[:2] == ("kafka", "options") and _SECRET_OPTION.search(path[-1])):
        return MASK
    if isinstance(found, tuple):
        return list(found)
    return str(found) if isinstance(found, Path) else found
