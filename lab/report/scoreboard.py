"""The comparison as the page shows it: answer, certainty, picture, tables, and every other measurement."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab.report.comparison import Comparison, compare
from lab.report.comparison_text import gap_text
from lab.report.comparison_views import BESIDE, PAIR_HEAD, pair_cells, shown_pairs
from lab.report.dots import Dots, Measured
from lab.report.headline import headline
from lab.report.numbers import digits_for, judge_noun, plain, spoken
from lab.report.text import short, typeset

if TYPE_CHECKING:
    from lab.report.comparison_tables import Table, TableRow
    from lab.runs.run import Run
    from lab.runs.study import Row

MOST_OTHER = 300  # lines in the table of all other measurements
RULE = "Bold marks the best row and every row that cannot be told from it."


@dataclass(frozen=True)
class Part:
    """Rows that are compared only with each other. `title`: what is added to the title of their tables.

    `tables`: where the part has its own, they are shown as they are, and its rows' other measurements stand in them.
    """

    title: str
    rows: Sequence[Row]
    tables: Sequence[dict[str, Any]] | None = None


@dataclass
class Scoreboard:
    """What the template shows of the comparison, and the rows of the picture; `notes`: what is in no table, and why.

    `answers`: a part's title and its answer, a line a table that ranks rows against each other.
    """

    answers: list[tuple[str, str]]
    certainty: list[str]
    rule: str = ""
    tables: list[dict[str, Any]] = field(default_factory=list)
    other: dict[str, Any] | None = None
    dots: Dots | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """All answers in one."""
        return " ".join(text for _, text in self.answers)


def scoreboard(rows: Sequence[Row], parts: Sequence[Part] = ()) -> Scoreboard:
    """Compare the rows by their primary test result, then by the first metric of every other test."""
    parts = parts or [Part("", rows)]
    places = {row.label: place for place, row in enumerate(rows)}
    for part in parts:  # rows that a part calls otherwise are coloured by their place in it
        places = {row.label: place for place, row in enumerate(part.rows)} | places
    compared = [(part, compare(list(part.rows))) for part in parts if part.tables is None]
    secondary = [_titled(_secondary(part.rows, own), part.title) for part, own in compared]
    ranking = _ranking([table for _, own in compared for table in own.tables])
    answers = [(part.title, headline(table)) for part, own in compared for table in own.tables if table in ranking]
    titled = [_titled(own, part.title) for part, own in compared]
    comparison = Comparison([t for own in titled for t in own.tables], [note for own in titled for note in own.notes])
    told = {row.label for part in parts if part.tables is not None for row in part.rows}
    others = [row for row in rows if row.label not in told]
    tables = [*comparison.tables, *(table for own in secondary for table in own.tables)]
    own = [table for part in parts for table in part.tables or ()]
    board = Scoreboard(
        answers=[(place, typeset(text)) for place, text in answers] or [("", _nothing(rows))],
        certainty=_certainty(comparison),
        rule=RULE if own or any(table.pairs for table in tables) else "",
        tables=[*map(table_of, tables), *own],
        other=_other(others, {(t.evaluation, t.metric, t.split) for t in tables}),
        notes=comparison.notes,
    )
    if comparison.tables:
        first = max(comparison.tables, key=lambda table: len(table.ranked))
        board.dots = dots_of(first, places, _what_they_read(rows))
    return board


def dots_of(table: Table, colors: Mapping[str, int], notes: Mapping[str, str]) -> Dots | None:
    """The rows of a table that have a value, best first; `colors` and `notes` by label. None where none has."""
    rows = [_measured(row, colors.get(row.label, 0), notes.get(row.label, "")) for row in table.ranked]
    items = f"{table.n:,} {judge_noun(table.evaluation)}s"
    title = f"{table.title}, {items}" if table.n > 1 and items not in table.title else table.title
    return Dots(title, rows, _caption(table)) if rows else None


def _titled(comparison: Comparison, title: str) -> Comparison:
    """The same with a part's title behind that of each table, in its sentences too."""
    if not title.strip():
        return comparison
    tables = []
    for table in comparison.tables:
        whole = f"{table.title} ({title})"
        tables.append(replace(table, title=whole, answer=table.answer.replace(table.title, whole, 1)))
    return Comparison(tables, comparison.notes)


