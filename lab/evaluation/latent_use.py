"""How much of a latent space is used: active units, and the vectors of a codebook."""

from __future__ import annotations

import numpy as np


def active_units(vectors: np.ndarray, threshold: float = 0.01) -> np.ndarray:
    """Which latent units (d,) bool answer to the items at all: variance above `threshold`.

    `vectors` (n, d): of a variational model the posterior means (Burda, Grosse and Salakhutdinov 2016,
    arXiv:1509.00519, section 5.2).
    """
    return np.asarray(vectors, dtype=np.float64).var(axis=0) > threshold


def codebook_use(chosen: np.ndarray, codebook_size: int) -> tuple[float, float]:
    """Share of the vectors of a codebook that anything chose, and the perplexity of the choices.

    `chosen`: places in the codebook, integers of any shape. The perplexity, e to the entropy, is `codebook_size` where
    all are chosen equally often, 1 where it is always the same.
    """
    counts = np.bincount(np.ravel(chosen), minlength=codebook_size)
    shares = counts[counts > 0] / counts.sum()
    return float((counts > 0).mean()), float(np.exp(-(shares * np.log(shares)).sum()))
