"""The answer in one sentence."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from lab.report.comparison_text import seen_from
from lab.report.numbers import digits_for, plain, sentence, spoken, spoken_label, with_interval
from lab.report.text import listing

if TYPE_CHECKING:
    from lab.report.comparison_tables import Table, TableRow

MOST_IN_A_CHAIN = 4


def headline(table: Table) -> str:
    """Who is best by how much, in one sentence: a chain of few rows, best first, or the best against many."""
    rows = table.ranked
    if not rows:
        return f"No run has finished yet, so there is no {table.title} to show."
    what = _what(table)
    best = rows[0]
    if len(rows) == 1:
        return sentence(
            f"{spoken_label(best.label)} reaches {with_interval(best.value or 0, best.low, best.high)} on {what}."
        )
    if len(rows) <= MOST_IN_A_CHAIN:
        return sentence(f"On {what}, {_chain(table, rows)}.")
    return sentence(f"On {what}, {_against_many(table, rows)}.")


def _what(table: Table) -> str:
    direction = "" if table.higher_is_better else ", where lower is better"
    split = "" if table.split in ("test", "none") else f" ({table.split} data)"
    return f"{spoken(table.evaluation)}{split} ({spoken(table.metric)}{direction})"


def _number(row: TableRow) -> str:
    return plain(row.value or 0.0, digits_for(row.low, row.high))


def _chain(table: Table, rows: list[TableRow]) -> str:
    """`A (.66) does better than B (.42), which cannot be told from C (.40)`."""
    parts = []
    for place, (better, row) in enumerate(pairwise(rows)):
        subject = _named(better) if place == 0 else "which"
        parts.append(f"{subject} {_verdict(table, better, row)} {_named(row)}")
    return ", ".join(parts)


def _verdict(table: Table, better: TableRow, row: TableRow) -> str:
    verdict = table.verdict(better.label, row.label)
    if verdict is None:
        return "is so far above" if table.higher_is_better else "is so far below"
    if verdict == "cannot tell":
        return "cannot be told from"
    return "does as well as" if verdict == "equivalent" else "does better than"


def _against_many(table: Table, rows: list[TableRow]) -> str:
    best, *others = rows
    level = [row for row in others if row.against_best and seen_from(row, row.against_best).verdict != "worse"]
    worse = [row for row in others if row not in level]
    text = f"{_named(best)} has the best mean"
    if not table.pairs:
        return f"{text} of {len(rows)} rows, the next being {_named(others[0])}"
    if any(row.against_best and not row.against_best.difference.enough_seeds for row in level):
        return f"{text} of {len(rows)} rows so far; with fewer than three {table.over}s a row no winner is named"
    if not level:
        return f"{text} and does better than all {len(worse)} others, the next being {_named(worse[0])}"
    rest = f"; it does better than the other {len(worse)}" if worse else ""
    return f"{text} but cannot be told from {listing([_named(row) for row in level], most=4)}{rest}"


def _named(row: TableRow) -> str:
    return f"{spoken_label(row.label)} ({_number(row)})"