def _ranking(tables: Sequence[Table]) -> list[Table]:
    """The tables that the answer speaks of: those that rank rows against each other, where there are any."""
    return [table for table in tables if len(table.ranked) > 1] or list(tables)


def _nothing(rows: Sequence[Row]) -> str:
    if not any(row.runs for row in rows):
        return "No run has finished yet."
    return "These runs have no primary test result, so there is nothing to rank; their figures and spaces are below."


def _certainty(comparison: Comparison) -> list[str]:
    sentences = []
    for table in comparison.tables:
        sentences.append(table.answer)
        sentences.append(table.settle or _settled(table))
    return [typeset(text) for text in [*sentences, *comparison.notes] if text]


def _settled(table: Table) -> str:
    """What to say where no pair with the best row is open."""
    if len(table.ranked) < 2 or not table.pairs:
        return ""
    more = f"more seeds or {judge_noun(table.evaluation)}s"
    return f"Nothing is open between the best row and the others: {more} would only narrow the intervals."


def _secondary(rows: Sequence[Row], comparison: Comparison) -> Comparison:
    """Tables of the first metric of each evaluation on test items, where no primary table shows that metric."""
    primary = {(table.evaluation, table.metric) for table in comparison.tables}
    firsts: dict[str, str] = {}
    for evaluation, metric, split in _measures(rows):
        if split == "test":
            firsts.setdefault(evaluation, metric)
    tables: list[Table] = []
    for evaluation, metric in firsts.items():
        if (evaluation, metric) not in primary:
            tables += compare(list(rows), metric=f"{evaluation}/{metric}").tables
    return Comparison(tables)


