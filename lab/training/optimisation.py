"""The optimiser's side of a step: rates by schedule, clipped gradients, an update."""

from __future__ import annotations

import math
from typing import Any

import torch

from lab.training.config import LoopConfig


def schedule_factor(step: int, total: int, schedule: str, warmup: float) -> float:
    """What the learning rate is multiplied by at a step (from 0) of `total`.

    It rises linearly over the first `warmup · total` steps, then stays (`constant`) or falls to 0 at `total`
    (`linear`; `cosine`, Loshchilov and Hutter 2017, arXiv:1608.03983).
    """
    rising = round(warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / max(1, total - rising)
    if schedule == "linear":
        return 1 - done
    return 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1.0


class Optimisation:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) or SGD with momentum over all that is ever trained.

    `groups`: of parameters, each with its `base_lr`; `total`: steps. A parameter without a gradient (its block is still
    frozen) is passed over whole, weight decay included.
    """

    def __init__(self, groups: list[dict[str, Any]], config: LoopConfig, total: int) -> None:
        self.config, self.total = config, total
        self.optimizer: torch.optim.Optimizer
        if config.optimizer == "adamw":
            self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        else:
            self.optimizer = torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, fused=True)
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self.rate = 0.0

    def step(self, step: int) -> None:
        """Update the weights with the gradients of step number `step` (from 0), and drop these."""
        factor = schedule_factor(step, self.total, self.config.schedule, self.config.warmup)
        self.rate = self.config.learning_rate * factor
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.config.clip_norm, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
