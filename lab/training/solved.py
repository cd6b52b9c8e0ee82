"""Heads that are solved on features instead of trained by gradient steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.training.batches import evaluation_batches
from lab.training.classifier import Classifier
from lab.training.config import TrainConfig
from lab.training.selection import Selection
from lab.training.strategies import Plan


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
    """Put the linear head that solves the task on frozen features into the classifier; returns its losses.

    `solver`: `lbfgs` (logistic regression) or `closed_form` (ridge); by default the plan's. The penalty counts times
    the number of features, which gives scores of like size whatever their number. With fixed augmented views all of
    them are learned from.
    """
    from lab.training.probes import logistic_regression, ridge

    views = range(1, plan.views + 1) if plan.views else (0,)
    features = torch.cat([end_features(classifier, plan, cache, selection.train, view) for view in views]).numpy()
    labels = np.tile(selection.labels[selection.train], len(views))
    head: Any = classifier.head
    solve = ridge if (solver or plan.solver) == "closed_form" else logistic_regression
    solved = solve(features, labels, head.out_features, penalty=train.penalty * features.shape[1])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(solved.weight))
        head.bias.copy_(torch.from_numpy(solved.bias))
    losses = {"train_loss": _losses(solved, features, labels)[0]}
    if len(selection.validation):
        held_out = end_features(classifier, plan, cache, selection.validation).numpy()
        loss, accuracy = _losses(solved, held_out, selection.labels[selection.validation])
        losses |= {"validation_loss": loss, "validation_accuracy": accuracy}
    return losses


def _losses(head: Any, features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    probabilities = head.probabilities(features)
    picked = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(picked, 1e-300)).mean()), float((probabilities.argmax(1) == labels).mean())
