"""Which strategy to use: the cheapest that loses less than the margin against every other.

A candidate is non-inferior when, against each of the others, the one-sided upper bound of what it loses (seeds and
items random, `lab.evaluation.intervals`; or folds, `lab.evaluation.resampled`) is below the margin. The best is picked
from the same scores, so nothing is compared with "the best" as if that were known: whoever passes against all has
passed against the true best (an intersection-union test, Berger 1982), the one that leads so far included.

Several candidates have several chances to pass by luck. At most K - 1 of K can be inferior, one being the best itself,
so that the k-th smallest of their p-values is multiplied by min(K - 1, K - k + 1) (Holm's method with Shaffer's first
step, 1986, doi:10.1080/01621459.1986.10478341). `docs/statistics.md` gives the rates of false recommendations of
`tests/evaluation/recommendation_simulation.py`: without the adjustment they exceed α.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.intervals import Estimate, difference_estimate
from lab.evaluation.power import needed, power, scaled, smallest
from lab.evaluation.resampled import FoldScores, folds_needed, resampled_difference
from lab.evaluation.significance import FEWEST_SEEDS, ScoreRow, seeds_match

WANTED = 0.8  # power of what is said to be needed
PRACTICAL_SEEDS = 100  # of more additional seeds nobody is told to run them


@dataclass(frozen=True)
class Candidate:
    """A strategy: its `label`, validation or out-of-fold `scores`, and what a training costs in seconds.

    `scores`: (seeds, items), or one mean a fold; the same kind, items and folds for all candidates.
    """

    label: str
    scores: ScoreRow | FoldScores
    cost_seconds: float

    @property
    def mean(self) -> float:
        """The plain mean of the scores."""
        return float(self.scores.mean.value if isinstance(self.scores, ScoreRow) else self.scores.values.mean())


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands, in units of the metric.

    `loss`: how much worse than the best mean it is. `upper`: the largest upper bound of what it loses against any
    other, at the level adjusted for all candidates, and `against` whom; `p_value` is adjusted too. `non_inferior`:
    the bound is below the margin, and nobody has too few seeds.
    """

    label: str
    mean: float
    cost_seconds: float
    loss: float
    upper: float
    against: str | None
    p_value: float
    non_inferior: bool


@dataclass(frozen=True)
class More:
    """What would probably (80 %) show that `label` is non-inferior if it truly loses nothing.

    `seeds`, `items`, `folds`: that many *more*, of that kind alone; `both`: more seeds together with more items, where
    neither alone would do; `labels`: that many times the labels (folds only). None where no number would do, or the
    kind does not apply.
    """

    label: str
    seeds: int | None = None
    items: int | None = None
    both: tuple[int, int] | None = None
    folds: int | None = None
    labels: float | None = None


@dataclass(frozen=True)
class Recommendation:
    """The cheapest non-inferior candidate, or None where it is not `settled`; `best` has the best mean so far.

    `standings`: all candidates, cheapest first. `needed`: what would settle it, None where it is. `reasons`: whole
    sentences for a reader.
    """

    recommended: str | None
    best: str
    margin: float
    alpha: float
    standings: list[Standing]
    needed: More | None
    reasons: list[str]

    @property
    def settled(self) -> bool:
        """Whether any candidate was shown to be non-inferior."""
        return self.recommended is not None

    def to_dict(self) -> dict[str, Any]:
        """Everything, for a JSON file."""
        return {**asdict(self), "settled": self.settled}


