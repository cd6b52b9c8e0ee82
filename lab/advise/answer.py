"""What a study of classifiers comes to: the cheapest strategy that loses nothing that matters, by validation scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UserError

if TYPE_CHECKING:
    from lab.evaluation.non_inferiority import Candidate, Recommendation
    from lab.report.comparison_tables import TableRow
    from lab.report.measured_groups import MeasuredRow, Test
    from lab.runs.run import Run
    from lab.runs.study import Row, StudyRecord

VALIDATION, TEST = "validation", "test"
SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")
"""Metrics that lie between 0 and 1."""


@dataclass(frozen=True)
class Strategy:
    """One row: its validation score with its interval, what one training takes, and what it chose for itself.

    `low`, `high`: None where there is but one number. `seconds`: of one training and of the frozen part before it,
    whoever computed that, as the report counts them.
    """

    label: str
    value: float
    low: float | None
    high: float | None
    seconds: float
    chosen: dict[str, Any]
    runs: list[Run]


@dataclass(frozen=True)
class Advice:
    """The answer of a study.

    `metric`: in words; `over`: "10 folds", or "3 seeds"; `strategies`: the rows in question, best validation mean
    first; `controls`: what the table shows beside them, `label: value`; `test`: the table row of the recommended (or
    best) strategy on test items, looked at after the choice, None where there is none; `test_n`: its items.
    `similarity`: of the task to the pretraining, see `similarity_to_pretraining`; None where it is not known.
    """

    study: str
    metric: str
    over: str
    folds: bool
    recommendation: Recommendation
    strategies: list[Strategy]
    controls: dict[str, float] = field(default_factory=dict)
    test: TableRow | None = None
    test_n: int = 0
    similarity: float | None = None

    @property
    def pick(self) -> Strategy:
        """The recommended strategy, or where nothing is settled the best so far."""
        label = self.recommendation.recommended or self.recommendation.best
        return next(strategy for strategy in self.strategies if strategy.label == label)


def advice_of(study: StudyRecord, *, margin: float = 0.01, alpha: float = 0.05) -> Advice:
    """Rank the rows of a finished study by validation or out-of-fold scores, and recommend one.

    `margin`: the smallest difference that matters, in units of the metric. `alpha`: as in `recommend`. Test scores are
    read only after the choice is made, and only those of one row.

    Raises:
        UserError: no row has validation scores of its primary metric, or the rows were validated on different items.
    """
    from lab.evaluation.non_inferiority import recommend
    from lab.report.measured_rows import measure, results_of

    rows = [row for row in study.rows() if row.runs]
    results = results_of(rows)
    key = _validation_key(study.name, results)
    asked = [row for row in rows if not row.control]
    test, measured = _one_group(study.name, measure(asked, results, key))
    candidates = _candidates(measured, test)
    recommendation = recommend(candidates, margin=margin, alpha=alpha, higher_is_better=test.higher_is_better)
    strategies = [_strategy(part, one, test.metric) for part, one in zip(measured, candidates, strict=True)]
    strategies.sort(key=lambda strategy: -strategy.value if test.higher_is_better else strategy.value)
    picked = recommendation.recommended or recommendation.best
    controls = [row for row in rows if row.control]
    row, n = _test_row(next(row for row in asked if row.label == picked))
    return Advice(
        study=study.name,
        metric=test.metric.replace("_", " "),
        over=_over(measured),
        folds=test.resampled,
        recommendation=recommendation,
        strategies=strategies,
        controls=_controls(controls, results, key),
        test=row,
        test_n=n,
        similarity=_similarity(asked, controls, strategies[0].value),
    )


def out_of_fold(runs: Sequence[Run]) -> dict[str, float]:
    """For each validation item of some runs of a row the share of them that got it right, by id."""
    found: dict[str, list[float]] = {}
    for run in runs:
        frame = run.scores("classification", "accuracy", VALIDATION)
        for name, value in zip(frame["id"].astype(str), frame["value"], strict=True):
            found.setdefault(name, []).append(float(value))
    return {name: mean(values) for name, values in found.items()}


def _validation_key(study: str, results: Mapping[str, Any]) -> tuple[str, str, str]:
    keys = {
        (result["evaluation"], result["metric"], result["split"])
        for listed in results.values()
        for result in listed
        if result["split"] == VALIDATION and result["primary"]
    }
    if len(keys) != 1:
        found = "no run has validation scores" if not keys else "its runs were validated by different metrics"
        raise UserError(f"study {study}: {found}; advice ranks classifiers by validation scores (experiment: finetune)")
    return keys.pop()


def _one_group(study: str, groups: Mapping[Test, list[MeasuredRow]]) -> tuple[Test, list[MeasuredRow]]:
    """The group of rows that were validated on the same items. Raises `UserError` where there are several."""
    if len(groups) != 1:
        sizes = "; ".join(f"{', '.join(part.label for part in parts)}" for parts in groups.values())
        raise UserError(
            f"study {study}: its rows were validated on different items ({sizes}); advice is given for one task"
        )
    return next(iter(groups.items()))


def _candidates(measured: Sequence[MeasuredRow], test: Test) -> list[Candidate]:
    from lab.evaluation.non_inferiority import Candidate
    from lab.evaluation.resampled import FoldScores
    from lab.report.measured_groups import training_share

    costs = [_seconds([m.run for m in part.measurements]) for part in measured]
    if not test.resampled:
        order = measured[0].measurements[0].ids or ()
        return [Candidate(part.label, part.scores(order), cost) for part, cost in zip(measured, costs, strict=True)]
    sizes = training_share(measured, test)
    values = [part.split_values for part in measured]
    shared = [split for split in values[0] if all(split in own for own in values)]
    if len(shared) < 2:
        raise UserError("fewer than two folds are finished in every row; run the study to its end")
    scores = [FoldScores([own[split] for split in shared], *sizes) for own in values]  # type: ignore[arg-type]
    return [Candidate(part.label, s, cost) for part, s, cost in zip(measured, scores, costs, strict=True)]


def _strategy(part: MeasuredRow, candidate: Candidate, metric: str) -> Strategy:
    from lab.evaluation.resampled import FoldScores, resampled_mean

    scores = candidate.scores
    low: float | None
    high: float | None
    estimate = resampled_mean(scores) if isinstance(scores, FoldScores) else scores.mean
    low, high = estimate.interval()
    if metric in SHARES:
        low, high = max(low, 0.0), min(high, 1.0)
    runs = [m.run for m in part.measurements]
    return Strategy(part.label, estimate.value, low, high, candidate.cost_seconds, dict(part.row.chosen), runs)


def _seconds(runs: Sequence[Run]) -> float:
    """What training one run takes, its frozen part included, the mean; all of the run where its recipe did not say."""
    found = []
    for run in runs:
        try:
            seconds = run.json(run.experiment)["seconds"]
            found.append(float(seconds["train"]) + float(seconds.get("prefix", 0.0)))
        except (LabError, KeyError, TypeError):
            found.append(float(run.info.get("seconds") or 0.0))
    return mean(found)


def _over(measured: Sequence[MeasuredRow]) -> str:
    """`10 folds`, `3 seeds`: what the rows are means over."""
    return max(measured, key=lambda part: len(part.measurements)).row.counted


def _controls(rows: Sequence[Row], results: Mapping[str, Any], key: tuple[str, str, str]) -> dict[str, float]:
    """Mean validation value of every control row."""
    found: dict[str, float] = {}
    for row in rows:
        values = [
            float(result["value"])
            for run in row.runs
            for result in results[run.id]
            if (result["evaluation"], result["metric"], result["split"]) == key
        ]
        if values:
            found[row.label] = mean(values)
    return found


def _similarity(asked: Sequence[Row], controls: Sequence[Row], best: float) -> float | None:
    """From the nearest-neighbour accuracy on the last features, frozen and of the untrained network."""
    from lab.evaluation.transferability import similarity_to_pretraining

    frozen, untrained = _knn(asked), _knn(controls)
    return None if frozen is None or untrained is None else similarity_to_pretraining(frozen, untrained, best)


def _knn(rows: Sequence[Row]) -> float | None:
    for run in (run for row in rows for run in row.runs):
        try:
            return float(run.json("finetune")["probes"][-1]["knn"])
        except (LabError, KeyError, IndexError, TypeError):
            continue
    return None


def _test_row(row: Row) -> tuple[TableRow | None, int]:
    """The row's own table on test items, looked at once the choice is made."""
    from lab.report.comparison import compare

    for table in compare([row]).tables:
        if table.split == TEST and table.primary and table.ranked:
            return table.ranked[0], table.n
    return None, 0
