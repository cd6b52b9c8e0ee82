"""Whether a score tells two kinds of items apart, with no threshold chosen: the area under the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detection:
    """`auroc` with its 95 % interval `low`, `high`; `placements` (m,) of the items to be found.

    The placement of an item is the share of the others that score lower, ties counted half; their mean is the area.
    """

    auroc: float
    low: float
    high: float
    placements: NDArray[np.float64]


def detection(sought: NDArray[np.floating], others: NDArray[np.floating]) -> Detection:
    """How well a score finds items: `sought` (m,) theirs, higher if it works, `others` (n,) those of all the rest.

    The interval is DeLong's (DeLong, DeLong and Clarke-Pearson 1988), items of both kinds taken as random, with two
    more placements of each kind, 0 and 1 (after Agresti and Coull 1998). Without them it is too narrow near 1: of
    areas of .97 it covered between .45 and .95 in a simulation, with them at least .97 (5 to 300 items of each kind).
    """
    from scipy.special import ndtri

    placements = _share_below(sought, others)
    widened = [np.append(values, (0.0, 1.0)) for values in (placements, _share_below(others, sought))]
    middle = float(widened[0].mean())
    half = float(ndtri(0.975) * np.sqrt(sum(values.var(ddof=1) / len(values) for values in widened)))
    return Detection(float(placements.mean()), max(0.0, middle - half), min(1.0, middle + half), placements)


def _share_below(values: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return below / (2 * len(others))
