"""Rows that were tested differently, side by side on demand: marked, and without a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.report.comparison_tables import Table, TableRow
from lab.report.comparison_text import value_text
from lab.report.numbers import spoken_label

MARKS = "¹²³⁴⁵⁶⁷⁸⁹"


def side_by_side(tables: Sequence[Table]) -> Table:
    """One table out of those of one metric, a mark for each way of testing; no pair of its rows is compared.

    A row that stands in several of them stands in the one table as often, each time with its own mark. What the values
    are is as it was; what is missing is everything that says that one is better.
    """
    first = tables[0]
    rows = [
        replace(row, mark=_mark(number), best=False, against_best=None)
        for number, table in enumerate(tables)
        for row in table.rows
        if row.value is not None or not number
    ]
    tested = "; ".join(f"{_mark(number)} {_how(table)}" for number, table in enumerate(tables))
    return replace(
        first,
        title=first.title.partition(" (")[0],
        rows=rows,
        pairs=[],
        splits="",
        resampled=False,
        measured=f"tested: {tested}",
        protocol="These rows were not tested alike, so nothing is said of which is better; the marks say how each was.",
        answer=_answer(first, rows),
        settle=None,
    )


def _mark(number: int) -> str:
    return MARKS[number] if number < len(MARKS) else f"({number + 1})"


def _how(table: Table) -> str:
    """What sets a table apart: what its heading says of it, or its number of items."""
    _, _, apart = table.title.partition(" (")
    return apart.removesuffix(")") or f"{table.n:,} items"


def _answer(table: Table, rows: Sequence[TableRow]) -> str:
    listed = [f"{spoken_label(row.label)}{row.mark} {value_text(row)}" for row in rows if row.value is not None]
    return f"{table.title.partition(' (')[0]}, not tested alike and so without a verdict: {'; '.join(listed)}."