def recommend(
    candidates: Sequence[Candidate], *, margin: float = 0.01, alpha: float = 0.05, higher_is_better: bool = True
) -> Recommendation:
    """The cheapest candidate that is non-inferior to every other, with its reasons.

    `margin`: the smallest difference that matters, in units of the metric. `alpha`: the chance, at most, that what is
    recommended is worse than the truly best by the margin or more.

    Raises:
        ValueError: no candidate, labels that are not distinct, scores that do not fit together, a margin that is not
            positive, or alpha outside (0, 0.5).
    """
    _check(candidates, margin, alpha)
    means = np.array([candidate.mean for candidate in candidates]) * (1 if higher_is_better else -1)
    losses = _losses(candidates, higher_is_better)
    p_values = np.array([max((one_sided_p(e, margin) for e in row.values()), default=0.0) for row in losses])
    adjusted = shaffer(p_values)
    levels = alpha * p_values / np.maximum(adjusted, 1e-300)
    few = [c.label for c in candidates if isinstance(c.scores, ScoreRow) and not c.scores.enough_seeds]
    passes = (adjusted < alpha) & (not few or len(candidates) == 1)
    order = sorted(range(len(candidates)), key=lambda i: (candidates[i].cost_seconds, -means[i], candidates[i].label))
    standings = [
        _standing(candidates, means, losses, place, float(levels[place]), float(adjusted[place]), bool(passes[place]))
        for place in order
    ]
    passed = [place for place in order if passes[place]]
    chosen = candidates[passed[0]].label if passed else None
    more = None
    if not passed:
        near = next(place for place in order if means[place] > means.max() - margin)
        more = _more(candidates[near].label, losses[near], margin, float(levels[near]))
    best = candidates[int(means.argmax())].label
    reasons = _reasons(chosen, best, standings, margin, more, few)
    return Recommendation(chosen, best, margin, alpha, standings, more, reasons)


def _standing(
    candidates: Sequence[Candidate],
    means: NDArray[np.float64],
    losses: list[dict[int, Estimate]],
    place: int,
    level: float,
    p_value: float,
    passes: bool,
) -> Standing:
    own = candidates[place]
    uppers = {candidates[rival].label: e.center + e.half_width(2 * level) for rival, e in losses[place].items()}
    against = max(uppers, key=lambda label: uppers[label], default=None)
    return Standing(
        label=own.label,
        mean=own.mean,
        cost_seconds=own.cost_seconds,
        loss=float(means.max() - means[place]),
        upper=0.0 if against is None else float(uppers[against]),
        against=against,
        p_value=min(p_value, 1.0),
        non_inferior=passes,
    )


