"""How often the intervals over items hold what they promise; `docs/spaces.md` has the figures.

    python tests/evaluation/space_simulation.py [repeats]

In each of four worlds two spaces are drawn again and again. The truth is the mean of a measure over all draws; the
coverage is the share of draws whose 95 % interval holds it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np

from lab.evaluation import space_comparison as whole
from lab.evaluation import space_neighbors as near

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
MEASURES = ("jaccard@10", "rbo", "cka", "cka_debiased", "procrustes", "rsa")


def noisy(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same cloud with noise."""
    cause = rng.normal(size=(n, 20))
    return cause, cause + 0.7 * rng.normal(size=cause.shape)


def clustered(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Eight clusters that both spaces have, and nothing else in common."""
    centres = 1.5 * np.random.default_rng(5).normal(size=(8, 20))[rng.integers(8, size=n)]
    return centres + rng.normal(size=centres.shape), centres + rng.normal(size=centres.shape)


def partly_new(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Three items in ten have gone anywhere, the others hardly moved."""
    cause = rng.normal(size=(n, 10))
    gone = rng.random(n) < 0.3
    return cause, np.where(gone[:, None], rng.normal(size=cause.shape), cause + 0.2 * rng.normal(size=cause.shape))


def hubs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sixty dimensions and lengths that differ much."""
    cause = rng.normal(size=(n, 60)) * np.exp(0.5 * rng.normal(size=(n, 1)))
    return cause, cause + rng.normal(size=cause.shape)


WORLDS: dict[str, Draw] = {"noisy": noisy, "clustered": clustered, "partly new": partly_new, "hubs": hubs}


def measured(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[float, float, float]]:
    """Value and interval of each of `MEASURES`."""
    everything = np.arange(len(first))
    lists = [near.neighbor_lists(space, 50, everything, rng.permutation(len(first))) for space in (first, second)]
    overlap = near.overlap(*lists)
    x, y = whole.centred(first), whole.centred(second)
    for found in (
        overlap.jaccard(10),
        overlap.rank_biased(),
        whole.linear_cka(x, y),
        whole.linear_cka(x, y, debiased=True),
        whole.procrustes(x, y),
        whole.representational_similarity(whole.pair_ranks(x), whole.pair_ranks(y)),
    ):
        yield found.value, *found.interval()


def coverage(draw: Draw, n: int, repeats: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """By measure: the coverage, and how wide the intervals are beside what they should be (1 is right)."""
    rng = np.random.default_rng(seed)
    found = np.array([list(measured(*draw(rng, n), rng)) for _ in range(repeats)])  # (repeats, measures, 3)
    values, low, high = (found[:, :, i] for i in range(3))
    truth = values.mean(axis=0)
    held = ((low <= truth) & (truth <= high)).mean(axis=0)
    wide = (high - low).mean(axis=0) / (2 * 1.96 * values.std(axis=0, ddof=1))
    return {name: (float(held[i]), float(wide[i])) for i, name in enumerate(MEASURES)}


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for items in (100, 300):
        for world, one in WORLDS.items():
            told = [f"{name} {held:.2f} ({wide:.1f})" for name, (held, wide) in coverage(one, items, times).items()]
            print(f"{world}, {items} items: {', '.join(told)}", flush=True)
