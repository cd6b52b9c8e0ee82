"""How many more seeds or test items would let a difference that matters be seen.

Power is for the margin, the smallest difference that matters, never for the difference just seen: a power computed
from the result it is to judge only says the p-value again (Hoenig and Heisey 2001, doi:10.1198/000313001300339897).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.evaluation.intervals import Estimate

MOST_SEEDS, MOST_ITEMS = 1_000, 10_000_000


@dataclass(frozen=True)
class Needed:
    """What two rows that truly differ by `margin` need for a verdict of better or worse with probability `wanted`.

    `power`: that probability with the seeds and items at hand. `seeds`: seeds a row with these items; `items`: items
    with these seeds. Either is the number at hand where that suffices, and None where no number up to 1,000 seeds or
    10,000,000 items would do (or, for seeds, where none vary). Over folds `seeds` counts folds, and `labels` says how
    many times the labels would do instead.
    """

    margin: float
    wanted: float
    power: float
    seeds: int | None
    items: int | None
    labels: float | None = None


def needed(estimate: Estimate, margin: float, alpha: float = 0.05, wanted: float = 0.8) -> Needed:
    """Power at a true difference of `margin`, and the seeds or items that would raise it to `wanted`.

    `estimate`: the difference that was seen, for its variance components only; `alpha`: the level of its interval.

    Raises:
        ValueError: a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"margin must be positive, not {margin}")
    seeds = max((part.count for part in estimate.components if part.source == "seeds"), default=0)
    items = estimate.components[-1].count

    def with_seeds(count: int) -> bool:
        return power(scaled(estimate, seeds=count / seeds), margin, alpha) >= wanted

    def with_items(count: int) -> bool:
        return power(scaled(estimate, items=count / items), margin, alpha) >= wanted

    return Needed(
        margin=margin,
        wanted=wanted,
        power=power(estimate, margin, alpha),
        seeds=smallest(with_seeds, seeds, MOST_SEEDS) if seeds else None,
        items=smallest(with_items, items, MOST_ITEMS),
    )


def power(estimate: Estimate, difference: float, alpha: float = 0.05) -> float:
    """Probability that the 1 - `alpha` interval leaves out zero when the true difference is `difference`.

    The variance components are taken as known (the half-width is what they give on average).
    """
    from scipy.special import ndtr

    error = estimate.standard_error
    if error == 0:
        return 1.0
    half = estimate.half_width(alpha)
    return float(ndtr((difference - half) / error) + ndtr((-difference - half) / error))


def scaled(estimate: Estimate, *, seeds: float = 1.0, items: float = 1.0) -> Estimate:
    """The estimate as it would be, on average, with `seeds` times the seeds and `items` times the items.

    More seeds divide the seed part; more items divide the item part and the interaction within the seed part.
    """
    parts = []
    for part in estimate.components:
        factor = seeds if part.source == "seeds" else items
        count = max(round(part.count * factor), 2)
        if part.source == "items":
            variance, residual = part.variance / items, 0.0
        else:
            residual = min(part.residual, part.variance)
            variance = (part.variance - residual + residual / items) / seeds
            residual /= items * seeds
        parts.append(replace(part, variance=variance, count=count, degrees=count - 1, residual=residual))
    return replace(estimate, components=tuple(parts))


def smallest(suffices: Callable[[int], bool], start: int, most: int) -> int | None:
    """The smallest count from `start` to `most` that suffices (more never hurts), or None."""
    if suffices(start):
        return start
    low, high = start, start
    while not suffices(high):
        if high >= most:
            return None
        low, high = high, min(high * 2, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high
