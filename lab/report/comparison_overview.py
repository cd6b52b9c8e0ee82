"""Several metrics of the same rows in one table: a line a row, a column a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.report.comparison_text import value_text

if TYPE_CHECKING:
    from lab.report.comparison_tables import Table

_MOST_COLUMNS = 8


@dataclass(frozen=True)
class Overview:
    """`head` names the columns; `lines`: the texts of a row's cells, and which are bold by the rule of their table."""

    head: list[str]
    lines: list[tuple[list[str], list[bool]]]


def overview(tables: Sequence[Table]) -> Overview | None:
    """Rows by metrics, values with their intervals; None where no two tables share two rows.

    Nothing is averaged over metrics. A row that a table lacks has an empty cell there.
    """
    shared = [table for table in tables if any(_share(table, other) for other in tables if other is not table)]
    shared = shared[:_MOST_COLUMNS]
    if len(shared) < 2:
        return None
    labels = list(dict.fromkeys(row.label for table in shared for row in table.rows))
    lines = []
    for label in labels:
        rows = [next((row for row in table.rows if row.label == label), None) for table in shared]
        cells = [label, *("" if row is None else value_text(row) for row in rows)]
        lines.append((cells, [False, *(row is not None and row.best for row in rows)]))
    return Overview(["row", *(table.title for table in shared)], lines)


def _share(one: Table, other: Table) -> bool:
    return len({row.label for row in one.rows} & {row.label for row in other.rows}) > 1
