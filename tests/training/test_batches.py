from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.training.batches import WINDOW, epoch_batches, evaluation_batches, steps_per_epoch


@given(st.integers(1, 300), st.integers(1, 40), st.booleans(), st.integers(0, 5))
def test_every_item_comes_once_and_the_steps_are_known(items, batch_size, by_length, seed):
    index = np.arange(items) * 3
    lengths = np.random.default_rng(seed).integers(1, 60, items) if by_length else None
    batches = epoch_batches(index, batch_size, np.random.default_rng(seed), lengths)
    assert sorted(np.concatenate(batches).tolist()) == index.tolist()
    assert len(batches) == steps_per_epoch(items, batch_size)
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size + 1
    assert items == 1 or batch_size == 1 or min(sizes) > 1


def test_equal_lengths_are_no_reason_for_buckets():
    plain, same = (
        epoch_batches(np.arange(50), 8, np.random.default_rng(0), lengths) for lengths in (None, np.full(50, 7))
    )
    assert all(np.array_equal(a, b) for a, b in zip(plain, same, strict=True))


def test_buckets_pad_little_and_stay_random():
    rng = np.random.default_rng(0)
    lengths = rng.geometric(0.05, 2000).clip(3, 128)
    index = np.arange(2000)

    def padded(batches):
        return sum(len(batch) * lengths[batch].max() for batch in batches) / lengths.sum() - 1

    random = padded(epoch_batches(index, 32, np.random.default_rng(1)))
    first = epoch_batches(index, 32, np.random.default_rng(1), lengths)
    assert padded(first) < random / 5
    second = epoch_batches(index, 32, np.random.default_rng(2), lengths)
    together = {
        frozenset(pair) for batch in first for pair in zip(batch[:-1].tolist(), batch[1:].tolist(), strict=True)
    }
    again = {frozenset(pair) for batch in second for pair in zip(batch[:-1].tolist(), batch[1:].tolist(), strict=True)}
    assert len(together & again) < 0.1 * len(together)
    means = np.array([lengths[batch].mean() for batch in first])
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4
    assert WINDOW > 1


def test_the_same_generator_gives_the_same_order():
    lengths = np.arange(100) % 13
    first, second, other = (
        epoch_batches(np.arange(100), 9, np.random.default_rng(seed), lengths) for seed in (5, 5, 6)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_evaluation_batches_hold_every_place_once():
    lengths = np.array([5, 1, 4, 1, 3])
    batches = evaluation_batches(np.arange(5) + 10, 2, lengths)
    assert [batch.tolist() for batch in batches] == [[1, 3], [4, 2], [0]]
    assert np.concatenate(evaluation_batches(np.arange(5), 2)).tolist() == [0, 1, 2, 3, 4]
