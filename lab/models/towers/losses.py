"""What two towers may be trained for, on scores alone.

Scores come as tensors of any batch; a pair that must not count as a negative (it is a positive, too) has -inf. Every
loss is a mean over the positive pairs, weighted where weights are given. `correction`: the logarithm of how likely a
negative was drawn, which is subtracted from its score, so that what is popular is not pushed down for being drawn often
(Bengio and Senécal 2008; Yi et al. 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sampled_softmax(scores: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of the positive among the drawn: `scores` (b, c) corrected, `target` (b,) its column.

    In-batch negatives (Yi et al. 2019), with further columns mixed negatives (Yang et al. 2020) or hard ones.
    """
    return _mean(functional.cross_entropy(scores, target, reduction="none"), weights)


def logistic(positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
    """Is it a pair or was it drawn? Binary cross-entropy of `positive` (b,) and its `negative` (b, m).

    The classic loss of skip-gram with negative sampling (Mikolov et al. 2013, arXiv:1310.4546).
    """
    drawn = functional.softplus(negative).masked_fill(negative == -torch.inf, 0.0).sum(1)
    return _mean(functional.softplus(-positive) + drawn, weights)


def bpr(positive: Tensor, negative: Tensor, weights: Tensor | None = None) -> Tensor:
    """Bayesian personalised ranking: the positive above each negative (Rendle et al. 2009, arXiv:1205.2618).

    `positive` (b,), `negative` (b, m); a mean over the negatives that count.
    """
    counted = negative > -torch.inf
    each = functional.softplus(negative.masked_fill(~counted, 0.0) - positive[:, None])
    return _mean((each * counted).sum(1) / counted.sum(1).clamp(min=1), weights)


def log_probability_in_batch(probability: Tensor, size: int, uniform: int = 0, catalogue: int = 0) -> Tensor:
    """Logarithm of how often an entity is expected among the columns, for the correction.

    `probability` (c,): of the entity in one draw of the batch (its share of all positives), `size`: positives in the
    batch, `uniform`: further columns drawn evenly from `catalogue` entities (mixed negatives, Yang et al. 2020).
    """
    expected = size * probability
    if uniform:
        expected = expected + uniform / catalogue
    return expected.clamp(min=1e-12).log()


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()
