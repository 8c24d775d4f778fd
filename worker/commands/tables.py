"""Tables for people: what they show of names, keys, places and ids is whole, however narrow the terminal."""

from collections.abc import Collection

from rich import box
from rich.console import Console, ConsoleDimensions
from rich.measure import Measurement
from rich.table import Column, Table

# Of a console that is no terminal, in columns: whoever reads a pipe or a file looks for whole lines.
UNLIMITED = 1_000_000
# What a column of prose keeps beside long names, in columns.
_PROSE_MIN = 12


class WideConsole(Console):
    """A console that limits the width of what is printed on a terminal only."""

    @property  # type: ignore[misc]  # rich's has a setter, too
    def size(self) -> ConsoleDimensions:
        """The terminal's size."""
        return super().size if self.is_terminal else ConsoleDimensions(UNLIMITED, 25)


def facts_table(*columns: str, folds: Collection[str] = (), title: str | None = None) -> Table:
    """Return an empty table whose columns are shown whole, on one line, but for those that fold."""
    heads = [Column(name, overflow="fold", no_wrap=name not in folds) for name in columns]
    return Table(*heads, title=title, box=box.SIMPLE_HEAD)


def print_table(console: Console, table: Table) -> None:
    """Print a table, wider than the terminal if the columns that do not fold need it."""
    unlimited = console.options.update(width=UNLIMITED)
    needed = 2
    for column in table.columns:
        prose = not column.no_wrap or column.ratio is not None
        if not prose:
            cells = (column.header, *column.cells)
            column.min_width = max(Measurement.get(console, unlimited, cell).maximum for cell in cells)
        needed += 2 + (column.min_width or _PROSE_MIN)
    if needed > console.width:
        table.width = needed
    console.print(table, crop=False)
