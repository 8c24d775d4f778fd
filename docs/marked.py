"""Parts of pages that are made from something else: each stands between two marks that have its name."""

import sys
from pathlib import Path


def between(text: str, name: str) -> tuple[str, str, str]:
    """Return a page in three: up to the part, the part, what follows it.

    Raises:
        ValueError: the page does not have the part's marks.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = text.split(begin)
    found, after = rest.split(end)
    return before + begin, found, end + after


def put(page: Path, name: str, made: str) -> None:
    """Put a part into its page.

    Raises:
        ValueError: the page does not have the part's marks.
    """
    before, _, after = between(page.read_text("utf-8"), name)
    page.write_text(before + made + after, "utf-8")


def main(page: Path, name: str, made: str) -> None:
    """Print a part, or write it into its page if the command line says so."""
    if sys.argv[1:] == ["--write"]:
        put(page, name, made)
    else:
        sys.stdout.write(made)
