from __future__ import annotations

import numpy as np

from lab.training.word_average import train_word_average

TEXTS = [["good", "film"], ["bad", "film"], ["good", "story"], ["bad", "story"], []] * 6
LABELS = np.array([1, 0, 1, 0, 0] * 6)


def train(seed: int = 0, held: int = 5):
    return train_word_average(TEXTS, LABELS, TEXTS[:held], LABELS[:held], classes=2, seed=seed)


def test_words_that_decide_are_learned():
    found = train()
    assert found.words == ["bad", "film", "good", "story"]
    assert found.vectors.shape == (4, 64)
    scores = found.vectors @ found.weight.T + found.bias
    assert scores[found.words.index("good")].argmax() == 1
    assert scores[found.words.index("bad")].argmax() == 0


def test_the_same_seed_gives_the_same_numbers():
    assert np.array_equal(train().vectors, train().vectors)
    assert not np.array_equal(train().vectors, train(seed=1).vectors)


def test_without_validation_the_last_epoch_is_kept():
    found = train(held=0)
    assert found.epoch == found.epochs
