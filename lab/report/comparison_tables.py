"""The tables of a comparison: rows measured on the same test items in the same way, and every pair of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab.report import comparison_text as text

if TYPE_CHECKING:
    from lab.evaluation.intervals import Estimate
    from lab.evaluation.significance import Difference
    from lab.report.measured_groups import MeasuredRow, Test
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
    """One line of a table: a config with its seeds, splits and folds folded.

    `value` with its 95 % interval `low` to `high`, in units of the metric (None: no finished run, or no interval);
    `values`: the metric by seed, split or fold, by a running number where several of these vary (`over` says which);
    `status`: "3 seeds", "2 of 3 folds, 1 failed: …" or "deterministic", with the recipe's version where it is not the
    present one; `best`: the best row or one that cannot be told from it; `against_best`: the pair with the row of the
    best mean, None for that row; `control`: a row that the recipe added for comparison; `settings`: the values of the
    keys in which rows differ, by dotted key; `mark`: which of several ways it was tested, "" where there is one.
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
    over: str = "seed"
    control: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    mark: str = ""

    @property
    def seeds(self) -> int:
        """How many seeds, splits or folds are finished."""
        return len(self.values)


@dataclass(frozen=True)
class Table:
    """Rows that were measured on the same test items in the same way, and every pair of them.

    `title`: evaluation and metric, and what sets this table apart where one metric fills several; `n`: test items;
    `measured`: how the metric was taken, in the words of the evaluation; `protocol`: the rule, in one line;
    `answer`: what it comes to, in a sentence or two; `settle`: what would settle what is open, None where nothing is.
    `splits`: over how many splits or folds ("10 folds"), "" where the rows differ in seeds alone; `resampled`: each of
    these has test items of its own, and `n` is their mean number.
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
    splits: str = ""
    resampled: bool = False

    @property
    def over(self) -> str:
        """What the rows' runs are repeats of: `seed`, `split`, `fold`, or `run` where several of these vary."""
        kinds = {row.over for row in self.rows if row.values}
        return kinds.pop() if len(kinds) == 1 else "run" if kinds else "seed"

    @property
    def ranked(self) -> list[TableRow]:
        """The rows that have a value, best mean first."""
        known = [row for row in self.rows if row.value is not None]
        return sorted(known, key=lambda row: row.value or 0.0, reverse=self.higher_is_better)

    def pair(self, one: str, other: str) -> Pair | None:
        """The comparison of two rows, by their labels in any order; None where it was not made."""
        return next((pair for pair in self.pairs if {pair.first, pair.second} == {one, other}), None)

    def verdict(self, label: str, against: str) -> str | None:
        """What the rule says of one row against another; None where it was not asked or has too few seeds."""
        pair = self.pair(label, against)
        if pair is None or not pair.difference.enough_seeds:
            return None
        row = next(row for row in self.rows if row.label == label)
        return text.seen_from(row, pair).verdict


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
    if test.resampled:
        rows, pairs = _split_by_split(measured, test, margin, alpha)
    else:
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
        rows=rows
        + [
            TableRow(row.label, row.summary, row.planned, row.failed, control=row.control, settings=dict(row.row))
            for row in waiting
        ],
        pairs=pairs,
        splits=_splits(measured),
        resampled=test.resampled,
    )
    table = replace(table, rows=_against_best(table))
    return replace(table, protocol=text.protocol(table), answer=text.answer(table), settle=text.settle(table))


def _with_scores(
    measured: Sequence[MeasuredRow], test: Test, margin: float, alpha: float
) -> tuple[list[TableRow], list[Pair]]:
    from lab.evaluation.significance import best_rows, compare_rows

    order = measured[0].measurements[0].ids or ()
    scored = [part.scores(order) for part in measured]
    adjust = _adjustment(measured, test)
    rule: dict[str, Any] = {"higher_is_better": test.higher_is_better, "margin": margin, "alpha": alpha}
    controls = _controls(measured, [scores.mean.value for scores in scored], test)
    differences = compare_rows(scored, adjust=adjust, controls=controls, **rule)
    bold = best_rows(scored, differences, higher_is_better=test.higher_is_better) if len(scored) > 1 else set()
    rows = []
    for place, (part, scores) in enumerate(zip(measured, scored, strict=True)):
        mean = adjust(scores.mean)
        low, high = mean.interval()
        numbers = {"value": mean.value, "low": low, "high": high, "best": place in bold}
        rows.append(_row(part, scores.deterministic, **numbers))
    labels = [part.label for part in measured]
    return rows, [Pair(labels[d.first], labels[d.second], d) for d in differences]


