"""Does a classifier that says 80 % mean 80 %? Reliability table and expected calibration error (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Binning = Literal["equal-mass", "equal-width"]


@dataclass(frozen=True)
class ReliabilityBin:
    """The predictions with a confidence from `low` to `high`: their number, mean confidence, share that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for a JSON file."""
        return asdict(self)


def reliability_table(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 15, binning: Binning = "equal-mass"
) -> list[ReliabilityBin]:
    """Confidence of the predicted class against how often it is right, in at most `bins` bins, empty ones left out.

    `labels` (m,) int64; `probabilities` (m, C) float. "equal-mass" bins end at the quantiles of the confidences, so
    that each holds about as many items (Nguyen and O'Connor 2015, arXiv:1508.05154; on few items less biased than
    equal widths, Roelofs et al. 2022, arXiv:2012.08668); equal confidences share a bin. "equal-width" bins part
    (0, 1] evenly, as in Guo et al. 2017 (arXiv:1706.04599).

    Raises:
        ValueError: no item, labels and probabilities of different length, or fewer than one bin.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(labels, dtype=np.int64)
    if chances.ndim != 2 or not len(chances) or truth.shape != chances.shape[:1] or bins < 1:
        raise ValueError(f"labels {truth.shape} and probabilities {chances.shape} do not fit, or {bins} bins are none")
    confidence = chances.max(axis=1)
    correct = chances.argmax(axis=1) == truth
    if binning == "equal-width":
        edges = np.linspace(0, 1, bins + 1)
    else:
        ends = -(-len(confidence) * np.arange(1, bins + 1) // bins) - 1  # the last item of every bin, in order
        ascending = np.sort(confidence)
        edges = np.concatenate([ascending[:1], np.unique(ascending[ends[ends >= 0]])])
    place = np.clip(np.searchsorted(edges[1:], confidence, side="left"), 0, len(edges) - 2)  # bins (low, high]
    counts = np.bincount(place, minlength=len(edges) - 1)
    sums = (np.bincount(place, weights=values, minlength=len(counts)) for values in (confidence, correct))
    confidences, accuracies = (total / np.maximum(counts, 1) for total in sums)
    return [
        ReliabilityBin(
            float(edges[b]), float(edges[b + 1]), int(counts[b]), float(confidences[b]), float(accuracies[b])
        )
        for b in np.flatnonzero(counts)
    ]


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 15, binning: Binning = "equal-mass"
) -> float:
    """Mean over items of |confidence - accuracy| of their bin: 0 is calibrated; arguments as `reliability_table`.

    It is biased upwards: a calibrated classifier on m items has about 0.8 · √(bins · accuracy · (1 - accuracy) / m).
    """
    table = reliability_table(labels, probabilities, bins, binning)
    gaps = sum(part.count * abs(part.confidence - part.accuracy) for part in table)
    return gaps / sum(part.count for part in table)
