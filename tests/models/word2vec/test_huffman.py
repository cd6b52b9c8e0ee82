from __future__ import annotations

import numpy as np
import pytest
from gensim.models import Word2Vec
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.models.word2vec.huffman import huffman_tree

COUNTS = st.lists(st.integers(1, 9), min_size=2, max_size=40).map(lambda counts: sorted(counts, reverse=True))


@settings(max_examples=50)
@given(COUNTS)
def test_is_the_tree_that_gensim_trains(counts):
    model = Word2Vec(hs=1, negative=0, min_count=1, sorted_vocab=0, vector_size=2)
    model.build_vocab_from_freq({f"w{row}": count for row, count in enumerate(counts)})
    points, signs = huffman_tree(np.array(counts)).paths(np.arange(len(counts)))
    for row in range(len(counts)):
        inside = signs[row] != 0
        assert points[row][inside][::-1].tolist() == model.wv.get_vecattr(row, "point").tolist()
        assert signs[row][inside][::-1].tolist() == (1 - 2 * model.wv.get_vecattr(row, "code").astype(int)).tolist()


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_probabilities_of_all_words_sum_to_one(counts, seed):
    points, signs = huffman_tree(np.array(counts)).paths(np.arange(len(counts)))
    scores = np.random.default_rng(seed).normal(size=len(counts))
    sigmoid = 1 / (1 + np.exp(-signs * scores[points]))
    assert np.where(signs == 0, 1, sigmoid).prod(axis=1).sum() == pytest.approx(1)


def test_frequent_words_have_short_paths():
    counts = np.array([1000, 500, 100, 10, 5, 1])
    _, signs = huffman_tree(counts).paths(np.arange(6))
    assert (signs != 0).sum(axis=1).tolist() == [1, 2, 3, 4, 5, 5]


def test_a_single_word_needs_no_path():
    points, signs = huffman_tree(np.array([7])).paths(np.array([0, 0]))
    assert points.shape == signs.shape == (2, 0)
