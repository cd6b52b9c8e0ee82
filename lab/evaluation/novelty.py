"""Which new items are unlike the training data: by the distance to their neighbours there (Sun et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.errors import UserError

NEIGHBORS, PERCENTILE = 10, 99.0


@dataclass(frozen=True)
class Familiar:
    """Features of training items (n, d) float32, and the `threshold`: how far a `k`-th neighbour may be."""

    features: NDArray[np.float32]
    k: int
    threshold: float

    def distances(self, new: ArrayLike) -> NDArray[np.float64]:
        """Cosine distance, 0 to 2, of each of `new` (m, d) to its k-th nearest training item: (m,) float64.

        Raises:
            UserError: another width, or values that are not finite.
        """
        from lab.embeddings.neighbors import top_k

        _, cosines = top_k(np.asarray(new), self.features, self.k)
        return 1 - cosines[:, -1].astype(np.float64)

    def unlike(self, new: ArrayLike) -> NDArray[np.bool_]:
        """Which of `new` (m, d) lie farther out than the threshold: (m,) bool."""
        return self.distances(new) > self.threshold


def familiar(training: ArrayLike, k: int = NEIGHBORS, percentile: float = PERCENTILE) -> Familiar:
    """The training items' features `training` (n, d), with the threshold that so many per cent of them themselves keep.

    Their own distances are to the other training items (leave one out), so that about 1 % of new items of the same
    kind are called unlike at the default `percentile` of 99 (arXiv:2204.06507 sets it at 95 % of in-distribution data).
    `k` is at most a fifth of the items.

    Raises:
        UserError: fewer than ten items, or values that are not finite.
    """
    from lab.embeddings.neighbors import top_k

    features = np.asarray(training, dtype=np.float32)
    if features.ndim != 2 or len(features) < 10:
        raise UserError(f"at least 10 training items are needed to say what is unlike them, not {features.shape[:1]}")
    k = max(1, min(k, len(features) // 5))
    _, cosines = top_k(features, features, k, exclude=np.arange(len(features)))
    return Familiar(features, k, float(np.percentile(1 - cosines[:, -1].astype(np.float64), percentile)))
