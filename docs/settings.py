"""The settings table of docs/operations.md, made from `worker.config` so that it stays true.

`python -m docs.settings` prints it, `python -m docs.settings --write` puts it into the page.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.marked import main
from worker.config import Settings

PAGE = Path(__file__).with_name("operations.md")

_SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("pattern", ""))


def fields(model: type[BaseModel] = Settings, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting by its path, depth first, in the order of definition."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{path}{name}.")
        else:
            yield f"{path}{name}", field


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "`{}`" if field.default_factory is dict else "see meaning"
    default = field.default
    if default is None:
        return "see meaning"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return ", ".join(f"`{found}`" for found in default)
    return f"`{default}`"


def _bounds(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{found}`" for found in get_args(field.annotation))
    found = [
        f"{sign} {limit:,}" if isinstance(limit, int | float) else f"`{limit}`"
        for part in field.metadata
        for name, sign in _SIGNS
        if (limit := getattr(part, name, None)) is not None
    ]
    return ", ".join(found)


def table() -> str:
    """Return the table as Markdown."""
    rows: list[tuple[str, ...]] = [("setting", "default", "bounds", "meaning"), ("---", "---", "---", "---")]
    rows += [(f"`{path}`", _default(field), _bounds(field), (field.description or "")) for path, field in fields()]
    return "".join(f"| {' | '.join(_cell(cell) for cell in row)} |\n" for row in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def unexplained() -> list[str]:
    """Return the paths of settings without a description."""
    return [path for path, field in fields() if not field.description]


if __name__ == "__main__":
    main(PAGE, "settings", table())
