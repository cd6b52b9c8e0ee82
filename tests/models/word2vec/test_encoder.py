from __future__ import annotations

import numpy as np

from lab.embeddings.space import EmbeddingSpace
from lab.models.word2vec.encoder import MeanOfWords

VECTORS = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
ENCODER = MeanOfWords(EmbeddingSpace(["king", "queen", "new_york"], VECTORS), lambda text: text.lower().split())


def test_one_known_word_has_its_own_vector_bit_for_bit():
    assert (ENCODER.encode(["King", "the king unheard", "queen"]) == VECTORS[[0, 0, 1]]).all()


def test_a_text_is_the_mean_of_its_known_words():
    expected = (2 * VECTORS[0].astype(float) + VECTORS[1]) / 3
    encoded = ENCODER.encode(["king queen king x"])
    assert encoded.dtype == np.float32
    assert np.allclose(encoded, expected, rtol=1e-6)


def test_a_word_of_the_vocabulary_is_not_taken_apart():
    assert (ENCODER.encode(["new_york"]) == VECTORS[2]).all()


def test_nothing_known_gives_nan_and_nothing_asked_gives_no_rows():
    encoded = ENCODER.encode(["unheard of", "", "king"])
    assert np.isnan(encoded[:2]).all()
    assert not np.isnan(encoded[2]).any()
    assert ENCODER.encode([]).shape == (0, 7)
