"""The documentation against what it describes, as far as a machine can tell."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from docs import marked, metrics, settings
from worker.model.item import Item

ROOT = Path(__file__).parents[2]
DOWNSTREAM = ROOT / "docs" / "downstream.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "schemas" / "README.md"])
LINE_LENGTH_MAX = 120

# Links within the project: neither `https:` nor an anchor of the same page alone.
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(#[^)\s]+)?\)")


def pages() -> list[str]:
    return [str(page.relative_to(ROOT)) for page in PAGES]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        found = (page.parent / target).resolve() if target else page
        if not found.exists() or (anchor and anchor[1:] not in anchors(found)):
            yield f"{target}{anchor}"


def test_the_settings_table_is_what_the_code_gives() -> None:
    _, found, _ = marked.between(settings.PAGE.read_text("utf-8"), "settings")

    assert found == settings.table(), "run `.venv/bin/python -m docs.settings --write`"


def test_the_metrics_tables_are_what_the_code_gives() -> None:
    _, found, _ = marked.between(metrics.PAGE.read_text("utf-8"), "metrics")

    assert found == metrics.tables(), "run `.venv/bin/python -m docs.metrics --write`"


def test_every_setting_has_one_meaning() -> None:
    assert settings.unexplained() == []


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    assert list(broken_links(ROOT / page)) == []


@pytest.mark.parametrize("page", [page for page in pages() if not page.startswith("schemas")])
def test_lines_are_of_readable_length(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    made = {"docs/operations.md": "settings", "docs/metrics.md": "metrics"}.get(page)
    if made is not None:
        before, _, after = marked.between(text, made)
        text = before + after

    assert [line for line in text.splitlines() if len(line) > LINE_LENGTH_MAX] == []


def test_every_item_is_described_with_its_fields() -> None:
    table = DOWNSTREAM.read_text("utf-8").split("<!-- items -->\n")[1].split("<!-- end of items -->")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    described: dict[str, set[str]] = {}
    name = ""
    for first, fields in rows:
        name = first.strip(" `") or name
        described.setdefault(name, set()).update(re.findall(r"`(\w+)`", fields))

    known = {
        name: set(shape.__annotations__) - {"type", "id"}
        for shape in get_args(Item)
        for name in get_args(get_type_hints(shape)["type"])
    }
    assert described == known


def logged() -> Iterator[str]:
    """Yield the messages that the worker's modules write to the log."""
    for module in (ROOT / "worker").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            match node:
                case ast.Call(
                    ast.Attribute(ast.Name("log"), "info" | "warning" | "error"), [ast.Constant(str(message)), *_]
                ):
                    yield message
                case _:
                    pass


def test_every_message_of_the_log_is_explained() -> None:
    section = settings.PAGE.read_text("utf-8").split("## Logs\n")[1].split("\n## ")[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    explained = {message.removesuffix("…").strip() for row in rows for message in re.findall(r"`([^`]+)`", row)}

    assert [message for message in logged() if not any(map(message.startswith, explained))] == []


def test_the_tests_that_stand_for_security_are_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    cited = re.findall(r"`((?:unit|integration)/[\w/]+)`", page)

    assert len(cited) > 10
    assert [name for name in cited if not (ROOT / "tests" / f"{name}.py").exists()] == []


def test_the_reader_in_the_docs_is_python() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", DOWNSTREAM.read_text("utf-8"), re.DOTALL)

    assert ast.get_docstring(ast.parse(code)) is not None
