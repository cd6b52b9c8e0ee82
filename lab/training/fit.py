"""The one training loop: from the cut on, epoch by epoch, with exact resume; and heads that are solved instead.

What differs between strategies is in the `Plan`; here is only how a plan is carried out. Every random choice comes
from a stream of the run named after the epoch, so that an interrupted run goes on as if nothing had been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lab.errors import UserError
from lab.training.batches import epoch_batches, evaluation_batches, steps_per_epoch
from lab.training.classifier import Classifier, ScalarMix
from lab.training.config import TrainConfig
from lab.training.freezing import evaluating, set_modes, set_trainable, trainable_names
from lab.training.memory import kept_memory
from lab.training.optimisation import Optimisation
from lab.training.recorder import Recorder
from lab.training.selection import Selection
from lab.training.snapshot import Progress, restore, restore_weights, save, weights
from lab.training.solved import end_features, solve_head
from lab.training.strategies import Plan

Fetch = Callable[[np.ndarray], tuple[Tensor, Tensor | None]]
"""Places in a part of the selection → activations and mask."""


@dataclass(frozen=True)
class Fitted:
    """What training came to: epochs done, the one whose weights stand (from 1), steps, seconds and losses by epoch.

    `history`: dicts of `epoch` (from 1), `train_loss`, `learning_rate`, `seconds` (of its steps) and, with validation
    items, `validation_loss` and `validation_accuracy`. `seconds`: all of it; `step_seconds`: of the steps alone.
    """

    epochs: int
    best_epoch: int
    steps: int
    seconds: float
    step_seconds: float
    history: list[dict[str, float]] = field(default_factory=list)


@kept_memory()
def fit(
    classifier: Classifier,
    plan: Plan,
    train: TrainConfig,
    cache: Any,
    selection: Selection,
    run: Recorder,
    *,
    checkpoint_seconds: float = 20.0,
) -> Fitted:
    """Train a `prepare`d classifier; it holds the last epoch's weights after it, or with early stopping the best's.

    `cache`: a `PrefixCache` of the same backbone; what it was not filled with is computed on the fly. Checkpoints
    are written at the end of epochs, at most every `checkpoint_seconds` (0: of each), and where somebody asks to stop.
    Raises `UserError` where the loss is no longer a number.
    """
    started = time.perf_counter()
    progress = Progress()
    if plan.solver != "gradient":
        losses = solve_head(classifier, plan, train, cache, selection)
        run.metric(1, **losses)
        run.progress(1, 1, **losses)
        seconds = time.perf_counter() - started
        return Fitted(1, 1, 0, seconds, seconds, [{"epoch": 1, **losses, "seconds": seconds}])
    loop = Loop(classifier, plan, train, cache, selection, run)
    checkpoint = run.latest_checkpoint()
    if checkpoint is not None:
        restore(checkpoint, classifier, plan, loop.optimisation.optimizer, progress)
    else:
        begin(classifier, plan, train, cache, selection)
    before = progress.seconds
    saving = Saving(checkpoint_seconds)
    threshold = train.early_stopping if len(selection.validation) else None
    while progress.epoch < plan.epochs and not (threshold and progress.stale >= threshold):
        loop.epoch(progress)
        if threshold:
            progress.remember(weights(classifier, plan))
        progress.seconds = before + time.perf_counter() - started
        done = progress.epoch == plan.epochs or bool(threshold and progress.stale >= threshold)
        saving.perhaps(run, lambda: save(run, classifier, plan, loop.optimisation.optimizer, progress), done)
    if threshold:
        restore_weights(classifier, progress.best)
    seconds = before + time.perf_counter() - started
    best = progress.best_epoch if threshold else progress.epoch
    return Fitted(progress.epoch, best, progress.step, seconds, progress.step_seconds, progress.history)


def begin(classifier: Classifier, plan: Plan, train: TrainConfig, cache: Any, selection: Selection) -> None:
    """What comes before the first epoch: LP-FT's linear probe, or the scalar mix's standardisation."""
    if plan.kind == "lp_ft":
        solve_head(classifier, plan, train, cache, selection, solver="lbfgs")
    if isinstance(classifier.head, ScalarMix):
        classifier.head.standardise(end_features(classifier, plan, cache, selection.train))


class Saving:
    """Decides when a checkpoint is due: its cost stays under a twentieth of the time between two."""

    def __init__(self, least: float) -> None:
        self.least, self.cost, self.last = least, 0.0, time.perf_counter()

    def perhaps(self, run: Recorder, write: Callable[[], None], finished: bool) -> None:
        """Write one where it is due or somebody asks to stop; in the end nothing is due any more."""
        since = time.perf_counter() - self.last
        try:
            run.check_interrupt()
        except KeyboardInterrupt:
            write()
            raise
        if not finished and (not self.least or since >= max(self.least, 20 * self.cost)):
            begun = time.perf_counter()
            write()
            self.last = time.perf_counter()
            self.cost = self.last - begun


class Loop:
    """One epoch of steps, then validation."""

    def __init__(
        self, classifier: Classifier, plan: Plan, train: TrainConfig, cache: Any, selection: Selection, run: Recorder
    ) -> None:
        self.classifier, self.plan, self.train, self.run = classifier, plan, train, run
        self.cache, self.selection = cache, selection
        self.labels = torch.from_numpy(selection.labels)
        steps = steps_per_epoch(len(selection.train), train.batch_size)
        self.optimisation = Optimisation(classifier, plan, train, plan.epochs * steps)
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._at: dict[int, Any] = {}
        self._opened: tuple[int, ...] | None = None

    def epoch(self, progress: Progress) -> None:
        """Train one epoch and note its losses in `progress` and in the run."""
        epoch = progress.epoch
        if self.plan.open_blocks(epoch) != self._opened:
            self._opened = self.plan.open_blocks(epoch)
            set_trainable(self.classifier, self.plan, epoch)
            set_modes(self.classifier, self.plan, epoch)
        begun = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.run.stream_seed(f"dropout/{epoch}"))
            loss = self._steps(progress)
        seconds = time.perf_counter() - begun
        progress.step_seconds += seconds
        progress.epoch += 1
        row = {"epoch": progress.epoch, "train_loss": loss, "learning_rate": self.optimisation.rate, "seconds": seconds}
        if len(self.selection.validation):
            validation_loss, accuracy = self._validate(epoch)
            self._check(validation_loss, progress)
            row |= {"validation_loss": validation_loss, "validation_accuracy": accuracy}
        progress.history.append(row)
        self.run.metric(progress.epoch, **{name: value for name, value in row.items() if name != "epoch"})
        shown = ("train_loss", "validation_loss", "validation_accuracy")
        self.run.progress(progress.epoch, self.plan.epochs, **{name: row[name] for name in shown if name in row})

    def _steps(self, progress: Progress) -> float:
        epoch, items = progress.epoch, self.selection.train
        cut = self.plan.cut(epoch)
        fetch = self._fetch("train", cut, _view(self.plan, epoch))
        lengths = self._lengths(items, cut)
        generator = self.run.generator(f"order/{epoch}")
        labels = self.labels[torch.from_numpy(items)]
        total = 0.0
        for places in epoch_batches(np.arange(len(items)), self.train.batch_size, generator, lengths):
            x, mask = fetch(places)
            with self._precision():
                logits = self.classifier.logits(x, mask, start=cut)
            wanted = labels[torch.from_numpy(places)]
            loss = functional.cross_entropy(logits, wanted, label_smoothing=self.train.label_smoothing)
            value = loss.item()
            self._check(value, progress)
            loss.backward()
            if progress.step == 0 and self.plan.kind == "lora":
                self._warn_of_unused()
            self.optimisation.step(progress.step)
            progress.step += 1
            total += value * len(places)
        return total / len(items)

    def _validate(self, epoch: int) -> tuple[float, float]:
        """Mean cross-entropy and accuracy on the validation items."""
        items, cut = self.selection.validation, self.plan.cut(epoch)
        fetch, lengths = self._fetch("validation", cut, 0), self._lengths(items, cut)
        loss = right = 0.0
        with evaluating(self.classifier), self._precision():
            for places in evaluation_batches(items, 64, lengths):
                x, mask = fetch(places)
                logits = self.classifier.logits(x, mask, start=cut)
                wanted = self.labels[torch.from_numpy(items[places])]
                loss += float(functional.cross_entropy(logits, wanted, reduction="sum"))
                right += float((logits.argmax(1) == wanted).sum())
        return loss / len(items), right / len(items)

    def _fetch(self, part: str, cut: int, view: int) -> Fetch:
        """How the activations of one part come: features that come again from memory, all else from the cache."""
        items = getattr(self.selection, part)
        mixed = self.plan.kind == "scalar_mix"
        comes_again = mixed or (self.plan.cache and not (self.plan.fresh_views and view))
        if cut < len(self.plan.blocks) or not comes_again:
            activations = self._activations(cut)
            return lambda places: activations.batch(items[places], view)
        usage = self._activations(cut).usage
        if (part, view) not in self._kept:
            counted = usage.items
            self._kept[part, view] = end_features(self.classifier, self.plan, self.cache, items, view)
            usage.items = counted  # what is served from here on is counted below, epoch by epoch
        features = self._kept[part, view]

        def served(places: np.ndarray) -> tuple[Tensor, None]:
            usage.items += len(places)
            return features[torch.from_numpy(places)], None

        return served

    def _lengths(self, items: np.ndarray, cut: int) -> np.ndarray | None:
        """Lengths by which batches are made; features have none."""
        return None if cut == len(self.plan.blocks) else self._activations(cut).lengths[items]

    def _activations(self, cut: int) -> Any:
        if cut not in self._at:
            self._at[cut] = self.cache.activations(cut)
        return self._at[cut]

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.train.precision == "bf16")

    def _check(self, loss: float, progress: Progress) -> None:
        if not math.isfinite(loss):
            rate = self.train.learning_rate
            raise UserError(
                f"train.learning_rate: {rate:g}: the loss is no longer a number (epoch {progress.epoch + 1}, "
                f"step {progress.step + 1}); lower it, e.g. {rate / 3:.1g}"
            )

    def _warn_of_unused(self) -> None:
        names = trainable_names(self.classifier, self.plan, 0)
        unused = [n for n, parameter in self.classifier.named_parameters() if n in names and parameter.grad is None]
        if unused:
            self.run.warn(
                f"{len(unused)} adapter weights do not reach the output, e.g. {unused[0]}: they stay as drawn"
            )


@dataclass(frozen=True)
class Predictions:
    """`logits` (m, C) and what the head read, `features` (m, d); float32, in the order asked for."""

    logits: np.ndarray
    features: np.ndarray


@kept_memory()
def predict(
    classifier: Classifier,
    plan: Plan,
    cache: Any,
    index: np.ndarray,
    *,
    batch_size: int = 64,
    precision: str = "float32",
) -> Predictions:
    """Class scores and features of items, from the deepest cut that training left as it was.

    `index` (m,): positions in the data. Nothing is random and nothing changes. Raises `UserError` where a score is no
    number.
    """
    parts: dict[str, list[Tensor]] = {"logits": [], "features": []}
    order: list[np.ndarray] = []
    with evaluating(classifier), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for places, x, mask, cut in _parts(classifier, plan, cache, index, batch_size):
            features = classifier.features(x, mask, cut)
            parts["logits"].append(classifier.scores(features))
            mixed = classifier.head.mixed(features) if isinstance(classifier.head, ScalarMix) else features
            parts["features"].append(mixed)
            order.append(places)
    back = np.argsort(np.concatenate(order)) if order else np.empty(0, dtype=np.int64)
    arrays = {name: torch.cat(found).numpy()[back] for name, found in parts.items() if found}
    if not arrays:
        raise ValueError("no items to predict")
    if not np.isfinite(arrays["logits"]).all():
        raise UserError("the trained weights give scores that are no numbers; lower train.learning_rate")
    return Predictions(**arrays)


def _parts(
    classifier: Classifier, plan: Plan, cache: Any, index: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor | None, int]]:
    """Batches of places in `index`, their activations, and the cut these stand at."""
    cut = plan.min_cut
    if plan.kind == "scalar_mix" and cut == len(plan.blocks):
        features = end_features(classifier, plan, cache, index)
        for places in evaluation_batches(index, batch_size):
            yield places, features[torch.from_numpy(places)], None, cut
        return
    activations = cache.activations(cut)
    lengths = None if cut == len(plan.blocks) else activations.lengths[index]
    for places in evaluation_batches(index, batch_size, lengths):
        x, mask = activations.batch(index[places])
        yield places, x, mask, cut


def _view(plan: Plan, epoch: int) -> int:
    """Which view of the items an epoch sees: fixed ones by turns, or one of its own."""
    if plan.fresh_views:
        return 1 + epoch
    return 1 + epoch % plan.views if plan.views else 0
