"""Which rows of a table differ, decided by one rule, with the usual other tests beside it.

The rule: the interval of the difference of two rows, seeds and test items both taken as random
(`lab.evaluation.intervals`), at a level adjusted by Holm's method over all pairs of the table. An interval on one side
of zero says better or worse; one inside ±margin says equivalent; any other says that the two cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.evaluation.intervals import Estimate, Scores, collapse, difference_estimate, mean_estimate, score_matrix
from lab.evaluation.power import Needed, needed

Verdict = Literal["better", "worse", "equivalent", "cannot tell"]
FEWEST_SEEDS = 3
_ROUNDING = 1e-12  # of its size: below this a spread is nothing but rounding


class ScoreRow:
    """One row of a table: what each of its seeds earned on each test item.

    `scores`: `(seeds, items) float64`, row s of the matrix from seed `seeds[s]`; the items and their order are the same
    in all rows that are compared. `deterministic`: nothing random varied, known from the recipe or seen in two or more
    seeds with identical scores; the matrix then has one row.

    Raises:
        ValueError: see `score_matrix`; also when there is not one distinct seed for each row of the matrix.
    """

    def __init__(self, scores: ArrayLike, seeds: Sequence[Hashable], *, deterministic: bool = False) -> None:
        matrix = score_matrix(scores)
        if len(set(seeds)) != len(seeds) or len(seeds) != len(matrix):
            raise ValueError(f"{len(matrix)} rows of scores need as many distinct seeds, not {list(seeds)}")
        self.scores: Scores = collapse(matrix)
        self.deterministic = len(self.scores) == 1 and (deterministic or len(matrix) > 1)
        self.seeds = tuple(seeds)

    @property
    def mean(self) -> Estimate:
        """The mean over seeds and items with its interval."""
        return mean_estimate(self.scores)

    @property
    def enough_seeds(self) -> bool:
        """Whether a winner may be named with this row: three seeds, or nothing random to have seeds of."""
        return self.deterministic or len(self.seeds) >= FEWEST_SEEDS


@dataclass(frozen=True)
class SideTest:
    """A p-value that stands beside the rule and decides nothing. `smallest`: the least it could have been."""

    p_value: float
    smallest: float = 0.0


@dataclass(frozen=True)
class Difference:
    """Row `first` minus row `second` (their places in the list that was compared), in units of the metric.

    `low`, `high`: the interval at level 1 - `alpha`, Holm's level for this pair; `p_value`, `p_holm`: before and after
    Holm's adjustment. `verdict` is about the first row. `enough_seeds`: False where a row has too few for a verdict.
    `within_margin`: the whole interval lies inside ±margin, whatever the verdict.
    `effect`: difference over the standard deviation of one seed's difference on one item.
    `seed_test`: Student's t over seeds (Welch's where unpaired), `item_test`: Student's t over items, `permutation`:
    exact over seeds; None where no seeds vary, or every split has items of its own. `needed`: what would settle it.
    """

    first: int
    second: int
    value: float
    low: float
    high: float
    alpha: float
    p_value: float
    p_holm: float
    verdict: Verdict
    enough_seeds: bool
    within_margin: bool
    paired: bool
    effect: float
    seed_test: SideTest | None
    item_test: SideTest | None
    permutation: SideTest | None
    needed: Needed


def compare_rows(
    rows: Sequence[ScoreRow],
    *,
    higher_is_better: bool = True,
    margin: float = 0.01,
    alpha: float = 0.05,
    adjust: Callable[[Estimate], Estimate] = lambda estimate: estimate,
    controls: Collection[int] = (),
) -> list[Difference]:
    """Compare every pair of rows (first before second in the list), Holm-adjusted over all of them.

    `margin`: the smallest difference that matters, in units of the metric. `alpha`: the error rate of all these pairs.
    `controls`: rows against which the others are only held; their pairs are a family of their own, see `families`.
    `adjust`: what else makes a difference uncertain, such as `lab.evaluation.fold_comparison.widened`.

    Raises:
        ValueError: rows over different numbers of items, a margin that is not positive, or alpha outside (0, 1).
    """
    if not margin > 0 or not 0 < alpha < 1:
        raise ValueError(f"margin must be positive and alpha between 0 and 1, not {margin} and {alpha}")
    found = []
    for pairs in families(len(rows), controls):
        paired = [seeds_match(rows[i], rows[j]) for i, j in pairs]
        estimates = [
            adjust(difference_estimate(rows[i].scores, rows[j].scores, paired=match))
            for (i, j), match in zip(pairs, paired, strict=True)
        ]
        p_values = np.array([estimate.p_value() for estimate in estimates])
        found += [
            _difference(rows, pair, match, estimate, float(adjusted), higher_is_better, margin, alpha)
            for pair, match, estimate, adjusted in zip(pairs, paired, estimates, holm(p_values), strict=True)
        ]
    return found


def families(count: int, controls: Collection[int] = ()) -> list[list[tuple[int, int]]]:
    """The pairs of `count` rows that share one error rate.

    All of them; or, with `controls`, the others among each other, and each of these with each control, so that rows
    that only show how little is needed do not widen the intervals of the question itself. Two controls are no pair.
    """
    pairs = list(combinations(range(count), 2))
    if not controls:
        return [pairs]
    among = [pair for pair in pairs if not set(pair) & set(controls)]
    return [among, [pair for pair in pairs if len(set(pair) & set(controls)) == 1]]


def seeds_match(first: ScoreRow, second: ScoreRow) -> bool:
    """Whether differences can be taken seed by seed: both rows vary, over the same seeds in the same order."""
    return len(first.scores) > 1 and first.seeds == second.seeds and len(second.scores) > 1


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment of `(m,)` p-values (Holm 1979): the k-th smallest times m - k + 1, kept ascending.

    The results may exceed 1, so that result over p-value is the number of tests that the pair's level is divided by.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return adjusted


def best_rows(
    rows: Sequence[ScoreRow], differences: Sequence[Difference], *, higher_is_better: bool = True
) -> set[int]:
    """The row with the best mean and every row that cannot be told from it (the bold ones)."""
    means = [row.mean.value for row in rows]
    best = int(np.argmax(means) if higher_is_better else np.argmin(means))
    return not_worse(best, len(rows), differences)


def not_worse(best: int, count: int, differences: Sequence[Difference]) -> set[int]:
    """Of `count` rows those that no verdict calls worse than row `best`, itself included."""
    loses = {pair.first for pair in differences if pair.second == best and pair.verdict == "worse"}
    loses |= {pair.second for pair in differences if pair.first == best and pair.verdict == "better"}
    return set(range(count)) - loses


def _difference(
    rows: Sequence[ScoreRow],
    pair: tuple[int, int],
    paired: bool,
    estimate: Estimate,
    p_holm: float,
    higher_is_better: bool,
    margin: float,
    alpha: float,
) -> Difference:
    first, second = rows[pair[0]], rows[pair[1]]
    seed_test, item_test, permutation = side_tests(first.scores, second.scores, paired)
    return judged(
        pair,
        estimate,
        p_holm,
        enough=first.enough_seeds and second.enough_seeds,
        higher_is_better=higher_is_better,
        margin=margin,
        alpha=alpha,
        need=lambda level: needed(estimate, margin, level),
        paired=paired,
        effect=effect_size(first.scores, second.scores, paired),
        seed_test=seed_test,
        item_test=item_test,
        permutation=permutation,
    )


def judged(
    pair: tuple[int, int],
    estimate: Estimate,
    p_holm: float,
    *,
    enough: bool,
    higher_is_better: bool,
    margin: float,
    alpha: float,
    need: Callable[[float], Needed],
    **beside: Any,
) -> Difference:
    """The verdict of one pair: its estimate at the level that Holm's adjustment leaves it.

    `enough`: both rows have the seeds or folds that a winner takes. `need`: what would settle it at a level; `beside`:
    the fields of `Difference` that decide nothing.
    """
    p_value = estimate.p_value()
    level = alpha * p_value / p_holm  # leaves out zero exactly when p_holm < alpha
    low, high = estimate.interval(level)
    within = -margin < low and high < margin
    verdict: Verdict = "cannot tell"
    if enough and (low > 0 or high < 0):
        verdict = "better" if (low > 0) == higher_is_better else "worse"
    elif enough and within:
        verdict = "equivalent"
    return Difference(
        first=pair[0],
        second=pair[1],
        value=estimate.value,
        low=low,
        high=high,
        alpha=level,
        p_value=p_value,
        p_holm=min(p_holm, 1.0),
        verdict=verdict,
        enough_seeds=enough,
        within_margin=within,
        needed=need(level),
        **beside,
    )


def side_tests(first: Scores, second: Scores, paired: bool) -> tuple[SideTest | None, SideTest, SideTest | None]:
    """Seed-only Student t, item-only Student t, and the permutation over seeds, for two `(seeds, items)` matrices.

    The smallest p-value a permutation can give is 2 / 2^S for S paired seeds (.25 at 3, .0625 at 5) and two over the
    number of ways to deal the seeds to the rows where they are unpaired. None stands where no seeds vary.
    """
    item_differences = first.mean(axis=0) - second.mean(axis=0)
    item_test = SideTest(_student(item_differences))
    one, two = first.mean(axis=1), second.mean(axis=1)
    if len(one) == len(two) == 1:
        return None, item_test, None
    if paired or len(one) == 1 or len(two) == 1:
        return SideTest(_student(one - two)), item_test, _permutation((one - two,))
    return SideTest(_welch(one, two)), item_test, _permutation((one, two))


def sample_tests(differences: NDArray[np.float64]) -> tuple[SideTest, SideTest]:
    """Student's t and the permutation over one sample `(n,)` of differences, as if they were independent."""
    return SideTest(_student(differences)), _permutation((differences,))


