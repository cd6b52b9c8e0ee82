"""Where training stands: what a checkpoint holds, and the best weights so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.errors import UserError
from lab.training.optimisation import Optimisation
from lab.training.recorder import Saved


@dataclass
class Progress:
    """Epochs and steps done, seconds, losses by epoch, and the best epoch (from 1) by validation loss."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def stale(self) -> int:
        """Epochs since the best."""
        return self.epoch - self.best_epoch if self.best_epoch else 0

    def remember(self, now: dict[str, Tensor], criterion: str, higher_is_better: bool) -> None:
        """Keep a copy of these weights where the last epoch is the first to be as good by the criterion."""
        *before, last = [row[criterion] if higher_is_better else -row[criterion] for row in self.history]
        if last > max(before, default=-math.inf):
            self.best_epoch, self.best = self.epoch, {name: tensor.clone() for name, tensor in now.items()}


def copy_into(own: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    """Put kept values (whatever their shape, of as many elements) into the tensors of the same names.

    Raises `UserError` where the names are not the same.
    """
    if wrong := sorted(own.keys() ^ kept.keys()):
        raise UserError(f"the saved tensors do not fit what is trained: {wrong[0]} (of {len(wrong)})")
    with torch.no_grad():
        for name, tensor in kept.items():
            own[name].copy_(tensor.reshape(own[name].shape))


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds: the epoch it is of, copies of the tensors, and numbers as plain data."""

    step: int
    tensors: dict[str, np.ndarray]
    state: dict[str, Any]


def snapshot(own: Mapping[str, Tensor], optimisation: Optimisation, progress: Progress) -> Snapshot:
    """Copy where training stands after the last epoch done: trained tensors, the optimiser's, the best, and numbers.

    The copy costs less than a step of the optimiser, which reads as much and writes more.
    """
    tensors = {f"now/{name}": _copied(tensor) for name, tensor in own.items()}
    for name, _, values in optimisation.named_states():
        for key, value in values.items():
            if value is not None:
                tensors[f"optimizer/{key}/{name}"] = _copied(torch.as_tensor(value).reshape(np.shape(value) or (1,)))
    if progress.best_epoch != progress.epoch:  # nobody changes these
        tensors |= {f"best/{name}": tensor.contiguous().numpy() for name, tensor in progress.best.items()}
    state = {
        key: getattr(progress, key) for key in ("epoch", "step", "seconds", "step_seconds", "history", "best_epoch")
    }
    return Snapshot(progress.epoch, tensors, state | {"history": list(progress.history)})


def _copied(tensor: Tensor) -> np.ndarray:
    return tensor.detach().clone(memory_format=torch.contiguous_format).numpy()


def restore(saved: Saved, own: Mapping[str, Tensor], optimisation: Optimisation, progress: Progress) -> None:
    """Go on from a checkpoint: fills the trained tensors, the optimiser's and `progress`."""
    parts: dict[str, dict[str, np.ndarray]] = {"now": {}, "best": {}, "optimizer": {}}
    for name, array in saved.tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = array
    copy_into(own, {name: torch.from_numpy(array) for name, array in parts["now"].items()})
    for key, value in saved.state.items():
        setattr(progress, key, value)
    if progress.best_epoch:
        found = parts["best"] or parts["now"]
        progress.best = {name: torch.from_numpy(array).clone() for name, array in found.items()}
    _restore_optimizer(optimisation, parts["optimizer"])


def _restore_optimizer(optimisation: Optimisation, arrays: Mapping[str, np.ndarray]) -> None:
    found = {name: (parameter, state) for name, parameter, state in optimisation.named_states()}
    for full, array in arrays.items():
        key, _, name = full.partition("/")
        (parameter, state), value = found[name], torch.from_numpy(array)
        if key == "step":  # Adam of sparse gradients counts in Python
            state[key] = value.reshape(()).clone() if value.is_floating_point() else int(value)
        else:  # in the parameter's own memory order, as the optimiser makes it
            state[key] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state[key].copy_(value.reshape(parameter.shape))
