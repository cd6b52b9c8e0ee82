"""What more labels would bring: a law through the errors at several training sizes, with an interval.

    error(n) = floor + scale · fall(n),  scale ≥ 0

where fall(n) is a power n^-rate (Hestness et al. 2017, arXiv:1712.00409), -log n, or exp(-n / size): which of them fits
best is part of what is uncertain (Viering and Loog 2022, arXiv:2103.10948, find no single law for all learners). The
interval comes from a parametric bootstrap: means over seeds are drawn anew with the spread that seeds have (Student's
t, since it is itself estimated), and a law is fitted to each draw. How far that can be trusted is tried on the curve
itself: the largest size is hidden and predicted from the others, and where that misses, the interval is widened by as
much.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_SIZES, FEWEST_SEEDS = 3, 2
_RATES = np.geomspace(0.05, 3.0, 30)  # of the power laws
_DECAYS = np.geomspace(0.05, 2.0, 15)  # of the exponential ones: the size over the largest one
_DRAWS = 1000
_QUANTILES = (0.0125, 0.995)  # no gain is negative, so 2.5 and 97.5 % cover 88 % only (tests/evaluation)


@dataclass(frozen=True)
class HiddenSize:
    """The largest `size` predicted from the others: `predicted` within [`low`, `high`] (95 %), and what was `observed`.

    `held`: the interval holds what was observed.
    """

    size: float
    predicted: float
    low: float
    high: float
    observed: float
    held: bool


@dataclass(frozen=True)
class ExpectedGain:
    """The error that `more` labels beyond `size` would take away, in units of the error; 95 % interval [`low`, `high`].

    `flat_since`: from this size on the error is shown to be within the margin of that at the largest, and the interval
    of what more would bring is below the margin too; else None. `hidden`: how well the largest size was predicted;
    None with fewer than four sizes. `law`: the fitted one.
    """

    size: float
    more: float
    gain: float
    low: float
    high: float
    flat_since: float | None
    hidden: HiddenSize | None
    law: str

    def sentence(self) -> str:
        """For a reader, errors being shares: "300 more labels: +1.8 points expected [0.6, 3.1]" or "flat since 400"."""
        if self.flat_since is not None:
            return f"flat since {self.flat_since:,.0f}"
        points = (100 * value for value in (self.gain, self.low, self.high))
        return "{:,.0f} more labels: +{:.1f} points expected [{:.1f}, {:.1f}]".format(self.more, *points)

    def to_dict(self) -> dict[str, Any]:
        """Everything, with the sentence, for a JSON file."""
        return {**asdict(self), "sentence": self.sentence()}


@dataclass(frozen=True)
class _Curve:
    """Mean errors (k,) at ascending sizes (k,), the variance of each mean, and its degrees of freedom."""

    sizes: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    degrees: int

    def first(self, count: int) -> _Curve:
        return _Curve(self.sizes[:count], self.means[:count], self.variances[:count], self.degrees)


def expected_gain(
    sizes: ArrayLike, errors: ArrayLike, more: float, *, margin: float = 0.01, seed: int = 0
) -> ExpectedGain | None:
    """What `more` labels beyond the largest of `sizes` would take off the error.

    `sizes` (k,): distinct training sizes; `errors` (seeds, k): one row a seed, NaN where one is missing. `more` is cut
    to the largest size: nothing is extrapolated beyond twofold. `margin`: the smallest difference that matters, for
    "flat since". None with fewer than three sizes of two seeds each: nothing can be said then.

    Raises:
        ValueError: shapes that do not fit, sizes that are not positive or not distinct, or `more` or a margin that is
            not positive.
    """
    curve = _curve(sizes, errors)
    if not more > 0 or not margin > 0:
        raise ValueError(f"more and margin must be positive, not {more} and {margin}")
    if curve is None:
        return None
    rng = np.random.default_rng(seed)
    largest = float(curve.sizes[-1])
    more = min(float(more), largest)
    at = np.array([largest, largest + more])
    _, law = _fit(curve, curve.means[None], at)
    drawn, _ = _fit(curve, _draws(curve, rng), at)
    gains = drawn[:, 0] - drawn[:, 1]
    gain = float(gains.mean())  # nearer to the truth than the one best law's
    low, high = np.quantile(gains, _QUANTILES)
    hidden = _hidden(curve, rng)
    wider = _widening(hidden)
    low, high = max(gain - wider * max(gain - low, 0.0), 0.0), gain + wider * max(high - gain, 0.0)
    flat = _flat_since(curve, margin) if high < margin else None
    return ExpectedGain(largest, more, gain, float(low), float(high), flat, hidden, law)


def _curve(sizes: ArrayLike, errors: ArrayLike) -> _Curve | None:
    """The curve without sizes of fewer than two seeds, or None where too little is left."""
    places, values = np.asarray(sizes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if places.ndim != 1 or values.ndim != 2 or values.shape[1] != len(places):
        raise ValueError(f"sizes {places.shape} and errors {values.shape} do not fit: errors are (seeds, sizes)")
    if not (places > 0).all() or len(np.unique(places)) != len(places):
        raise ValueError("sizes must be positive and distinct")
    counts = np.isfinite(values).sum(axis=0)
    kept = np.flatnonzero(counts >= FEWEST_SEEDS)
    if len(kept) < FEWEST_SIZES:
        return None
    kept = kept[np.argsort(places[kept])]
    places, values, counts = places[kept], values[:, kept], counts[kept]
    return _Curve(
        places,
        np.nanmean(values, axis=0),
        _smoothed_variances(places, np.nanvar(values, axis=0, ddof=1), counts) / counts,
        int((counts - 1).sum()),
    )


def _smoothed_variances(
    sizes: NDArray[np.float64], variances: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Variances between seeds as a falling power of the size: each alone, of a few seeds, is too uncertain to use."""
    degrees = counts - 1
    pooled = max(float((variances * degrees).sum() / degrees.sum()), 1e-12)
    x = np.log(sizes / np.exp(np.average(np.log(sizes), weights=degrees)))
    y = np.log(np.maximum(variances, pooled / 100))
    slope = float(np.clip((degrees * x * y).sum() / (degrees * x**2).sum(), -2, 0))
    shape = (sizes / sizes[0]) ** slope
    return shape * float((degrees * variances / shape).sum() / degrees.sum()) + 1e-12


