"""How long a strategy takes: one batch through the frozen part and one step, timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from lab.training.classifier import Classifier
from lab.training.freezing import evaluating, set_modes, set_trainable, trained_tensors
from lab.training.strategies import Plan

WARM_UP, REPEATS = 1, 2


@dataclass(frozen=True)
class Timed:
    """Seconds an item: `forward` through the whole network; `step` and `evaluate` from each epoch's cut, by cut.

    `bytes`: of the tensors that training changes.
    """

    forward: float
    step: dict[int, float]
    evaluate: dict[int, float]
    bytes: int


def time_strategy(classifier: Classifier, plan: Plan, inputs: tuple[Tensor, Tensor | None], labels: Tensor) -> Timed:
    """Time a `prepare`d classifier on one batch of raw `inputs` (x, mask) with `labels` (m,) int64.

    The classifier is left without gradients and with moved weights: throw it away.
    """
    x, mask = inputs
    with evaluating(classifier):
        forward = _seconds(lambda: classifier.logits(x, mask)) / len(x)
    step, evaluate = {}, {}
    for epoch in range(plan.epochs):
        cut = plan.cut(epoch)
        if cut in step:
            continue
        with evaluating(classifier):
            at_cut = _at_cut(classifier, plan, cut, x, mask)
            evaluate[cut] = _seconds(lambda at=at_cut, cut=cut: classifier.logits(at, mask, start=cut)) / len(x)  # type: ignore[misc]
        set_trainable(classifier, plan, epoch)
        set_modes(classifier, plan, epoch)
        start = at_cut.clone()
        step[cut] = _seconds(lambda at=start, cut=cut: _step(classifier, at, mask, cut, labels)) / len(x)  # type: ignore[misc]
    size = sum(array.nbytes for array in trained_tensors(classifier, plan).values())
    return Timed(forward, step, evaluate, size)


def _at_cut(classifier: Classifier, plan: Plan, cut: int, x: Tensor, mask: Tensor | None) -> Tensor:
    if plan.kind == "scalar_mix":
        return classifier.all_features(x, mask)
    return (
        classifier.features(x, mask, 0)
        if cut == len(plan.blocks)
        else classifier.backbone.run_blocks(x, mask, stop=cut)
    )


def _step(classifier: Classifier, x: Tensor, mask: Tensor | None, cut: int, labels: Tensor) -> None:
    loss = functional.cross_entropy(classifier.logits(x, mask, start=cut), labels)
    loss.backward()
    classifier.zero_grad(set_to_none=True)


def _seconds(work: Callable[[], Any]) -> float:
    for _ in range(WARM_UP):
        work()
    started = time.perf_counter()
    for _ in range(REPEATS):
        work()
    return (time.perf_counter() - started) / REPEATS
