"""Word similarity: do the cosines of word pairs rise with the similarity that people gave them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["spearman", "pearson"]

_FEWEST_PAIRS = 3
_CHUNK_BYTES = 2**21  # of resampling weights held at once: what stays in the processor's cache is fastest


@dataclass(frozen=True)
class Correlation:
    """A correlation over n pairs; NaN with no `pseudo_values` where it is not defined (n < 3, or a constant side).

    `low`, `high`: the 95 % percentile interval over resampled pairs. `pseudo_values` (n,) float64: what each pair
    contributes; their mean is `value`.
    """

    value: float
    low: float
    high: float
    pseudo_values: np.ndarray


def rows_by_word(words: Sequence[str]) -> dict[str, int]:
    """Return the row of each word without regard to case.

    Of words that differ in case alone (`Apple`, `apple`) the first counts: the most frequent where words are ordered
    by frequency. gensim's evaluation does the same with upper case.
    """
    rows: dict[str, int] = {}
    for row, word in enumerate(words):
        rows.setdefault(word.casefold(), row)
    return rows


def pair_cosines(
    words: Sequence[str], vectors: np.ndarray, first: Sequence[str], second: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of each pair of words, and which pairs lack a word.

    `words` (V,) name the rows of `vectors` (V, d) float32; `first` and `second` are n words each, matched without
    regard to case. Returns `cosines` (n,) float64, 0 where a word is missing, and `missing` (n,) bool.
    """
    rows = rows_by_word(words)
    places = np.array([[rows.get(word.casefold(), -1) for word in side] for side in (first, second)], dtype=np.int64)
    missing = np.asarray((places < 0).any(axis=0))
    left, right = (vectors[side].astype(np.float64) for side in places)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    dots = np.einsum("nd,nd->n", left, right)
    cosines = np.divide(dots, norms, out=np.zeros(len(dots)), where=(norms > 0) & ~missing)
    return cosines, missing


def correlate(
    human: np.ndarray, model: np.ndarray, kind: Kind = "spearman", *, resamples: int = 2000, seed: int = 0
) -> Correlation:
    """Correlate two scorings of the same n pairs, with an interval and each pair's share.

    `human`, `model` (n,) float64. Spearman's is Pearson's of the ranks, ties sharing their mean rank (Spearman 1904).
    The interval is the percentile bootstrap over pairs (Efron 1979) of `resamples` resamples drawn from `seed`.
    A pseudo-value is n * value - (n - 1) * value without the pair (Tukey's jackknife), shifted so that the mean is
    exact.
    """
    human, model = np.asarray(human, dtype=np.float64), np.asarray(model, dtype=np.float64)
    n = len(human)
    value = float(_correlations(human, model, np.ones((1, n)), kind)[0]) if n >= _FEWEST_PAIRS else np.nan
    if np.isnan(value):
        return Correlation(np.nan, np.nan, np.nan, np.empty(0))
    generator = np.random.default_rng(seed)
    drawn, left_out = [], []
    for start, stop in _chunks(resamples, n):
        drawn.append(_correlations(human, model, _resampled(n, stop - start, generator), kind))
    for start, stop in _chunks(n, n):
        weights = np.ones((stop - start, n))
        weights[np.arange(stop - start), np.arange(start, stop)] = 0
        left_out.append(_correlations(human, model, weights, kind))
    low, high = np.nanquantile(np.concatenate(drawn), [0.025, 0.975])
    without = np.concatenate(left_out)
    pseudo = n * value - (n - 1) * np.where(np.isnan(without), value, without)
    return Correlation(value, float(low), float(high), pseudo - pseudo.mean() + value)


def _chunks(rows: int, columns: int) -> list[tuple[int, int]]:
    size = max(1, _CHUNK_BYTES // (8 * columns))
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def _resampled(n: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Return how often each of n pairs is in each resample, (resamples, n) float64."""
    drawn = generator.integers(0, n, (resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def _correlations(x: np.ndarray, y: np.ndarray, weights: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the correlation (m,) of x and y (n,) under each row of whole-number weights (m, n): NaN if undefined."""
    if kind == "spearman":
        x, y = _mean_ranks(x, weights), _mean_ranks(y, weights)
    total = weights.sum(axis=1, keepdims=True)
    x = x - (weights * x).sum(axis=1, keepdims=True) / total
    y = y - (weights * y).sum(axis=1, keepdims=True) / total
    covariance, of_x, of_y = ((weights * a * b).sum(axis=1) for a, b in ((x, y), (x, x), (y, y)))
    spread = np.sqrt(of_x * of_y)
    # Rounding leaves a constant with a spread of some 1e-16 of its size.
    varies = np.minimum(of_x, of_y) > 1e-20 * total[:, 0]
    return np.divide(covariance, spread, out=np.full(len(weights), np.nan), where=varies)


def _mean_ranks(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ranks (m, n) of x (n,) where item j is there weights[i, j] times, ties sharing their mean rank.

    Sorting once serves all m resamples: a rank is the weight of all that is smaller, plus half of the tie's own.
    """
    _, group = np.unique(x, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    return (np.cumsum(tied, axis=1) - (tied - 1) / 2)[:, group]