def _draws(curve: _Curve, rng: np.random.Generator) -> NDArray[np.float64]:
    """Curves (draws, k) as other seeds might have given them."""
    noise = rng.standard_normal((_DRAWS, len(curve.sizes))) * np.sqrt(curve.variances)
    return curve.means + noise * np.sqrt(curve.degrees / rng.chisquare(curve.degrees, (_DRAWS, 1)))


def _laws(sizes: NDArray[np.float64], largest: float) -> list[tuple[str, NDArray[np.float64]]]:
    """How each law falls over `sizes` (k,), with its name."""
    share = sizes / largest
    laws = [(f"floor + scale · n^-{rate:.2f}", share**-rate) for rate in _RATES]
    laws.append(("floor - scale · log n", -np.log(share)))
    return laws + [(f"floor + scale · exp(-n / {largest * d:.0f})", np.exp(-share / d)) for d in _DECAYS]


def _fit(curve: _Curve, means: NDArray[np.float64], at: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """Errors (m, len(at)) that the best law through each row of `means` (m, k) has `at` sizes; the first row's law.

    Weighted by 1 / variance. No law rises with the size, and none is below zero at twice the largest.
    """
    weights = curve.variances.min() / curve.variances
    largest, k = curve.sizes[-1], len(curve.sizes)
    best, name = np.full(len(means), np.inf), ""
    found = np.zeros((len(means), len(at)))
    total, of_y = weights.sum(), means @ weights
    for law, fall in _laws(np.concatenate([curve.sizes, at, [2 * largest]]), largest):
        x, end = fall[:k], fall[-1]
        of_x, of_xy = weights @ x, means @ (weights * x)
        scale = (total * of_xy - of_x * of_y) / (total * (weights @ x**2) - of_x**2)
        floor = (of_y - scale * of_x) / total
        below = floor + scale * end < 0  # the limits: the best law then lies on one of them
        from_end = means @ (weights * (x - end)) / (weights @ (x - end) ** 2)
        rises = scale < 0
        scale = np.where(rises, 0.0, np.where(below, from_end, scale))
        floor = np.where(rises, of_y / total, np.where(below, -from_end * end, floor))
        error = ((means - floor[:, None] - scale[:, None] * x) ** 2) @ weights
        better = error < best
        best = np.where(better, error, best)
        found[better] = (floor[:, None] + scale[:, None] * fall[k:-1])[better]
        name = law if better[0] else name
    return found, name


def _hidden(curve: _Curve, rng: np.random.Generator) -> HiddenSize | None:
    """Predict the largest size from the others."""
    count = len(curve.sizes) - 1
    if count < FEWEST_SIZES:
        return None
    seen, at = curve.first(count), curve.sizes[-1:]
    predicted = float(_fit(seen, seen.means[None], at)[0][0, 0])
    drawn = _fit(seen, _draws(seen, rng), at)[0][:, 0]
    drawn = drawn + rng.standard_normal(_DRAWS) * np.sqrt(curve.variances[-1])  # the observed mean is a draw as well
    low, high = (float(bound) for bound in np.quantile(drawn, (0.025, 0.975)))
    observed = float(curve.means[-1])
    return HiddenSize(float(at[0]), predicted, low, high, observed, low <= observed <= high)


def _widening(hidden: HiddenSize | None) -> float:
    """How many times wider the interval of the hidden size had to be to hold what was observed; at least 1."""
    if hidden is None or hidden.held:
        return 1.0
    half = hidden.high - hidden.predicted if hidden.observed > hidden.predicted else hidden.predicted - hidden.low
    return max(abs(hidden.observed - hidden.predicted) / max(half, 1e-12), 1.0)


def _flat_since(curve: _Curve, margin: float, alpha: float = 0.05) -> float | None:
    """The smallest size from which on the one-sided bound of what the largest size improves is below the margin."""
    from scipy.special import stdtrit

    gaps = curve.means[:-1] - curve.means[-1]
    bounds = gaps + stdtrit(curve.degrees, 1 - alpha) * np.sqrt(curve.variances[:-1] + curve.variances[-1])
    above = np.flatnonzero(bounds >= margin)
    first = int(above[-1]) + 1 if len(above) else 0
    return float(curve.sizes[first]) if first < len(bounds) else None
