"""Which items stand together in a step: drawn anew each epoch, and for texts by length, so that little is padded."""

from __future__ import annotations

import numpy as np

WINDOW = 32
"""Batches among which texts are sorted by length: the wider, the less padding and the less chance in the batches."""


def epoch_batches(
    index: np.ndarray, batch_size: int, generator: np.random.Generator, lengths: np.ndarray | None = None
) -> list[np.ndarray]:
    """Cut a random order of `index` (n,) int64 into batches.

    `lengths` (n,), of the same items: windows of `WINDOW` batches of the random order are each sorted by length, cut,
    and all batches shuffled, so that every item meets others of like length, but other ones in every epoch.
    The last batch holds what is left; a single left-over joins the one before (batch norm needs two).
    """
    order = generator.permutation(len(index))
    if lengths is None or not len(index) or lengths.min() == lengths.max():
        return [index[part] for part in _cut(order, batch_size)]
    width = WINDOW * batch_size
    windows = [order[start : start + width] for start in range(0, len(order), width)]
    if len(windows) > 1 and len(windows[-1]) == 1:
        windows[-2:] = [np.concatenate(windows[-2:])]
    parts = [
        part for window in windows for part in _cut(window[np.argsort(lengths[window], kind="stable")], batch_size)
    ]
    return [index[parts[place]] for place in generator.permutation(len(parts))]


def steps_per_epoch(items: int, batch_size: int) -> int:
    """How many batches `epoch_batches` makes of so many items."""
    joined = batch_size > 1 and items > batch_size and items % batch_size == 1
    return -(-items // batch_size) - joined


def evaluation_batches(index: np.ndarray, batch_size: int, lengths: np.ndarray | None = None) -> list[np.ndarray]:
    """Cut the places 0 to n - 1 of `index` into batches, by length where `lengths` are given; nothing is random."""
    order = np.arange(len(index)) if lengths is None else np.argsort(lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _cut(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(parts) > 1 and len(parts[-1]) == 1 and batch_size > 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts
