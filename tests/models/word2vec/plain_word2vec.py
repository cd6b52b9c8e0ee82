"""What the compiled kernels draw, in Python's own numbers, and a text for them."""

from __future__ import annotations

import numpy as np

from lab.models.word2vec.kernels import Copies, Text, Windows

WORDS, WIDTH = 40, 80  # columns are taken 64 and 16 at a time
COUNTS = np.arange(WORDS, 0, -1) ** 2
RATES = (0.1, 0.05)
NO_COPIES = Copies(0, 1, 0, np.zeros((0, 1), np.float32), np.zeros((0, 1), np.float32))


class Drawn:
    """The generator of the kernels, in Python's own integers."""

    def __init__(self, state: int) -> None:
        self.state = state

    def __call__(self) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 32


def windows_in(text: Text, first: int, last: int, windows: Windows, state: int):
    """The learning rate, the word and its context words of every window."""
    draw = Drawn(state)
    begin, end = text.starts[first], text.starts[last]
    for sentence in range(first, last):
        start, stop = text.starts[sentence : sentence + 2]
        rate = RATES[0] + (RATES[1] - RATES[0]) * (start - begin) / (end - begin)
        rows = [text.rows[number] for number in text.ids[start:stop]]
        words = [row for row in rows if row >= 0 and draw() <= text.keep[row]]
        for at, word in enumerate(words):
            reach = 1 + (draw() * windows.size >> 32) if windows.shrink else windows.size
            context = words[max(0, at - reach) : at] + words[at + 1 : at + 1 + reach]
            if context:
                yield rate, word, context


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def aligned(matrix):
    room = np.zeros(matrix.size + 16, dtype=np.float32)
    offset = (-room.ctypes.data % 64) // 4
    copy = room[offset : offset + matrix.size].reshape(matrix.shape)
    copy[:] = matrix
    return copy


def numbered_text() -> Text:
    """Six sentences of 40 words and two that are in no vocabulary."""
    generator = np.random.default_rng(3)
    lengths = [1, 2, 7, 30, 0, 12]
    ids = generator.choice(WORDS + 2, sum(lengths), p=np.append(COUNTS, [50, 50]) / (COUNTS.sum() + 100))
    rows = np.append(np.arange(WORDS), [-1, -1])  # two types are not in the vocabulary
    keep = np.linspace(2**31, 2**32 - 1, WORDS)
    return Text(
        ids.astype(np.int32), np.cumsum([0, *lengths], dtype=np.int64), rows.astype(np.int32), keep.astype(np.uint32)
    )
