"""`compare`: which rows are better, by how much, and how surely.

One rule gives every verdict: the interval of the difference, seeds and test items both taken as random, Holm-adjusted
over the pairs of the table (`lab.evaluation.significance`). The same runs give the same numbers bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lab.errors import UserError
from lab.report import comparison_views as views
from lab.report.comparison_different import side_by_side
from lab.report.comparison_tables import Pair, Table, TableRow, build_table
from lab.report.comparison_text import seen_from, titles
from lab.report.measured_rows import by_keys, choose_results, measure, results_of, rows_of

if TYPE_CHECKING:
    import pandas as pd

    from lab.runs.study import Row

__all__ = ["Comparison", "Pair", "Table", "TableRow", "compare"]

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Comparison:
    """Tables of rows that can be compared, and what they come to. `notes`: what could not be compared, and why."""

    tables: list[Table]
    notes: list[str] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """The answer of every table, in plain sentences."""
        return " ".join([table.answer for table in self.tables] or self.notes)

    @property
    def protocol(self) -> str:
        """The rule behind the verdicts, a line a table; one line where all are the same."""
        return "\n".join(dict.fromkeys(table.protocol for table in self.tables))

    @property
    def settle(self) -> list[str]:
        """What would settle what is still open, a sentence a table."""
        return list(dict.fromkeys(table.settle for table in self.tables if table.settle))

    @property
    def pairs(self) -> list[Pair]:
        """All pairs of all tables."""
        return [pair for table in self.tables for pair in table.pairs]

    def to_markdown(self) -> str:
        """The tables as Markdown, bold by the rule, with the protocol and the other tests beneath."""
        return views.markdown(self)

    def to_latex(self) -> str:
        """The tables as LaTeX (booktabs), bold by the rule."""
        from lab.report.comparison_latex import latex

        return latex(self)

    def to_frame(self) -> pd.DataFrame:
        """One line for each row of each table; after its numbers the settings in which rows differ, a column each."""
        import pandas as pd

        lines = [line for table in self.tables for line in _frame_lines(table)]
        settings = dict.fromkeys(key for line in lines for key in line if key not in _COLUMNS)
        return pd.DataFrame(lines, columns=[*_COLUMNS, *settings])

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data for JSON; numbers that are not finite are None."""
        tables = [_plain({**asdict(table), "ranked": [row.label for row in table.ranked]}) for table in self.tables]
        whole = {"answer": self.answer, "protocol": self.protocol, "settle": self.settle, "notes": self.notes}
        return {"format_version": FORMAT_VERSION, **whole, "tables": tables}

    def __repr__(self) -> str:
        return views.plain_text(self)

    def _repr_html_(self) -> str:
        return views.html(self)


def compare(
    *targets: Any,
    metric: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    margin: float = 0.01,
    alpha: float = 0.05,
    allow_different: bool = False,
) -> Comparison:
    """Compare the rows of studies, or runs.

    `targets`: studies, runs, rows, references to them (`last`, an id, `study:key=value`) or lists of these. `metric`:
    `spearman`, `wordsim353` or `wordsim353/spearman`, or several of these; by default the primary metric of each run's
    test split. `by`: the settings to compare, others held fixed: a table for each of their combinations. `margin`: the
    smallest difference that matters, in units of the metric. `alpha`: the error rate of a whole table.
    `allow_different`: rows of one metric that were tested differently stand in one table, marked, without verdicts.

    Raises:
        UserError: a reference, metric or setting that does not exist, or a margin or alpha that makes no sense.
    """
    if not (margin > 0 and math.isfinite(margin)) or not 0 < alpha < 1:
        raise UserError(f"margin must be above 0 and alpha between 0 and 1, not {margin} and {alpha}")
    if not targets:
        raise UserError("name studies or runs to compare")
    rows = rows_of(targets)
    keys = by_keys(rows, by)
    tables: list[Table] = []
    results = results_of(rows)
    asked: Sequence[str | None] = [metric] if isinstance(metric, str) else metric or [None]
    for chosen in dict.fromkeys(key for one in asked for key in choose_results(results, one)):
        groups = measure(rows, results, chosen, keys)
        unfinished = [] if keys else [row for row in rows if not row.runs]
        rule: dict[str, Any] = {"primary": metric is None, "margin": margin, "alpha": alpha}
        own = [
            build_table(title, test, measured, unfinished, **rule)
            for (test, measured), title in zip(groups.items(), titles(list(groups)), strict=True)
        ]
        tables += [side_by_side(own)] if allow_different and len(own) > 1 else own
    return Comparison(tables, _notes(rows, tables, metric is not None))


def _notes(rows: Sequence[Row], tables: Sequence[Table], asked: bool) -> list[str]:
    """Which rows are in no table, and why."""
    compared = {run_id for table in tables for row in table.rows for run_id in row.run_ids}
    listed = {row.label for table in tables for row in table.rows}
    notes = []
    for row in rows:
        if not row.runs and row.label not in listed:
            notes.append(f"{row.label}: {row.summary}.")
        elif row.runs and not compared.intersection(run.id for run in row.runs):
            notes.append(f"{row.label} is in no table: it has no {'such' if asked else 'primary'} result.")
    return notes if rows else ["There is nothing to compare."]


_COLUMNS = [
    *("table", "evaluation", "metric", "split", "row", "best", "value", "low", "high", "items", "seeds", "planned"),
    *("over", "control"),
    *("status", "difference", "difference_low", "difference_high", "p_holm", "verdict"),
]


def _frame_lines(table: Table) -> list[dict[str, Any]]:
    """What `to_frame` has of a table: `difference` is the row's minus that of the row with the best mean."""
    lines = []
    for row in table.rows:
        line = {
            "table": table.title,
            "evaluation": table.evaluation,
            "metric": table.metric,
            "split": table.split,
            "row": row.label + row.mark,
            "best": row.best,
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "items": table.n,
            "seeds": row.seeds,
            "planned": row.planned,
            "over": row.over,
            "control": row.control,
            "status": row.status,
            **{f"setting:{key}": value for key, value in row.settings.items()},
        }
        if row.against_best:
            gap = seen_from(row, row.against_best)
            line |= dict(zip(("difference", "difference_low", "difference_high"), gap.numbers, strict=True))
            line |= {"p_holm": row.against_best.difference.p_holm, "verdict": gap.verdict}
        lines.append(line)
    return lines


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
