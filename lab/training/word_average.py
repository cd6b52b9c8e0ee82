"""Word vectors learned in a task from scratch: a text is the mean of its words' vectors, and a linear layer reads it.

Joulin et al. 2017 (arXiv:1607.01759) without its hashed n-grams. It has its own small loop: its texts are bags of word
numbers for an embedding bag, there is nothing frozen and nothing to cache, and all of it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DIMENSIONS = 64
EPOCHS = 30
BATCH = 32
LEARNING_RATE = 5e-3


@dataclass(frozen=True)
class WordAverage:
    """`vectors` (words, d), `weight` (classes, d), `bias` (classes,), float32; `epoch` of `epochs` is the one kept."""

    words: list[str]
    vectors: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    epoch: int
    epochs: int


def train_word_average(
    training: Sequence[Sequence[str]],
    labels: np.ndarray,
    validation: Sequence[Sequence[str]],
    validation_labels: np.ndarray,
    *,
    classes: int,
    seed: int,
) -> WordAverage:
    """Train on tokenised texts and their labels (n,) int64, and keep the epoch of the lowest validation loss.

    Without validation texts the last epoch is kept. A text without a known word has the vector of no word at all,
    zeros. The same seed gives the same numbers.
    """
    import torch
    from torch import nn

    words = sorted({word for text in training for word in text}) or ["?"]
    numbers = {word: row for row, word in enumerate(words)}
    generator = torch.Generator().manual_seed(seed)
    bag = nn.EmbeddingBag(len(words), DIMENSIONS, mode="mean")
    head = nn.Linear(DIMENSIONS, classes)
    with torch.no_grad():
        bag.weight.normal_(0, DIMENSIONS**-0.5, generator=generator)
        head.weight.normal_(0, DIMENSIONS**-0.5, generator=generator)
        head.bias.zero_()
    parameters = [bag.weight, head.weight, head.bias]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    texts = [[numbers[word] for word in text if word in numbers] for text in (*training, *validation)]
    truth = torch.as_tensor(np.concatenate([labels, validation_labels]).astype(np.int64))
    held = list(range(len(training), len(texts)))
    best: tuple[float, int, list[Any]] = (float("inf"), 0, parameters)
    for epoch in range(1, EPOCHS + 1):
        for batch in _batches(torch.randperm(len(training), generator=generator).tolist()):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(head(_bags(bag, texts, batch)), truth[batch])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            value = float(nn.functional.cross_entropy(head(_bags(bag, texts, held)), truth[held])) if held else -epoch
        if value < best[0]:
            best = value, epoch, [parameter.detach().clone() for parameter in parameters]
    vectors, weight, bias = (parameter.detach().numpy() for parameter in best[2])
    return WordAverage(words, vectors, weight, bias, best[1], EPOCHS)


def _batches(order: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(order), BATCH):
        yield list(order[start : start + BATCH])


def _bags(bag: Any, texts: Sequence[Sequence[int]], batch: Sequence[int]) -> Any:
    import torch

    flat = torch.tensor([number for row in batch for number in texts[row]], dtype=torch.int64)
    lengths = [len(texts[row]) for row in batch]
    offsets = torch.tensor([0, *np.cumsum(lengths)[:-1]], dtype=torch.int64)
    return bag(flat, offsets)
