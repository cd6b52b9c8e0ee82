"""Fine-tuning at every frozen depth: `lab`, which pays the frozen part once, against loops that pay it in every epoch.

Text: MiniLM-L6 on 2,000 sentences against the Hugging Face Trainer with `DataCollatorWithPadding` (and padding to
128, beside it). Images: EfficientNet-Lite0 at 224 px on the flowers against a plain PyTorch loop over `ImageFolder`.
Same data, batch size, epochs, optimiser, schedule and precision on both sides, in turn, in one run; two epochs a depth
after a warm-up. The sweep at 10 epochs is computed from them, the filling of the cache counted once.
`--quick`: fewer items, depths `all` and `half` only, one epoch a depth. Without ../shared/data: the packaged data.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.data.backbones import locate_backbone
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import Items, load_items
from lab.models.backbone import Backbone, load_backbone
from lab.training.cache.prefix_cache import PrefixCache
from lab.training.classifier import Classifier
from lab.training.config import StrategyConfig, TrainConfig
from lab.training.depth import resolve_depth
from lab.training.fit import fit, predict
from lab.training.freezing import prepare
from lab.training.inputs import item_inputs
from lab.training.recorder import QuietRecorder
from lab.training.selection import Selection
from lab.training.strategies import make_plan

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
DEPTHS = {"all": "all", "all-1": "all-1", "all-2": "all-2", "half": "50%", "none": "none"}
SWEEP_EPOCHS, BATCH = 10, 32
RATES = {"text": {"all": 1e-2, "deeper": 2e-4}, "image": {"all": 1e-2, "deeper": 1e-3}}


@dataclass(frozen=True)
class Task:
    """Items with the places of those to train (for `epochs`) and to test on, and a fresh network at each call."""

    name: str
    items: Items
    train: np.ndarray
    test: np.ndarray
    network: Callable[[], Backbone]
    epochs: int


@dataclass
class Timed:
    """One side at one depth: mean seconds of an epoch, and accuracy on the test items after them."""

    seconds: float
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="depths all and half, fewer items: half a minute")
    parser.add_argument("--only", choices=["text", "image"], help="one of the two halves")
    options = parser.parse_args()
    depths = ["all", "half"] if options.quick else list(DEPTHS)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["LAB_CACHE"] = cache
        lines = []
        if options.only != "image":
            lines += compare_text(depths, options.quick)
        if options.only != "text":
            lines += compare_images(depths, options.quick, Path(cache))
    print("\n".join(lines))


def compare_text(depths: Sequence[str], quick: bool) -> list[str]:
    if importlib.util.find_spec("accelerate") is None:
        return ["text: the Hugging Face Trainer needs accelerate: pip install accelerate"]
    from peers.trainer import TrainerPeer

    task = text_task(*(160, 64, 1) if quick else (2000, 1000, 2))
    lines = compare(task, "text", depths, "Trainer", TrainerPeer(task, BATCH, task.epochs), quick)
    if not quick:
        padded = TrainerPeer(task, BATCH, task.epochs, pad_to=128)
        lines += compare(task, "text", ["all", "half"], "Trainer padding to 128", padded)
    return lines


def compare_images(depths: Sequence[str], quick: bool, folder: Path) -> list[str]:
    from peers.image_loop import ImageLoop

    task = image_task(*(32, 32, 1) if quick else (600, 200, 2))
    return compare(task, "image", depths, "plain loop", ImageLoop(task, BATCH, task.epochs, folder / "images"), quick)


def text_task(train: int, test: int, epochs: int) -> Task:
    if SHARED.is_dir():
        items = load_items(LabelledConfig(source=str(SHARED / "sentence_polarity"), encoding="latin-1"))
        name = "sentence_polarity"
    else:
        items, name = load_items(LabelledConfig(source="wikipedia-topics")), "wikipedia-topics"
    order = np.random.default_rng(0).permutation(len(items))[: train + test]
    train = min(train, len(order) * 2 // 3)
    return Task(
        f"MiniLM-L6 on {train} texts of {name}",
        items,
        order[:train],
        order[train:],
        lambda: load_backbone(locate_backbone("minilm-l6")),
        epochs,
    )


def image_task(train: int, test: int, epochs: int) -> Task:
    generator = np.random.default_rng(0)
    if SHARED.is_dir():
        items, name = load_items(LabelledConfig(source=str(SHARED / "flowers5"))), "flowers5"
        parts = [generator.permutation(np.flatnonzero(items.predefined == part)) for part in ("train", "test")]
    else:
        items, name = load_items(LabelledConfig(source="mnist-5k")), "mnist-5k"
        parts = list(np.split(generator.permutation(len(items)), [len(items) // 2]))
    return Task(
        f"EfficientNet-Lite0 at 224 px on {min(train, len(parts[0]))} images of {name}",
        items,
        parts[0][:train],
        parts[1][:test],
        lambda: load_backbone(locate_backbone("efficientnet-lite0"), image_size=224),
        epochs,
    )


def compare(task: Task, kind: str, depths: Sequence[str], name: str, peer: Any, quick: bool = False) -> list[str]:
    """Time both sides depth by depth, printing as it goes; returns the lines of ratios, which stand last."""
    print(
        f"\n{task.name}; {torch.get_num_threads()} threads, batches of {BATCH}, epochs a depth: {task.epochs}",
        flush=True,
    )
    ours = Ours(task)
    blocks = ours.backbone.block_names
    frozen = {depth: resolve_depth(DEPTHS[depth], blocks) for depth in depths}
    fill = ours.fill(list(frozen.values()))
    found: dict[str, dict[str, Timed]] = {"lab": {}, name: {}}
    sides = {"lab": ours, name: peer}
    for side in sides.values():
        side.warm_up(frozen[depths[-1]])
    for depth in depths:
        rate = RATES[kind]["all" if frozen[depth] == len(blocks) else "deeper"]
        for label, side in sides.items():
            found[label][depth] = timed = side.run(frozen[depth], rate)
            print(
                f"  {depth} ({frozen[depth]} of {len(blocks)} blocks frozen): {label} {timed.seconds:.3f} s an epoch, "
                f"accuracy {timed.accuracy:.3f}",
                flush=True,
            )
    lines = [""]
    if not quick:
        share = ours.overhead(frozen["half"])
        lines += [f"{kind}: what lab does around the training steps takes {100 * share:.1f} % of their time"]
    return lines + ratios(kind, name, found["lab"], found[name], fill)


def ratios(kind: str, name: str, ours: dict[str, Timed], theirs: dict[str, Timed], fill: float) -> list[str]:
    """What the figures come to: an epoch at each depth, the sweep, and the part of it with much frozen."""
    lines = []
    for depth in ours:
        ratio = theirs[depth].seconds / ours[depth].seconds
        lines.append(f"{kind}, {depth}: an epoch {ratio:.1f}× as fast as {name}")
    deep = [depth for depth in ours if depth != "none"]
    for label, chosen in {"sweep": list(ours), "depth half and more": deep}.items():
        mine = fill + SWEEP_EPOCHS * sum(ours[depth].seconds for depth in chosen)
        other = SWEEP_EPOCHS * sum(theirs[depth].seconds for depth in chosen)
        lines.append(
            f"{kind}, {label} {{{', '.join(chosen)}}} at {SWEEP_EPOCHS} epochs, computed: lab {mine:.1f} s, "
            f"of which {fill:.1f} s fill the cache; {name} {other:.1f} s; ratio: {other / mine:.1f}×"
        )
    return lines if "none" in ours else lines[:-1]


class Ours:
    """`lab`: activations at the cuts once, then only what lies behind."""

    def __init__(self, task: Task) -> None:
        self.task, self.backbone = task, task.network()
        self.inputs = item_inputs(task.items, self.backbone.preprocessing)
        self.cache = PrefixCache(self.backbone, self.inputs)
        self.selection = Selection(task.train, task.train[:0], task.items.labels)

    def fill(self, cuts: Sequence[int]) -> float:
        """Seconds of filling all the cuts: reading, tokenising or decoding, and the frozen blocks."""
        started = time.perf_counter()
        self.cache.fill(cuts, self.task.train, progress=lambda line: print(f"  {line}", flush=True))
        seconds = time.perf_counter() - started
        self.cache.fill(cuts, self.task.test)  # for the accuracy only
        return seconds

    def warm_up(self, depth: int) -> None:
        few = Selection(self.task.train[: 2 * BATCH], self.task.train[:0], self.task.items.labels)
        self._train(depth, 1e-5, few, 1)

    def run(self, depth: int, rate: float) -> Timed:
        classifier, plan, cache, seconds = self._train(depth, rate, self.selection, self.task.epochs)
        found = predict(classifier, plan, cache, self.task.test)
        accuracy = float((found.logits.argmax(1) == self.task.items.labels[self.task.test]).mean())
        return Timed(seconds / self.task.epochs, accuracy)

    def _train(self, depth: int, rate: float, selection: Selection, epochs: int) -> tuple[Any, Any, PrefixCache, float]:
        backbone = self.task.network()
        cache = PrefixCache(backbone, self.inputs)
        train = TrainConfig(epochs=epochs, batch_size=BATCH, learning_rate=rate)
        plan = make_plan(StrategyConfig(frozen_depth=depth), train, backbone.block_names)
        cache.fill(plan.cuts(), np.concatenate([self.task.train, self.task.test]))  # is filled: opens it
        classifier = Classifier(backbone, len(self.task.items.classes), seed=0)
        prepare(classifier, plan)
        started = time.perf_counter()
        fit(classifier, plan, train, cache, selection, QuietRecorder())
        return classifier, plan, cache, time.perf_counter() - started

    def overhead(self, depth: int) -> float:
        """What `fit` takes beyond the bare forward passes, backward passes and updates on ready batches, as a share."""
        from peers.bare import bare_seconds

        rate, classes, ours, bare = 1e-5, len(self.task.items.classes), [], []
        part = Selection(self.task.train[: 5 * BATCH], self.task.train[:0], self.task.items.labels)
        for _ in range(3):
            ours.append(self._train(depth, rate, part, 1)[3])
            bare.append(bare_seconds(self.task.network(), self.inputs, part, depth, classes, rate, BATCH))
        return min(ours) / min(bare) - 1


if __name__ == "__main__":
    main()
