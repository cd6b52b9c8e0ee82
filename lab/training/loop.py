"""The one training loop: epoch by epoch over whatever learns, with exact resume, early stopping and a loss watched.

What is trained and on what is a `Learner`'s business; here is only how training goes. Every random choice comes from
a stream of the run named after the epoch, so that an interrupted run goes on as if nothing had been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lab.errors import UserError
from lab.training.config import LoopConfig
from lab.training.memory import kept_memory
from lab.training.optimisation import Optimisation
from lab.training.recorder import Recorder
from lab.training.snapshot import Progress, Snapshot, copy_into, restore, snapshot


class Sized(Protocol):
    """A batch: it knows how many items it holds."""

    def __len__(self) -> int: ...


class Learner:
    """What is trained, as the loop sees it: a module, its batches and their loss.

    Validation items may choose the epoch; a learner never holds test items.
    """

    module: nn.Module
    shown: tuple[str, ...] = ("train_loss", "validation_loss")
    """What the progress line tells of an epoch."""
    criterion: str = "validation_loss"
    higher_is_better: bool = False
    """What `validate` tells by which early stopping chooses the epoch."""

    def steps(self) -> int:
        """How many batches an epoch has."""
        raise NotImplementedError

    def batches(self, epoch: int) -> Iterable[Sized]:
        """Bring the module into training mode for an epoch (from 0) and yield its batches."""
        raise NotImplementedError

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss of a batch, a scalar, and the parts it is made of, for the curves."""
        raise NotImplementedError

    def validate(self, epoch: int) -> dict[str, float]:
        """The `criterion` by which epochs are chosen, and whatever else the curves show; empty: no such items."""
        return {}

    def begin(self) -> None:
        """What comes before the first epoch of a training that does not go on from a checkpoint."""

    def after_backward(self, step: int) -> None:
        """A look at the gradients of a step (from 0), before they are used."""

    def groups(self, config: LoopConfig) -> list[dict[str, Any]]:
        """Optimiser groups: `params`, their `names`, `lr` and `base_lr`, `weight_decay` (none on vectors)."""
        return parameter_groups(self.module, config)

    def tensors(self) -> dict[str, Tensor]:
        """All that training changes, by name, not copied."""
        return {name: t.detach() for name, t in [*self.module.named_parameters(), *self.module.named_buffers()]}


@dataclass(frozen=True)
class Fitted:
    """What training came to: epochs done, the one whose weights stand (from 1), steps, seconds and losses by epoch.

    `history`: dicts of `epoch` (from 1), `train_loss`, `learning_rate`, `seconds` (of its steps), the parts of the
    loss and what validation told. `seconds`: all of it; `step_seconds`: of the steps alone.
    """

    epochs: int
    best_epoch: int
    steps: int
    seconds: float
    step_seconds: float
    history: list[dict[str, float]] = field(default_factory=list)


