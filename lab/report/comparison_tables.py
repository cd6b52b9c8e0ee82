"""The tables of a comparison: rows measured on the same test items in the same way, and every pair of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab.report import comparison_text as text

if TYPE_CHECKING:
    from lab.evaluation.significance import Difference
    from lab.report.measured_rows import MeasuredRow, Test
    from lab.runs.study import Row


@dataclass(frozen=True)
class Pair:
    """The difference of two rows, by their labels: `first` minus `second`."""

    first: str
    second: str
    difference: Difference

    def other_than(self, label: str) -> str:
        """The other of its two rows."""
        return self.second if self.first == label else self.first


@dataclass(frozen=True)
class TableRow:
    """One line of a table: a config with its seeds folded.

    `value` with its 95 % interval `low` to `high`, in units of the metric (None: no finished run, or no interval);
    `values`: the metric by seed; `status`: "3 seeds", "2 of 3 seeds, 1 failed: …" or "deterministic"; `best`: the best
    row or one that cannot be told from it; `against_best`: the pair with the row of the best mean, None for that row.
    """

    label: str
    status: str
    planned: int
    failed: list[str]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    values: dict[int, float] = field(default_factory=dict)
    run_ids: list[str] = field(default_factory=list)
    deterministic: bool = False
    best: bool = False
    against_best: Pair | None = None

    @property
    def seeds(self) -> int:
        """How many seeds are finished."""
        return len(self.values)


@dataclass(frozen=True)
class Table:
    """Rows that were measured on the same test items in the same way, and every pair of them.

    `title`: evaluation and metric, and what sets this table apart where one metric fills several; `n`: test items;
    `measured`: how the metric was taken, in the words of the evaluation; `protocol`: the rule, in one line;
    `answer`: what it comes to, in a sentence or two; `settle`: what would settle what is open, None where nothing is.
    """

    title: str
    evaluation: str
    metric: str
    split: str
    n: int
    higher_is_better: bool
    primary: bool
    margin: float
    alpha: float
    measured: str
    rows: list[TableRow]
    pairs: list[Pair]
    protocol: str = ""
    answer: str = ""
    settle: str | None = None

    @property
    def ranked(self) -> list[TableRow]:
        """The rows that have a value, best mean first."""
        known = [row for row in self.rows if row.value is not None]
        return sorted(known, key=lambda row: row.value or 0.0, reverse=self.higher_is_better)


def build_table(
    title: str,
    test: Test,
    measured: Sequence[MeasuredRow],
    unfinished: Sequence[Row] = (),
    *,
    primary: bool = True,
    margin: float = 0.01,
    alpha: float = 0.05,
) -> Table:
    """Compare rows that agree in `test`; `unfinished` rows of their experiments are listed without a value."""
    rows, pairs = _with_scores(measured, test, margin, alpha) if test.items else (_without_scores(measured), [])
    experiments = {part.row.experiment for part in measured}
    waiting = [row for row in unfinished if row.experiment in experiments]
    table = Table(
        title=title,
        evaluation=test.evaluation,
        metric=test.metric,
        split=test.split,
        n=test.n,
        higher_is_better=test.higher_is_better,
        primary=primary,
        margin=margin,
        alpha=alpha,
        measured=test.protocol,
        rows=rows + [TableRow(row.label, row.summary, row.planned, row.failed) for row in waiting],
        pairs=pairs,
    )
    table = replace(table, rows=_against_best(table))
    return replace(table, protocol=text.protocol(table), answer=text.answer(table), settle=text.settle(table))


def _with_scores(
    measured: Sequence[MeasuredRow], test: Test, margin: float, alpha: float
) -> tuple[list[TableRow], list[Pair]]:
    from lab.evaluation.significance import best_rows, compare_rows

    order = measured[0].measurements[0].ids or ()
    scored = [part.scores(order) for part in measured]
    differences = compare_rows(scored, higher_is_better=test.higher_is_better, margin=margin, alpha=alpha)
    bold = best_rows(scored, differences, higher_is_better=test.higher_is_better) if len(scored) > 1 else set()
    rows = []
    for place, (part, scores) in enumerate(zip(measured, scored, strict=True)):
        mean = scores.mean
        low, high = mean.interval()
        numbers = {"value": mean.value, "low": low, "high": high, "best": place in bold}
        rows.append(_row(part, scores.deterministic, **numbers))
    labels = [part.label for part in measured]
    return rows, [Pair(labels[d.first], labels[d.second], d) for d in differences]


def _without_scores(measured: Sequence[MeasuredRow]) -> list[TableRow]:
    """Rows of a metric without scores per item: means, with Student's interval over seeds where these vary."""
    import numpy as np

    from lab.evaluation.intervals import mean_estimate

    rows = []
    for part in measured:
        values = np.array(list(part.values.values()))
        varied = len(set(values.tolist())) > 1
        low, high = mean_estimate(values).interval() if varied else (None, None)
        deterministic = not varied and (len(values) > 1 or part.nothing_random)
        rows.append(_row(part, deterministic, value=float(values.mean()), low=low, high=high))
    return rows


def _row(part: MeasuredRow, deterministic: bool, **numbers: Any) -> TableRow:
    row, here = part.row, len(part.measurements)
    status = row.summary
    if here < len(row.runs):
        status = f"{here} of {row.planned} seeds here; the others lack it or were tested on something else"
    elif deterministic and here == row.planned:
        status = "deterministic"
    return TableRow(
        label=part.label,
        status=status,
        planned=row.planned,
        failed=row.failed,
        values=part.values,
        run_ids=[m.run.id for m in part.measurements],
        deterministic=deterministic,
        **numbers,
    )


def _against_best(table: Table) -> list[TableRow]:
    best = table.ranked[0].label if table.ranked else ""
    pairs = {pair.other_than(best): pair for pair in table.pairs if best in (pair.first, pair.second)}
    return [replace(row, against_best=pairs.get(row.label)) for row in table.rows]
