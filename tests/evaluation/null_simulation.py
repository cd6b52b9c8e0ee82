"""How often each candidate method sees a difference where there is none.

    python tests/evaluation/null_simulation.py        # prints the table of docs/statistics.md, some minutes

Both rows of every simulated comparison come from one distribution, so that every "better" or "worse" is false. The two
methods that lost (they exceed α) live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from lab.evaluation.intervals import collapse, difference_estimate, mean_squares

Pair = tuple[np.ndarray, np.ndarray]
Generator = Callable[[np.random.Generator, int, int], Pair]

SEEDS, ITEMS = (3, 5, 10), (120, 200, 1000)

# Shares of the variance of the mean difference that come from seeds, from items and from seed by item.
MIXES = {
    "items": (0, 1, 0),
    "mostly items": (0.1, 0.8, 0.1),
    "seeds and items": (0.5, 0.5, 0),
    "mostly seeds": (0.8, 0.2, 0),
    "seeds": (1, 0, 0),
    "seed by item": (0, 0, 1),
    "all three": (1 / 3, 1 / 3, 1 / 3),
}


def effects(rng: np.random.Generator, seeds: int, items: int, mix: tuple[float, float, float]) -> np.ndarray:
    """One row's scores: normal effects whose shares of the variance of the grand mean are `mix`."""
    seed, item, both = (np.sqrt(share) for share in mix)
    return (
        seed * np.sqrt(seeds) * rng.standard_normal((seeds, 1))
        + item * np.sqrt(items) * rng.standard_normal((1, items))
        + both * np.sqrt(seeds * items) * rng.standard_normal((seeds, items))
    )


def normal(mix: str) -> Generator:
    """Continuous scores such as losses; items differ in difficulty, alike for both rows."""

    def generate(rng: np.random.Generator, seeds: int, items: int) -> Pair:
        difficulty = 30 * rng.standard_normal(items)
        return difficulty + effects(rng, seeds, items, MIXES[mix]), difficulty + effects(rng, seeds, items, MIXES[mix])

    return generate


def right_or_wrong(accuracy: float, seed: float, item: float, both: float) -> Generator:
    """0/1 scores: a normal quantity above a threshold, with these standard deviations beside a difficulty's of 1."""
    from scipy.stats import norm

    threshold = norm.ppf(accuracy) * np.sqrt(1 + seed**2 + item**2 + both**2)

    def generate(rng: np.random.Generator, seeds: int, items: int) -> Pair:
        difficulty = rng.standard_normal(items)

        def row() -> np.ndarray:
            latent = difficulty + seed * rng.standard_normal((seeds, 1)) + item * rng.standard_normal((1, items))
            return (latent + both * rng.standard_normal((seeds, items)) < threshold).astype(float)

        return row(), row()

    return generate


def correlation(item: float, both: float, seed: float) -> Generator:
    """Jackknife pseudo-values of Spearman's correlation of a row's similarities with human ratings.

    `item`, `both`: noise of a row that all its seeds share, and that each draws anew; `seed`: how much the size of
    the latter varies between seeds (standard deviation of its logarithm).
    """

    def generate(rng: np.random.Generator, seeds: int, items: int) -> Pair:
        human = rng.standard_normal(items)

        def row() -> np.ndarray:
            shared = human + item * rng.standard_normal(items)
            noise = both * np.exp(seed * rng.standard_normal(seeds))
            return np.array([pseudo_values(human, shared + size * rng.standard_normal(items)) for size in noise])

        return row(), row()

    return generate


