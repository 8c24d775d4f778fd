"""Files that are no code: in the package once it is installed, at their own place in a checkout."""

from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def packaged(name: str, checkout: str) -> Traversable:
    """Return a file or folder that the wheel carries.

    Args:
        name: where it is below `worker/data` in the wheel.
        checkout: where it is below the root of a checkout.
    """
    found = files("worker") / "data" / name
    return found if found.is_file() or found.is_dir() else _ROOT / checkout
