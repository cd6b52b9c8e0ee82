"""Whether a score tells two kinds of items apart, with no threshold chosen: the area under the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detection:
    """`auroc` with its 95 % interval `low`, `high` (NaN of one item); `placements` (m,) of the items to be found.

    The placement of an item is the share of the others that score lower, ties counted half; their mean is the area.
    """

    auroc: float
    low: float
    high: float
    placements: NDArray[np.float64]


def detection(sought: NDArray[np.floating], others: NDArray[np.floating]) -> Detection:
    """How well a score finds items: `sought` (m,) theirs, higher if it works, `others` (n,) those of all the rest.

    The interval is DeLong's (DeLong, DeLong and Clarke-Pearson 1988): items of both kinds taken as random.
    """
    placements = _share_below(sought, others)
    counter = 1 - _share_below(others, sought)
    area = float(placements.mean())
    if min(len(sought), len(others)) < 2:
        return Detection(area, float("nan"), float("nan"), placements)
    error = np.sqrt(placements.var(ddof=1) / len(sought) + counter.var(ddof=1) / len(others))
    return Detection(area, max(0.0, area - 1.96 * float(error)), min(1.0, area + 1.96 * float(error)), placements)


def _share_below(values: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return below / (2 * len(others))
