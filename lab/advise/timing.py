"""What a step costs at each depth on this machine, from one timed batch of the user's own data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.advise.effort import Cost

if TYPE_CHECKING:
    from lab.data.labelled.items import Items

_BATCH = {"image": 4, "text": 16}


def block_names(settings: dict[str, Any]) -> tuple[str, ...]:
    """The names of the blocks of the backbone that a config names, in order. Raises `UserError` where there is none."""
    from lab import backbones

    return backbones.block_names(_sections(settings)["backbone"])


def time_depths(settings: dict[str, Any], items: Items, depths: Sequence[int], threads: int) -> dict[int, Cost]:
    """Seconds an item at each of the `depths` (frozen blocks), with so many threads.

    One batch of the labelled items goes once through the network and takes one step at every depth.
    """
    import numpy as np
    import torch

    from lab.frozen import new_classifier, open_backbone, open_cache
    from lab.runs import threads as limits
    from lab.training.strategies import make_plan
    from lab.training.timing import time_strategy

    sections = _sections(settings)
    index = np.flatnonzero(items.labels >= 0)
    batch = np.resize(np.random.default_rng(0).permutation(index), _BATCH[items.kind])
    labels = torch.from_numpy(items.labels[batch])
    costs = {}
    with limits.limited(threads):
        backbone = open_backbone(sections["backbone"])
        inputs = open_cache(backbone, items, sections["train"], enabled=False).activations(0).batch(batch)
        for depth in depths:
            strategy = sections["strategy"].model_copy(update={"frozen_depth": depth})
            plan = make_plan(strategy, sections["train"], backbone.block_names)
            classifier = new_classifier(backbone, plan, len(items.classes))
            timed = time_strategy(classifier, plan, inputs, labels)
            costs[depth] = Cost(timed.step[plan.min_cut], timed.evaluate[plan.min_cut], timed.forward)
    return costs


def _sections(settings: dict[str, Any]) -> dict[str, Any]:
    from lab.config import load

    config = load(settings).cells[0].config
    return {name: getattr(config, name) for name in ("backbone", "strategy", "train")}