def _controls(measured: Sequence[MeasuredRow], means: Sequence[float], test: Test) -> list[int]:
    """Places of the rows that a recipe added as controls, where there are two others and one of these leads."""
    controls = [place for place, part in enumerate(measured) if part.row.control]
    best = means.index(max(means) if test.higher_is_better else min(means))
    return controls if len(measured) - len(controls) > 1 and best not in controls else []


def _adjustment(measured: Sequence[MeasuredRow], test: Test) -> Callable[[Estimate], Estimate]:
    """What splits or folds that are judged on the same items add to the uncertainty: their training sets overlap."""
    from lab.evaluation.fold_comparison import widened
    from lab.report.measured_groups import training_share

    if not _splits(measured):
        return lambda estimate: estimate
    trained, held_out = training_share(measured, test)
    return lambda estimate: widened(estimate, held_out / trained)


def _splits(measured: Sequence[MeasuredRow]) -> str:
    """`10 folds`: over how many splits or folds the rows are, those with the most of them; "" where none vary."""
    from lab.runs.replicates import SPLITS, counted

    most = max((list(part.by_split) for part in measured if part.row.over != "seed"), key=len, default=[])
    return counted([dict(zip(SPLITS, split, strict=True)) for split in most]) if len(most) > 1 else ""


def _split_by_split(
    measured: Sequence[MeasuredRow], test: Test, margin: float, alpha: float
) -> tuple[list[TableRow], list[Pair]]:
    """Rows whose splits have test items of their own: one number a split (Nadeau and Bengio 2003)."""
    from lab.evaluation.fold_comparison import best_of, compare_folds
    from lab.evaluation.resampled import resampled_difference
    from lab.report.measured_groups import training_share

    sizes = training_share(measured, test)
    values = [part.split_values for part in measured]
    rule: dict[str, Any] = {"higher_is_better": test.higher_is_better, "margin": margin, "alpha": alpha}
    controls = _controls(measured, [sum(own.values()) / len(own) for own in values], test)
    differences = compare_folds(values, *sizes, controls=controls, **rule)
    bold = best_of(values, differences, higher_is_better=test.higher_is_better)
    rows = []
    for place, (part, own) in enumerate(zip(measured, values, strict=True)):
        listed = list(own.values())
        low, high = resampled_difference(listed, *sizes).interval() if len(listed) > 1 else (None, None)
        rows.append(_row(part, False, value=sum(listed) / len(listed), low=low, high=high, best=place in bold))
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
        status = f"{here} of {row.planned} {row.over}s here; the others lack it or were tested on something else"
    elif deterministic and here == row.planned and row.over == "seed":
        status = "deterministic"
    return TableRow(
        label=part.label,
        status=status + _other_version(part),
        planned=row.planned,
        failed=row.failed,
        values=part.values,
        run_ids=[m.run.id for m in part.measurements],
        deterministic=deterministic,
        over=part.over,
        control=row.control,
        settings=dict(row.row),
        **numbers,
    )


def _other_version(part: MeasuredRow) -> str:
    """`; by version 1 of word2vec, now 2`, of runs that another version of their recipe made."""
    from lab.report.measured_groups import recipe_version

    now, made = recipe_version(part.row.experiment), {m.run.info["recipe_version"] for m in part.measurements}
    if now is None or made <= {now}:
        return ""
    return f"; by version {' and '.join(str(v) for v in sorted(made))} of {part.row.experiment}, now {now}"


def _against_best(table: Table) -> list[TableRow]:
    best = table.ranked[0].label if table.ranked else ""
    pairs = {pair.other_than(best): pair for pair in table.pairs if best in (pair.first, pair.second)}
    return [replace(row, against_best=pairs.get(row.label)) for row in table.rows]