def pseudo_values(human: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Centred jackknife pseudo-values, `(n,)`, of Spearman's correlation of two vectors without ties."""
    n = len(human)
    ranks, others = human.argsort().argsort(), model.argsort().argsort()
    gap = (ranks - others).astype(float)
    above = (ranks[:, None] < ranks).astype(float) - (others[:, None] < others)  # how each rank falls without item i
    left = (gap**2).sum() - gap**2 - 2 * above @ gap + (above**2).sum(axis=1)
    whole = 1 - 6 * (gap**2).sum() / (n * (n * n - 1))
    without = 1 - 6 * left / ((n - 1) * ((n - 1) ** 2 - 1))
    pseudo = n * whole - (n - 1) * without
    return pseudo - pseudo.mean() + whole


def unequal(first_seeds: int, ratio: float) -> Generator:
    """Unpaired rows: the first has `first_seeds` seeds, and its seeds vary `ratio` times as much."""

    def generate(rng: np.random.Generator, seeds: int, items: int) -> Pair:
        difficulty = 30 * rng.standard_normal(items)
        first = difficulty + effects(rng, first_seeds, items, (ratio**2 * first_seeds / seeds, 1, 0.1))
        return first, difficulty + effects(rng, seeds, items, (1, 1, 0.1))

    return generate


def against_deterministic(rng: np.random.Generator, seeds: int, items: int) -> Pair:
    """A row with seeds against one in which nothing random varied."""
    difficulty = 30 * rng.standard_normal(items)
    return difficulty + effects(rng, seeds, items, (0.5, 0.4, 0.1)), difficulty + effects(rng, 1, items, (0, 0.5, 0))


GENERATORS: dict[str, Generator] = {
    **{f"normal: {mix}": normal(mix) for mix in MIXES},
    "0/1, 60 % right": right_or_wrong(0.6, seed=0.1, item=0.5, both=0.3),
    "0/1, 60 % right, mostly seeds": right_or_wrong(0.6, seed=0.5, item=0.2, both=0.1),
    "0/1, 97 % right": right_or_wrong(0.97, seed=0.1, item=0.3, both=0.2),
    "Spearman, mostly items": correlation(item=1.0, both=0.3, seed=0.1),
    "Spearman, mostly seeds": correlation(item=0.3, both=1.0, seed=0.4),
}
UNPAIRED: dict[str, Generator] = {
    "unpaired": unequal(5, 1.0),
    "unpaired, unequal variance": unequal(3, 5.0),
    "against a deterministic row": against_deterministic,
}


def two_way(first: np.ndarray, second: np.ndarray, alpha: float = 0.05, paired: bool = True) -> bool:
    """Whether the method of `lab` sees a difference."""
    estimate = difference_estimate(first, second, paired=paired)
    return abs(estimate.center) > estimate.half_width(alpha)


def satterthwaite(first: np.ndarray, second: np.ndarray, alpha: float = 0.05) -> bool:
    """Two-way random effects, one t with Satterthwaite's degrees of freedom for the sum of mean squares."""
    from scipy.special import stdtrit

    difference = collapse(first - second)
    seeds, items = difference.shape
    if seeds == 1:
        return two_way(first, second, alpha)
    rows, columns, residual = mean_squares(difference)
    total = max(rows + columns - residual, 1e-12)
    spread = rows**2 / (seeds - 1) + columns**2 / (items - 1) + residual**2 / ((seeds - 1) * (items - 1))
    degrees = max(total**2 / spread, 1.0)
    return abs(difference.mean()) > -stdtrit(degrees, alpha / 2) * np.sqrt(total / (seeds * items))


def crossed_bootstrap(first: np.ndarray, second: np.ndarray, alpha: float = 0.05) -> bool:
    """Percentile bootstrap that draws seeds and items with replacement (Owen 2007, arXiv:math/0702286)."""
    difference = first - second
    by_seed, by_item = (_resamples(n) for n in difference.shape)
    means = ((by_seed @ difference) * by_item).sum(axis=1)
    low, high = np.quantile(means, (alpha / 2, 1 - alpha / 2))
    return bool(low > 0 or high < 0)


@cache
def _resamples(n: int, resamples: int = 499) -> np.ndarray:
    """Weights of bootstrap resamples of `n` things, `(resamples, n)`; without regard to data, so one set will do."""
    return np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), size=resamples) / n


METHODS = {"two-way": two_way, "Satterthwaite": satterthwaite, "bootstrap": crossed_bootstrap}


def false_positives(
    generate: Generator, seeds: int, items: int, trials: int, methods: tuple[str, ...] = ("two-way",), **options: object
) -> dict[str, float]:
    """The share of `trials` in which each method sees a difference that is not there."""
    rng = np.random.default_rng([seeds, items, trials])
    seen = dict.fromkeys(methods, 0)
    for _ in range(trials):
        pair = generate(rng, seeds, items)
        for method in methods:
            seen[method] += bool(METHODS[method](*pair, **options))
    return {method: count / trials for method, count in seen.items()}


def main(trials: int = 2000) -> None:
    """Print the rates, in per cent, at every number of seeds and items."""
    print(f"| scores | {' | '.join(f'{s} × {i:,}' for s in SEEDS for i in ITEMS)} |")
    print(f"| --- |{' --- |' * len(SEEDS) * len(ITEMS)}")
    for name, generate in (GENERATORS | UNPAIRED).items():
        cells = []
        for seeds in SEEDS:
            for items in ITEMS:
                if name in UNPAIRED:
                    rates = false_positives(generate, seeds, items, trials, paired=False)
                else:
                    few = trials // 4 if name.startswith("Spearman") and items == 1000 else trials
                    rates = false_positives(generate, seeds, items, few, tuple(METHODS))
                cells.append(" / ".join(f"{100 * rate:.1f}" for rate in rates.values()))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
