"""The negative log-likelihood of predictions of words, in compiled loops: it is taken after every epoch."""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.models.word2vec.vector_code import prefetch

_LARGE, _LARGEST = 40.0, 1e200
_AHEAD = 2  # predictions: the rows of noise words lie anywhere, and are asked for before they are needed


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def negative_log_likelihoods(  # type: ignore[no-untyped-def]
    input_vectors, output_vectors, contexts, starts, nodes, signs, mean
):
    """Return (P,) float64, the loss of each prediction in nats; arguments as in `HeldOutPairs`.

    A sum of logarithms is the logarithm of a product, one for many; it is taken before the product is too large.
    """
    losses = np.zeros(len(nodes), dtype=np.float64)
    hidden = np.empty(input_vectors.shape[1], dtype=np.float32)
    for prediction in range(len(nodes)):
        size = starts[prediction + 1] - starts[prediction]
        share = np.float32(1.0 / size if mean else 1.0)
        hidden[:] = 0.0
        for at in range(starts[prediction], starts[prediction + 1]):
            vector = input_vectors[contexts[at]]
            for j in range(len(hidden)):
                hidden[j] += share * vector[j]
        if prediction + _AHEAD < len(nodes):
            for k in range(nodes.shape[1]):
                prefetch(output_vectors, nodes[prediction + _AHEAD, k])
        product = 1.0
        for k in range(nodes.shape[1]):
            sign = signs[prediction, k]
            if sign:
                vector = output_vectors[nodes[prediction, k]]
                score = np.float32(0.0)
                for j in range(len(hidden)):
                    score += hidden[j] * vector[j]
                wrong = -np.float64(sign) * np.float64(score)
                if wrong > _LARGE:  # log(1 + exp(wrong)) is wrong itself, to the last bit
                    losses[prediction] += wrong
                    continue
                product *= 1.0 + np.exp(wrong)
                if product > _LARGEST:
                    losses[prediction] += np.log(product)
                    product = 1.0
        losses[prediction] += np.log(product)
    return losses
