"""The optimiser's side of a step: rates by schedule, clipped gradients, an update."""

from __future__ import annotations

import math
from collections.abc import Iterator
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

    `groups`: of parameters, each with its `base_lr`; `total`: steps. A group marked `sparse` (tables of which a step
    reads few rows) goes to Adam of those rows alone, without weight decay, so that a step costs by what it reads. A
    parameter without a gradient (its block is still frozen) is passed over whole, weight decay included.
    """

    def __init__(self, groups: list[dict[str, Any]], config: LoopConfig, total: int) -> None:
        self.config, self.total = config, total
        dense = [group for group in groups if not group.get("sparse")]
        tables = [group for group in groups if group.get("sparse")]
        self.optimizers: list[torch.optim.Optimizer] = []
        if dense and config.optimizer == "adamw":
            self.optimizers.append(torch.optim.AdamW(dense, lr=config.learning_rate, fused=True))
        elif dense:
            self.optimizers.append(torch.optim.SGD(dense, lr=config.learning_rate, momentum=0.9, fused=True))
        if tables:
            self.optimizers.append(torch.optim.SparseAdam(tables, lr=config.learning_rate))
        self._clipped = [parameter for group in dense for parameter in group["params"]]
        self.rate = 0.0

    def named_states(self) -> Iterator[tuple[str, torch.nn.Parameter, dict[str, Any]]]:
        """Name, parameter and the optimiser's own state of all that is trained; the state may be filled."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for name, parameter in zip(group["names"], group["params"], strict=True):
                    yield name, parameter, optimizer.state[parameter]

    def step(self, step: int) -> None:
        """Update the weights with the gradients of step number `step` (from 0), and drop these."""
        factor = schedule_factor(step, self.total, self.config.schedule, self.config.warmup)
        self.rate = self.config.learning_rate * factor
        if self.config.clip_norm is not None and self._clipped:
            torch.nn.utils.clip_grad_norm_(self._clipped, self.config.clip_norm, foreach=True)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