def _measures(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """All (evaluation, metric, split) of whole tests, in the order in which runs recorded them."""
    found: dict[tuple[str, str, str], None] = {}
    for row in rows:
        for result in records_of(row.runs[0]) if row.runs else []:
            if not result["label"]:
                found[result["evaluation"], result["metric"], result["split"]] = None
    return list(found)


def _what_they_read(rows: Sequence[Row]) -> dict[str, str]:
    """By label, the beginning of what is said of a row's data, where rows differ in it."""
    said = {row.label: (row.runs[0].info.get("data") or {}).get("description", "") for row in rows if row.runs}
    starts = {label: short(re.split(r"[:(;]", text)[0].strip(), 60) for label, text in said.items()}
    return starts if len(set(starts.values())) > 1 else {}


def records_of(run: Run) -> list[dict[str, Any]]:
    """The results of a run as records; `label` is "" where a result is of a whole test."""
    records = [{str(key): value for key, value in r.items()} for r in run.results.to_dict("records")]
    return [{**r, "label": r["label"] if isinstance(r.get("label"), str) else ""} for r in records]


def _measured(row: TableRow, place: int, note: str) -> Measured:
    assert row.value is not None
    return Measured(row.label, place, row.value, row.low, row.high, dict(row.values), row.best, note)


def _caption(table: Table) -> str:
    better = "right" if table.higher_is_better else "left"
    parts = []
    if any(row.seeds > 1 for row in table.ranked):
        parts.append(f"A circle is one {table.over}")
    parts.append("the bar is the mean" if parts else "The bar is the value")
    if any(row.low is not None for row in table.ranked):
        over = table.splits or f"{table.over}s"
        over += f" and {judge_noun(table.evaluation)}s" if not table.resampled and (table.pairs or table.n > 1) else ""
        parts.append(f"the band its 95 % interval over {over}")
    return f"{', '.join(parts)}. Further {better} is better."


def table_of(table: Table) -> dict[str, Any]:
    """A table for the template; the rows stand as in the study."""
    against = ["Against the best"] if table.pairs else []
    measured = f"{table.measured[:1].upper()}{table.measured[1:]}." if table.measured else ""
    lines = [table.protocol, measured]
    if not table.primary and table.pairs:
        same = f"The same rule, over {table.n:,} {judge_noun(table.evaluation)}s."
        lines = [same, measured, "The answer does not rest on this test."]
    return {
        "folded": False,
        "title": f"{_capital(table.title)}{'' if table.higher_is_better else ', lower is better'}",
        "head": [f"{_capital(spoken(table.metric))} (95 % interval)", *against],
        "rows": [line_of(row, bool(table.pairs)) for row in table.rows],
        "protocol": [" ".join(line for line in lines if line)],
        "pairs": [pairs_of(table)] if table.pairs else [],
    }


def line_of(row: TableRow, pairs: bool) -> dict[str, Any]:
    """A row of a table for the template: its value, what sets it apart from the best, its seeds and failures."""
    against = {"value": typeset(gap_text(row)) or "–", "range": "", "best": False}
    failed = f"{len(row.failed)} failed: {short(row.failed[0], 60)}" if row.failed else ""
    seeds = f"{row.seeds} of {row.planned}" if row.failed else row.status
    cells = [cell_of(row), *([against] if pairs else [])]
    return {"label": row.label, "cells": cells, "seeds": seeds, "tags": [failed] if failed else []}


def cell_of(row: TableRow) -> dict[str, Any] | None:
    """The value of a row with its interval, bold by the rule; None where it has none."""
    if row.value is None:
        return None
    digits = digits_for(row.low, row.high)
    known = row.low is not None and row.high is not None
    between = f"[{plain(row.low or 0.0, digits)}, {plain(row.high or 0.0, digits)}]" if known else ""
    return {"value": typeset(plain(row.value, digits)), "range": typeset(between), "best": row.best}


def pairs_of(table: Table) -> dict[str, Any]:
    """Every pair of a table with its verdict and the other tests, folded away under it."""
    rows = []
    for pair in shown_pairs(table):
        first, difference, *tests = pair_cells(pair)
        verdict = pair.difference.verdict if pair.difference.enough_seeds else f"fewer than 3 {table.over}s"
        rows.append([first, typeset(difference), verdict, *map(typeset, tests)])
    on = "" if table.resampled else " on one item"
    note = (
        f"The verdict on the first row of a pair rests on the interval of the difference alone. {BESIDE}: the columns "
        f"from “repeats alone” on. Effect: the difference in standard deviations of one {table.over}'s difference{on}."
    )
    head = ["Pair", "Difference", "Verdict", *(_capital(name) for name in PAIR_HEAD[2:])]
    label = f"Pairs of {table.title}"
    return {
        "name": spoken(table.evaluation),
        "label": label,
        "caption": "",
        "head": head,
        "rows": rows,
        "notes": [note],
    }


def _other(rows: Sequence[Row], shown: set[tuple[str, str, str]]) -> dict[str, Any] | None:
    """Every measurement that has no table above: means over seeds, a column for each row of the study."""
    lines: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for row in rows:
        for run in row.runs:
            for r in records_of(run):
                if r["label"] or (r["evaluation"], r["metric"], r["split"]) not in shown:
                    key = (r["evaluation"], r["metric"], r["label"], r["split"], f"{int(r['n']):,}")
                    lines.setdefault(key, {}).setdefault(row.label, []).append(float(r["value"]))
    if not lines:
        return None
    columns = [row.label for row in rows if any(row.label in found for found in lines.values())]
    table = []
    for (evaluation, metric, label, split, n), found in list(lines.items())[:MOST_OTHER]:
        what = " · ".join(part for part in (spoken(evaluation), spoken(metric), label) if part)
        means = [sum(found[c]) / len(found[c]) if found.get(c) else math.nan for c in columns]
        table.append(
            [
                what if split in ("test", "none") else f"{what} · {split}",
                n,
                *(typeset(plain(mean, 3)) for mean in means),
            ]
        )
    left = f" The first {MOST_OTHER} of {len(lines)} are shown." if len(lines) > MOST_OTHER else ""
    caption = f"Means over seeds, as recorded.{left}"
    return {"label": "Other measurements", "caption": caption, "head": ["What", "n", *columns], "rows": table}


def _capital(text: str) -> str:
    return text if text.startswith("nDCG") else text[:1].upper() + text[1:]
