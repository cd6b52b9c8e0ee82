"""Where a classifier errs: its most confident mistakes, and which unlabelled items lie nearest to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Mistake:
    """Item number `index`: its `label`, the `predicted` class with its `probability`, and the label's probability."""

    index: int
    id: str
    label: str
    predicted: str
    probability: float
    probability_of_label: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for a JSON file."""
        return asdict(self)


def worst_mistakes(
    ids: Sequence[str], labels: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], k: int = 12
) -> list[Mistake]:
    """The at most `k` wrong predictions with the highest probability, of equals the first.

    `ids` (m strings), `labels` (m,) int64, `probabilities` (m, C) float.
    """
    truth, chances = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    predicted = chances.argmax(axis=1)
    confidence = chances.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:k]
    return [
        Mistake(
            index=i,
            id=ids[i],
            label=classes[truth[i]],
            predicted=classes[predicted[i]],
            probability=float(confidence[i]),
            probability_of_label=float(chances[i, truth[i]]),
        )
        for i in wrong.tolist()
    ]


@dataclass(frozen=True)
class LabelNext:
    """Unlabelled items in the order in which their labels promise most; one of each per item, (m,).

    `rows`: their row numbers, int64. `near`: the mistake (row of the judged items) each lies nearest to, int64, and
    `distance` to it (cosine). `error_rate`: share of mistakes among the judged items around it, weighted by closeness.
    """

    rows: NDArray[np.int64]
    near: NDArray[np.int64]
    distance: NDArray[np.float64]
    error_rate: NDArray[np.float64]


def label_next(
    unlabelled: ArrayLike, judged: ArrayLike, correct: ArrayLike, count: int = 100, k: int = 10
) -> LabelNext:
    """The `count` of the `unlabelled` items that lie nearest to where the classifier fails.

    `unlabelled` (u, d) and `judged` (m, d): features of one space; `correct` (m,): whether each judged item (validation
    or out of fold, never training) was right, or the share of seeds that were. Every mistake gets its nearest item
    before any gets its second; within such a round those come first that have most mistakes among their `k` nearest
    judged items. Empty where nothing was wrong.

    Raises:
        ValueError: lengths that do not fit.
    """
    from lab.embeddings.neighbors import top_k

    points, known = np.asarray(unlabelled, dtype=np.float32), np.asarray(judged, dtype=np.float32)
    wrongness = 1 - np.asarray(correct, dtype=np.float64)
    if known.ndim != 2 or wrongness.shape != known.shape[:1]:
        raise ValueError(f"judged items {known.shape} and which are correct {wrongness.shape} do not fit")
    failures = np.flatnonzero(wrongness >= 0.5)
    if not len(failures) or not len(points):
        none = np.empty(0, dtype=np.int64)
        return LabelNext(none, none, np.empty(0), np.empty(0))
    center = known.mean(axis=0)
    points, known = points - center, known - center
    nearest, cosines = top_k(points, known[failures], 1)
    distance = 1 - cosines[:, 0].astype(np.float64)
    around, closeness = top_k(points, known, k)
    weights = np.exp((closeness.astype(np.float64) - 1) / 0.1)
    rate = (weights * wrongness[around]).sum(axis=1) / weights.sum(axis=1)
    turn = _rank_within(nearest[:, 0], distance)
    order = np.lexsort((distance, -rate, turn))[:count]
    return LabelNext(order, failures[nearest[order, 0]], distance[order], rate[order])


def _rank_within(groups: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rank from 0 of each value among those of its group."""
    order = np.lexsort((values, groups))
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return ranks
