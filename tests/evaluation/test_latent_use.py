"""How much of a latent space is used, on spaces made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from lab.evaluation.latent_use import active_units, codebook_use


def test_units_that_do_not_answer_are_not_active():
    generator = np.random.default_rng(0)
    vectors = np.stack([generator.normal(5, scale, 4000) for scale in (1.0, 0.2, 0.05, 0.0)], axis=1)
    assert active_units(vectors.astype(np.float32)).tolist() == [True, True, False, False]
    assert active_units(vectors, threshold=0.5).tolist() == [True, False, False, False]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=50))
def test_perplexity_is_e_to_the_entropy(chosen):
    share, perplexity = codebook_use(np.array(chosen), 7)
    assert share == len(set(chosen)) / 7
    assert perplexity == pytest.approx(np.exp(entropy(np.bincount(chosen))))


def test_a_codebook_used_evenly_and_one_used_once():
    assert codebook_use(np.arange(12).reshape(6, 2), 12) == (1.0, pytest.approx(12))
    assert codebook_use(np.full((6, 2), 3), 12) == (1 / 12, pytest.approx(1))