def effect_size(first: Scores, second: Scores, paired: bool) -> float:
    """Mean difference over the standard deviation of one seed's difference on one item.

    It is Cohen's d for crossed random effects (Westfall, Kenny and Judd 2014, J. Exp. Psychol. Gen. 143:2020); 0 where
    the rows are equal everywhere, infinite where they differ by a constant.
    """
    blocks = [first - second] if paired else [first, second]
    item_differences = first.mean(axis=0) - second.mean(axis=0)
    spread = float(item_differences.var() + sum(block.var(axis=0).mean() for block in blocks)) ** 0.5
    value = float(item_differences.mean())
    if spread <= _ROUNDING * abs(value):
        return 0.0 if value == 0 else float(np.copysign(np.inf, value))
    return value / spread


def _student(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of a zero mean, one sample `(n,)` (Student 1908)."""
    from scipy.special import stdtr

    if np.ptp(differences) <= _ROUNDING * abs(differences[0]):
        return 1.0 if differences[0] == 0 else 0.0
    error = float(differences.std(ddof=1)) / len(differences) ** 0.5
    return 2 * float(stdtr(len(differences) - 1, -abs(float(differences.mean())) / error))


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Two-sided p-value of equal means of two independent samples whose variances may differ (Welch 1947)."""
    from scipy.stats import ttest_ind

    return float(ttest_ind(first, second, equal_var=False).pvalue)


def _permutation(samples: tuple[NDArray[np.float64], ...]) -> SideTest:
    """Exact permutation test over seeds up to 10,000 arrangements, 9,999 seeded random ones beyond.

    One sample holds paired differences, whose signs are flipped; two hold means by seed, which are dealt anew.
    """
    from scipy.stats import permutation_test

    def statistic(*parts: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        means = [part.mean(axis=axis) for part in parts]
        return means[0] - means[1] if len(means) == 2 else means[0]

    sizes = [len(sample) for sample in samples]
    kind, arrangements = (
        ("samples", 2 ** sizes[0]) if len(samples) == 1 else ("independent", comb(sum(sizes), sizes[0]))
    )
    outcome = permutation_test(
        samples, statistic, permutation_type=kind, vectorized=True, n_resamples=9_999, random_state=0
    )
    return SideTest(float(outcome.pvalue), 2 / min(arrangements, 10_000))
