"""Heads that are solved on features instead of trained by gradient steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lab.training.batches import evaluation_batches
from lab.training.classifier import Classifier
from lab.training.config import TrainConfig
from lab.training.selection import Selection
from lab.training.strategies import Plan

if TYPE_CHECKING:
    from lab.evaluation.probes import LinearHead

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
"""Tried, times the number of features, where a config names none."""


def end_features(classifier: Classifier, plan: Plan, cache: Any, index: np.ndarray, view: int = 0) -> Tensor:
    """What the head reads of frozen blocks, (m, d) float32 in memory, in the order of `index` (m,).

    Pooled features of the last block; for a scalar mix those of all blocks side by side.
    """
    if plan.kind == "scalar_mix":
        return torch.cat([torch.as_tensor(cache.pooled(block, index)).float() for block in plan.pooled()], dim=1)
    activations = cache.activations(len(plan.blocks))
    lengths = None if activations.cached else activations.lengths[index]
    order = evaluation_batches(index, 64, lengths)
    found = torch.cat([activations.batch(index[places], view)[0].float() for places in order])
    return found[torch.from_numpy(np.argsort(np.concatenate(order)))]


def solve_head(
    classifier: Classifier, plan: Plan, train: TrainConfig, cache: Any, selection: Selection, solver: str | None = None
) -> dict[str, float]:
    """Put the linear head that solves the task on frozen features into the classifier; returns losses and penalty.

    `solver`: `lbfgs` (logistic regression) or `closed_form` (ridge); by default the plan's. With fixed augmented
    views all of them are learned from.
    """
    from lab.evaluation.logistic import logistic_regression
    from lab.evaluation.probes import ridge

    views = range(1, plan.views + 1) if plan.views else (0,)
    features = np.concatenate([end_features(classifier, plan, cache, selection.train, view).numpy() for view in views])
    labels = np.tile(selection.labels[selection.train], len(views))
    held = end_features(classifier, plan, cache, selection.validation).numpy() if len(selection.validation) else None
    wanted = selection.labels[selection.validation]
    solve = ridge if (solver or plan.solver) == "closed_form" else logistic_regression
    head: Any = classifier.head

    def solved(penalty: float, x: np.ndarray = features, y: np.ndarray = labels) -> LinearHead:
        return solve(x, y, head.out_features, penalty=penalty * x.shape[1])

    if train.penalty is not None:
        penalty, found = train.penalty, solved(train.penalty)
    elif held is not None:
        heads = {penalty: solved(penalty) for penalty in PENALTIES}
        penalty, found = min(heads.items(), key=lambda pair: _losses(pair[1], held, wanted)[0])
    else:  # every fifth item stands in for the missing validation items
        out = np.arange(len(labels)) % 5 == 0
        heads = {
            penalty: solved(penalty, features[~out], labels[~out]) for penalty in PENALTIES if out.sum() < len(out)
        }
        penalty = min(heads, key=lambda penalty: _losses(heads[penalty], features[out], labels[out])[0], default=1.0)
        found = solved(penalty)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(found.weight))
        head.bias.copy_(torch.from_numpy(found.bias))
    losses = {"train_loss": _losses(found, features, labels)[0], "penalty": penalty}
    if held is not None:
        loss, accuracy = _losses(found, held, wanted)
        losses |= {"validation_loss": loss, "validation_accuracy": accuracy}
    return losses


def _losses(head: LinearHead, features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    probabilities = head.probabilities(features)
    picked = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(picked, 1e-300)).mean()), float((probabilities.argmax(1) == labels).mean())
