"""The decorator of value objects: slotted dataclasses that the type checker treats as frozen.

`dataclass(frozen=True)` pays for an `object.__setattr__` per field at run time; here only mypy watches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from typing_extensions import dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class a value object: slots, keyword and positional construction, equality by fields."""
    make: Callable[[type[T]], type[T]] = dataclass(slots=True)
    return make(cls)
