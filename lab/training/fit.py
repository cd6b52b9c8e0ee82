"""Fine-tuning: a classifier and its plan in the one training loop, from the cut on; or a head that is solved instead.

What differs between strategies is in the `Plan`; here is only how a plan is carried out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lab.errors import UserError
from lab.training.batches import epoch_batches, evaluation_batches, steps_per_epoch
from lab.training.classifier import Classifier, ScalarMix
from lab.training.config import LoopConfig, TrainConfig
from lab.training.freezing import (
    evaluating,
    named_tensors,
    parameter_groups,
    set_modes,
    set_trainable,
    trainable_names,
    trained_names,
)
from lab.training.loop import Fitted, Learner
from lab.training.loop import train as train_loop
from lab.training.memory import kept_memory
from lab.training.recorder import Recorder
from lab.training.selection import Selection
from lab.training.solved import end_features, solve_head
from lab.training.strategies import Plan

Fetch = Callable[[np.ndarray], tuple[Tensor, Tensor | None]]
"""Places in a part of the selection → activations and mask."""


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

    `cache`: a `PrefixCache` of the same backbone; what it was not filled with is computed on the fly. See
    `lab.training.loop.train`. Raises `UserError` where the loss is no longer a number.
    """
    if plan.solver != "gradient":
        started = time.perf_counter()
        losses = solve_head(classifier, plan, train, cache, selection)
        run.metric(1, **losses)
        run.progress(1, 1, **losses)
        seconds = time.perf_counter() - started
        return Fitted(1, 1, 0, seconds, seconds, [{"epoch": 1, **losses, "seconds": seconds}])
    learner = FineTuning(classifier, plan, train, cache, selection, run)
    return train_loop(learner, train, run, epochs=plan.epochs, checkpoint_seconds=checkpoint_seconds)


class FineTuning(Learner):
    """A classifier that learns labels from the activations at the cut."""

    shown = ("train_loss", "validation_loss", "validation_accuracy")

    def __init__(
        self, classifier: Classifier, plan: Plan, train: TrainConfig, cache: Any, selection: Selection, run: Recorder
    ) -> None:
        self.module = self.classifier = classifier
        self.plan, self.train, self.run, self.cache, self.selection = plan, train, run, cache, selection
        self.labels = torch.from_numpy(selection.labels)
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._at: dict[int, Any] = {}
        self._opened: tuple[int, ...] | None = None

    def steps(self) -> int:
        """As `Learner.steps`."""
        return steps_per_epoch(len(self.selection.train), self.train.batch_size)

    def groups(self, config: LoopConfig) -> list[dict[str, Any]]:
        """Groups by block, each at its rate."""
        return parameter_groups(self.classifier, self.plan, config.weight_decay)

    def tensors(self) -> dict[str, Tensor]:
        """What the plan trains; the frozen part is no part of a checkpoint."""
        names = trained_names(self.classifier, self.plan)
        return {name: tensor.detach() for name, tensor in named_tensors(self.classifier) if name in names}

    def begin(self) -> None:
        """LP-FT's linear probe, or the scalar mix's standardisation."""
        if self.plan.kind == "lp_ft":
            solve_head(self.classifier, self.plan, self.train, self.cache, self.selection, solver="lbfgs")
        if isinstance(self.classifier.head, ScalarMix):
            features = end_features(self.classifier, self.plan, self.cache, self.selection.train)
            self.classifier.head.standardise(features)

    def batches(self, epoch: int) -> Iterator[np.ndarray]:
        """Places in the training part; the blocks that this epoch trains are open."""
        if self.plan.open_blocks(epoch) != self._opened:
            self._opened = self.plan.open_blocks(epoch)
            set_trainable(self.classifier, self.plan, epoch)
            set_modes(self.classifier, self.plan, epoch)
        items, self._cut = self.selection.train, self.plan.cut(epoch)
        self._batch = self._fetch("train", self._cut, _view(self.plan, epoch))
        self._wanted = self.labels[torch.from_numpy(items)]
        generator = self.run.generator(f"order/{epoch}")
        yield from epoch_batches(
            np.arange(len(items)), self.train.batch_size, generator, self._lengths(items, self._cut)
        )

    def loss(self, places: np.ndarray) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy."""
        x, mask = self._batch(places)
        logits = self.classifier.logits(x, mask, start=self._cut)
        wanted = self._wanted[torch.from_numpy(places)]
        return functional.cross_entropy(logits, wanted, label_smoothing=self.train.label_smoothing), {}

    def after_backward(self, step: int) -> None:
        """Adapters that nothing reads are worth a warning."""
        if step == 0 and self.plan.kind == "lora":
            self._warn_of_unused()

    def validate(self, epoch: int) -> dict[str, float]:
        """Mean cross-entropy and accuracy on the validation items."""
        items, cut = self.selection.validation, self.plan.cut(epoch)
        if not len(items):
            return {}
        fetch, lengths = self._fetch("validation", cut, 0), self._lengths(items, cut)
        loss = right = 0.0
        with evaluating(self.classifier):
            for places in evaluation_batches(items, 64, lengths):
                x, mask = fetch(places)
                logits = self.classifier.logits(x, mask, start=cut)
                wanted = self.labels[torch.from_numpy(items[places])]
                loss += float(functional.cross_entropy(logits, wanted, reduction="sum"))
                right += float((logits.argmax(1) == wanted).sum())
        return {"validation_loss": loss / len(items), "validation_accuracy": right / len(items)}

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
