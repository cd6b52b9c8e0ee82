"""Toy backbones and a cache that keeps nothing, for tests of the training loop."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lab.models.backbone import Backbone, Block, ImagePreprocessing, TextPreprocessing
from lab.training.activations import Usage
from lab.training.classifier import Classifier
from lab.training.config import StrategyConfig, TrainConfig
from lab.training.fit import Fitted, fit
from lab.training.freezing import prepare
from lab.training.recorder import QuietRecorder, Recorder
from lab.training.selection import Selection
from lab.training.strategies import Plan, make_plan

ITEMS, TRAIN, CLASSES = 40, 21, 3
EVERY_KIND = [
    {},
    {"solver": "lbfgs"},
    {"solver": "closed_form"},
    {"frozen_depth": 2},
    {"frozen_depth": "none"},
    {"frozen_depth": "none", "layer_decay": 0.5},
    {"kind": "lp_ft", "frozen_depth": 1},
    {"kind": "gradual", "frozen_depth": 1},
    {"kind": "surgical", "blocks": [2]},
    {"kind": "norm_only", "frozen_depth": 1},
    {"kind": "bitfit"},
    {"kind": "lora", "lora_rank": 2},
    {"kind": "scalar_mix"},
    {"kind": "scalar_mix", "batch_norm": "track"},
    {"frozen_depth": 2, "batch_norm": "track"},
    {"frozen_depth": 2, "batch_norm": "train"},
    {"kind": "lora", "batch_norm": "train"},
]
KINDS = ("image", "text")


class Flat(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


class Layer(nn.Module):
    """What stands for a transformer layer: a map, dropout, a norm, and a look at the mean of the other tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm, self.dropout = nn.Linear(width, width), nn.LayerNorm(width), nn.Dropout(0.2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        weights = torch.ones(x.shape[:2]) if mask is None else (mask[:, 0, 0] == 0).float()
        around = (x * weights[..., None]).sum(1, keepdim=True) / weights.sum(1)[:, None, None]
        return self.norm(x + self.dropout(torch.tanh(self.linear(x + around))))


class Embeddings(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(50, width), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.norm(self.table(x))


def image_backbone(seed: int = 0) -> Backbone:
    """Four blocks of convolution, batch norm, dropout; running statistics that are not those of the data."""
    torch.manual_seed(seed)

    def block(inside: int, outside: int, stride: int, groups: int = 1) -> nn.Module:
        conv = nn.Conv2d(inside, outside, 3, stride, 1, groups=groups)
        return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU(), nn.Dropout(0.2))

    bodies = [block(3, 6, 2), block(6, 6, 1, groups=6), block(6, 8, 2), block(8, 12, 1)]
    blocks = [Block(body, Flat() if index == 3 else None) for index, body in enumerate(bodies)]
    names = ["stem", "stages.0", "stages.1", "stages.2"]
    preprocessing = ImagePreprocessing(12, (0.5,) * 3, (0.25,) * 3, "bilinear")
    backbone = Backbone("toy", "image", names, blocks, preprocessing, 12)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return backbone.eval().to(memory_format=torch.channels_last)


def text_backbone(seed: int = 0) -> Backbone:
    """Embeddings and three layers of one width."""
    torch.manual_seed(seed)
    blocks = [Block(Embeddings(8)), *(Block(Layer(8)) for _ in range(3))]
    names = ["embeddings", "layer.0", "layer.1", "layer.2"]
    return Backbone("toy", "text", names, blocks, TextPreprocessing(None, 16, 0), 8).eval()


BACKBONES = {"image": image_backbone, "text": text_backbone}


class ToyActivations:
    def __init__(self, cache: ToyCache, cut: int) -> None:
        self.cache, self.cut, self.lengths, self.cached = cache, cut, cache.lengths, cache.keeps
        self.usage = Usage()

    def batch(self, index: np.ndarray, view: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
        self.cache.asked.append((self.cut, view, len(index)))
        x, mask = self.cache.raw(index, view)
        with torch.no_grad():
            if self.cut:
                x = self.cache.frozen.run_blocks(x, mask, stop=self.cut)
            if self.cut == len(self.cache.frozen.blocks):
                return self.cache.frozen.pool(x, mask), None
        return x, mask


class ToyCache:
    """Computes all on the fly with a copy of the backbone as it was; notes what it was asked for."""

    def __init__(self, kind: str, seed: int = 0, keeps: bool = True) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.kind, self.keeps, self.frozen = kind, keeps, BACKBONES[kind]()
        self.asked: list[tuple[int, int, int]] = []
        if kind == "image":
            self.items: Any = torch.randint(0, 256, (ITEMS, 3, 12, 12), generator=generator).to(torch.uint8)
            self.lengths = np.ones(ITEMS, dtype=np.int32)
        else:
            self.lengths = (3 + np.arange(ITEMS) % 7).astype(np.int32)
            self.items = [torch.randint(1, 50, (int(length),), generator=generator) for length in self.lengths]

    def raw(self, index: np.ndarray, view: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        if self.kind == "image":
            return self.items[torch.as_tensor(index)].roll(view, dims=3), None
        x = nn.utils.rnn.pad_sequence([self.items[i] for i in index], batch_first=True)
        return x, torch.arange(x.shape[1])[None] < torch.as_tensor(self.lengths[index])[:, None]

    def activations(self, cut: int) -> ToyActivations:
        return ToyActivations(self, cut)

    def pooled(self, block: int | None = None, index: np.ndarray | None = None) -> np.ndarray:
        x, mask = self.raw(np.arange(ITEMS) if index is None else index, 0)
        with torch.no_grad():
            x = self.frozen.run_blocks(x, mask, stop=None if block is None else block + 1)
            return self.frozen.pool(x, mask, block).numpy()


def selection() -> Selection:
    labels = np.arange(ITEMS) % CLASSES
    order = np.random.default_rng(0).permutation(ITEMS)
    return Selection(order[:TRAIN], order[TRAIN : TRAIN + 10], labels)


def made(
    kind: str, strategy: dict[str, Any], train: dict[str, Any] | None = None
) -> tuple[Classifier, Plan, TrainConfig]:
    """A fresh prepared classifier, its plan and training config."""
    config = TrainConfig(**{"epochs": 5, "batch_size": 5, "learning_rate": 1e-2} | (train or {}))
    backbone = BACKBONES[kind]()
    plan = make_plan(StrategyConfig(**strategy), config, backbone.block_names)
    widths = [p.shape[1] for p in (ToyCache(kind).pooled(b) for b in plan.pooled())] or None
    classifier = Classifier(backbone, CLASSES, seed=1, mix_widths=widths)
    prepare(classifier, plan, seed=2)
    return classifier, plan, config


def trained(
    kind: str,
    strategy: dict[str, Any],
    train: dict[str, Any] | None = None,
    cache: Any = None,
    run: Recorder | None = None,
) -> tuple[Classifier, Plan, Fitted]:
    """Train a toy."""
    classifier, plan, config = made(kind, strategy, train)
    run = run or QuietRecorder(seed=3)
    fitted = fit(classifier, plan, config, cache or ToyCache(kind), selection(), run, checkpoint_seconds=0)
    return classifier, plan, fitted


@dataclass(frozen=True)
class Kept:
    """A checkpoint in memory."""

    tensors: dict[str, np.ndarray]
    state: dict[str, Any]


class Checkpoints(QuietRecorder):
    """Keeps checkpoints; stops after epoch `stop`."""

    def __init__(self, seed, stop=None, last=None):
        super().__init__(seed)
        self.stop, self.last, self.steps = stop, last, []

    def checkpoint(self, step, tensors, state):
        self.last = Kept({name: array.copy() for name, array in tensors.items()}, json.loads(json.dumps(state)))
        self.steps.append(step)
        if step == self.stop:
            raise KeyboardInterrupt

    def latest_checkpoint(self):
        return self.last


def spoken(strategy: Any) -> str:
    """The id of a parametrised case."""
    if isinstance(strategy, dict):
        return "-".join(f"{value}" for value in strategy.values()) or "head"
    return ""


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether two networks' tensors agree in every bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