def parameter_groups(module: nn.Module, config: LoopConfig) -> list[dict[str, Any]]:
    """Optimiser groups of all parameters of a module: no weight decay on biases and norms."""
    members: dict[bool, list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            members.setdefault(parameter.ndim > 1, []).append((name, parameter))
    return [
        {
            "params": [parameter for _, parameter in group],
            "names": [name for name, _ in group],
            "lr": config.learning_rate,
            "base_lr": config.learning_rate,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for decays, group in members.items()
    ]


@kept_memory()
def train(
    learner: Learner, config: LoopConfig, run: Recorder, *, epochs: int | None = None, checkpoint_seconds: float = 20.0
) -> Fitted:
    """Train for `epochs` (by default the config's); after it the learner holds the last epoch's weights.

    With `early_stopping` and validation items it holds the best epoch's. Checkpoints are of the ends of epochs: written
    at most every `checkpoint_seconds` (0: each), and the last where somebody asks to stop, which is heard after every
    step; the epoch so broken off is done again. Raises `UserError` where the loss is no longer a number.
    """
    started = time.perf_counter()
    epochs = epochs or config.epochs
    progress = Progress()
    optimisation = Optimisation(learner.groups(config), config, epochs * learner.steps())
    checkpoint = run.latest_checkpoint()
    if checkpoint is not None:
        restore(checkpoint, learner.tensors(), optimisation, progress)
    else:
        learner.begin()
    before = progress.seconds
    saving = Saving(checkpoint_seconds)
    patience, over = config.early_stopping, progress.epoch >= epochs
    while not over and not (patience and progress.stale >= patience):
        row = train_epoch(learner, optimisation, run, progress, saving)
        if patience and learner.criterion in row:
            progress.remember(learner.tensors(), learner.criterion, learner.higher_is_better)
        run.progress(progress.epoch, epochs, **{name: row[name] for name in learner.shown if name in row})
        progress.seconds = before + time.perf_counter() - started
        over = progress.epoch >= epochs or bool(patience and progress.stale >= patience)
        saving.keep(snapshot(learner.tensors(), optimisation, progress))
        saving.hear(run)
        if not over:
            saving.perhaps(run)
    if progress.best_epoch:
        copy_into(learner.tensors(), progress.best)
    seconds = before + time.perf_counter() - started
    best = progress.best_epoch or progress.epoch
    return Fitted(progress.epoch, best, progress.step, seconds, progress.step_seconds, progress.history)


def train_epoch(
    learner: Learner, optimisation: Optimisation, run: Recorder, progress: Progress, saving: Saving
) -> dict[str, float]:
    """Train one epoch, then validate, and note in `progress` and in the run what came of it."""
    epoch, config = progress.epoch, optimisation.config
    begun = time.perf_counter()
    total, parts, items = 0.0, dict[str, float](), 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.stream_seed(f"dropout/{epoch}"))
        for batch in learner.batches(epoch):
            with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
                loss, details = learner.loss(batch)
            value = loss.item()
            check_finite(value, config, progress)
            loss.backward()
            learner.after_backward(progress.step)
            optimisation.step(progress.step)
            progress.step += 1
            saving.hear(run)
            items += len(batch)
            total += value * len(batch)
            for name, part in details.items():
                parts[name] = parts.get(name, 0.0) + float(part) * len(batch)
    seconds = time.perf_counter() - begun
    progress.step_seconds += seconds
    progress.epoch += 1
    means = {name: part / items for name, part in parts.items()}
    row = {"epoch": progress.epoch, "train_loss": total / items, **means}
    row |= {"learning_rate": optimisation.rate, "seconds": seconds}
    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
        row |= learner.validate(epoch)
    check_finite(row.get(learner.criterion, 0.0), config, progress)
    progress.history.append(row)
    run.metric(progress.epoch, **{name: value for name, value in row.items() if name != "epoch"})
    return row


def check_finite(loss: float, config: LoopConfig, progress: Progress) -> None:
    """Raise `UserError` where a loss is no longer a number."""
    if not math.isfinite(loss):
        rate = config.learning_rate
        raise UserError(
            f"train.learning_rate: {rate:g}: the loss is no longer a number (epoch {progress.epoch + 1}, "
            f"step {progress.step + 1}); lower it, e.g. {rate / 3:.1g}"
        )


class Saving:
    """Holds the end of the last epoch and decides when it is written: its cost stays under a twentieth of the time."""

    def __init__(self, least: float) -> None:
        self.least, self.cost, self.last = least, 0.0, time.perf_counter()
        self.kept: Snapshot | None = None

    def keep(self, kept: Snapshot) -> None:
        """What is to be written from now on."""
        self.kept = kept

    def hear(self, run: Recorder) -> None:
        """Where somebody asks to stop, write what is kept, and stop."""
        try:
            run.check_interrupt()
        except KeyboardInterrupt:
            self.write(run)
            raise

    def perhaps(self, run: Recorder) -> None:
        """Write what is kept where it is due."""
        begun = time.perf_counter()
        if not self.least or begun - self.last >= max(self.least, 20 * self.cost):
            self.write(run)
            self.last = time.perf_counter()
            self.cost = self.last - begun

    def write(self, run: Recorder) -> None:
        """Write what is kept, if it is not yet written."""
        kept, self.kept = self.kept, None
        if kept is not None:
            run.checkpoint(kept.step, kept.tensors, kept.state)
