"""Two tiny networks with the interface of pretrained ones, and items for them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor, nn

from lab.models.backbone import Backbone, Block, ImagePreprocessing, TextPreprocessing
from lab.training.inputs import ItemInputs

CALLS: Counter[int] = Counter()
"""Items that each block has seen, by its number; the blocks are copied by the prefix function, the counter is not."""


class Embed(nn.Module):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.table = number, nn.Embedding(50, 6)

    def forward(self, x: Tensor) -> Tensor:
        CALLS[self.number] += len(x)
        return self.table(x)


class Mix(nn.Module):
    """A token looks at all others: what is padding shows."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.linear = number, nn.Linear(6, 6)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        CALLS[self.number] += len(x)
        scores = x @ x.transpose(1, 2)
        scores = scores if bias is None else scores + bias[:, 0]
        return x + torch.tanh(self.linear(scores.softmax(-1) @ x))


class Start(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = Embed(0)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.embed(x)


class Convolve(nn.Module):
    def __init__(self, number: int, channels: int, stride: int) -> None:
        super().__init__()
        self.number = number
        self.conv = nn.Conv2d(channels, 6, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        CALLS[self.number] += len(x)
        return torch.relu(self.norm(self.conv(x)))


def text_backbone(seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    blocks = [Block(Start()), *(Block(Mix(number)) for number in range(1, 5))]
    names = ["embeddings", *(f"layer.{i}" for i in range(4))]
    return Backbone("tiny", "text", names, blocks, TextPreprocessing(None, 16, 0), 6).eval()


def image_backbone(seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    blocks = [Block(Convolve(0, 3, 2)), Block(Convolve(1, 6, 2)), Block(Convolve(2, 6, 1), nn.AdaptiveAvgPool2d(1))]
    preprocessing = ImagePreprocessing(16, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2), "bicubic")
    backbone = Backbone("tiny", "image", ["stem", "stage.0", "stage.1"], blocks, preprocessing, 6)
    for block in blocks:
        block.body.norm.running_mean.uniform_(-1, 1)
        block.body.norm.running_var.uniform_(0.5, 2)
    return backbone.eval().to(memory_format=torch.channels_last)


def texts(n: int, seed: int = 0, longest: int = 12) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(1, 50, generator.integers(1, longest + 1)).astype(np.int32) for _ in range(n)]


def text_inputs(n: int = 40, seed: int = 0) -> ItemInputs:
    found = texts(n, seed)
    names = [ids.tobytes().hex() for ids in found]
    return ItemInputs("text", names, "tokens", lambda index: [found[i] for i in index])


def image_inputs(n: int = 40, seed: int = 0) -> ItemInputs:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 3, 16, 16), dtype=np.uint8)
    return ItemInputs("image", [f"{seed}-{i}" for i in range(n)], "16px", lambda index: pixels[index])