def shaffer(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted `(K,)` p-values of hypotheses of which at most K - 1 are true; they may exceed 1, as those of `holm`."""
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    factors = np.minimum(np.arange(count, 0, -1), max(count - 1, 1))
    adjusted = np.empty(count)
    adjusted[order] = np.maximum.accumulate(p_values[order] * factors)
    return adjusted


def one_sided_p(loss: Estimate, margin: float) -> float:
    """The smallest level at which the upper bound of the `loss` is below the `margin`."""
    gap = loss.center - margin
    two_sided = replace(loss, center=gap).p_value()
    return two_sided / 2 if gap < 0 else 1 - two_sided / 2


def _check(candidates: Sequence[Candidate], margin: float, alpha: float) -> None:
    labels = [candidate.label for candidate in candidates]
    if not labels or len(set(labels)) != len(labels):
        raise ValueError(f"candidates need distinct labels, not {labels}")
    if not margin > 0 or not 0 < alpha < 0.5:
        raise ValueError(f"margin must be positive and alpha between 0 and 0.5, not {margin} and {alpha}")
    shapes = {
        (c.scores.scores.shape[1],) if isinstance(c.scores, ScoreRow) else (len(c.scores.values), c.scores.test_n)
        for c in candidates
    }
    if len(shapes) != 1:
        raise ValueError(f"candidates must be scored on the same items or folds, not {sorted(shapes)}")


def _losses(candidates: Sequence[Candidate], higher_is_better: bool) -> list[dict[int, Estimate]]:
    """For every candidate, what it loses against each of the others."""
    losses: list[dict[int, Estimate]] = [{} for _ in candidates]
    for i, first in enumerate(candidates):
        for j in range(i + 1, len(candidates)):
            estimate = _difference(first.scores, candidates[j].scores)
            mirrored = replace(estimate, value=-estimate.value, center=-estimate.center)
            losses[j][i], losses[i][j] = (estimate, mirrored) if higher_is_better else (mirrored, estimate)
    return losses


def _difference(first: ScoreRow | FoldScores, second: ScoreRow | FoldScores) -> Estimate:
    if isinstance(first, ScoreRow) and isinstance(second, ScoreRow):
        return difference_estimate(first.scores, second.scores, paired=seeds_match(first, second))
    if isinstance(first, FoldScores) and isinstance(second, FoldScores):
        return resampled_difference(first.values - second.values, first.train_n, first.test_n)
    raise ValueError("candidates must all have scores by item or all by fold")


def _more(label: str, losses: dict[int, Estimate], margin: float, level: float) -> More:
    """What lets the upper bounds of true losses of zero fall below the margin, against every rival at once."""
    undecided = [loss for loss in losses.values() if loss.center + loss.half_width(2 * level) >= margin]
    if not undecided:  # only seeds are lacking
        return More(label)
    if undecided[0].components[0].source == "folds":
        count = undecided[0].components[0].count
        found = [folds_needed(loss, margin, 2 * level) for loss in undecided]
        folds = _largest([need.folds for need in found])
        return More(
            label, folds=None if folds is None else int(folds) - count, labels=_largest([n.labels for n in found])
        )
    items, seeds = undecided[0].components[-1].count, max(_seeds(loss) for loss in undecided)
    plain = [needed(loss, margin, 2 * level) for loss in undecided]
    more_seeds, more_items = _largest([need.seeds for need in plain]), _largest([need.items for need in plain])
    if more_seeds is not None or more_items is not None:
        return More(
            label,
            seeds=None if more_seeds is None else int(more_seeds) - seeds,
            items=None if more_items is None else int(more_items) - items,
        )

    def both_suffice(tenths: int) -> bool:
        grown = [scaled(loss, seeds=tenths / 10, items=tenths / 10) for loss in undecided]
        return all(power(loss, margin, 2 * level) >= WANTED for loss in grown)

    tenths = smallest(both_suffice, 10, 10_000)
    both = None if tenths is None else (ceil(seeds * (tenths / 10 - 1)), ceil(items * (tenths / 10 - 1)))
    return More(label, both=both)


def _seeds(loss: Estimate) -> int:
    return max((part.count for part in loss.components if part.source == "seeds"), default=0)


def _largest(counts: Sequence[float | None]) -> float | None:
    """The largest, or None where any is None."""
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) else None


def _reasons(
    chosen: str | None, best: str, standings: list[Standing], margin: float, more: More | None, few: list[str]
) -> list[str]:
    """Whole sentences, the answer first."""
    by_label = {standing.label: standing for standing in standings}
    if chosen is not None:
        own = by_label[chosen]
        reasons = [f"{chosen} is the cheapest that loses less than {margin:g} against every other one"]
        if own.against is not None:
            reasons = [f"{reasons[0]}: at most {max(own.upper, 0):.4f} against {own.against}"]
        cheaper = standings[: standings.index(own)]
        reasons += [
            f"{standing.label} is cheaper, but may lose {standing.upper:.4f} against {standing.against}"
            for standing in cheaper
        ]
        return reasons
    reasons = [f"not settled: {best} is best so far, but none is shown to lose less than {margin:g} against all others"]
    if few:
        reasons.append(f"fewer than {FEWEST_SEEDS} seeds name no winner: {', '.join(few)}")
    if more is not None:
        practical = more.both is None or more.both[0] <= PRACTICAL_SEEDS
        ways = [
            f"{more.seeds} more seeds" if more.seeds else "",
            f"{more.items:,} more validation items" if more.items else "",
            f"{more.both[0]} more seeds with {more.both[1]:,} more validation items" if more.both and practical else "",
            f"{more.folds} more folds" if more.folds else "",
            f"{more.labels:g} times the labels" if more.labels and more.labels > 1 else "",
        ]
        said = " or ".join(way for way in ways if way)
        if said:
            reasons.append(f"if {more.label} loses nothing, {said} would probably show it")
        elif not practical:
            reasons.append(
                f"the seeds differ too much for these validation items: even if {more.label} loses nothing, showing it "
                f"would take hundreds of seeds"
            )
    return reasons
