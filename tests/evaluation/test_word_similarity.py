from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from gensim.models import KeyedVectors
from hypothesis import assume, given
from hypothesis import strategies as st

from lab.evaluation.word_similarity import correlate, pair_cosines, rows_by_word

WORDS = ["king", "Queen", "man", "woman", "Apple", "apple", "war", "peace", "zero"]
PAIRS = [
    ("King", "queen", 8.6),
    ("man", "woman", 8.3),
    ("apple", "war", 1.2),
    ("tiger", "king", 7.4),
    ("WAR", "peace", 6.0),
    ("king", "apple", 1.2),
    ("queen", "woman", 6.5),
    ("unheard", "of", 3.0),
]
SCORINGS = st.integers(5, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-4, 4), min_size=n, max_size=n).map(np.array)] * 2)
)


@pytest.fixture(scope="module")
def vectors():
    drawn = np.random.default_rng(3).normal(size=(len(WORDS), 6)).astype(np.float32)
    drawn[-1] = 0
    return drawn


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
@pytest.mark.parametrize("counted_as_zero", [True, False])
def test_gives_gensims_numbers_under_both_conventions(kind, counted_as_zero, vectors, tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{first}\t{second}\t{score}\n" for first, second, score in PAIRS))
    keyed = KeyedVectors(6)
    keyed.add_vectors(WORDS, vectors)
    pearson, spearman, missing_percent = keyed.evaluate_word_pairs(file, dummy4unknown=counted_as_zero)
    first, second, human = (list(column) for column in zip(*PAIRS, strict=True))
    cosines, missing = pair_cosines(WORDS, vectors, first, second)
    kept = np.full(len(PAIRS), True) if counted_as_zero else ~missing
    found = correlate(np.array(human)[kept], cosines[kept], kind)
    assert found.value == pytest.approx({"spearman": spearman, "pearson": pearson}[kind][0], abs=1e-6)
    assert missing.mean() * 100 == pytest.approx(missing_percent)
    assert missing.tolist() == [False, False, False, True, False, False, False, True]
    assert (cosines[missing] == 0).all()


def test_the_first_of_words_that_differ_in_case_counts(vectors):
    assert rows_by_word(WORDS)["apple"] == 4
    cosines, _ = pair_cosines(WORDS, vectors, ["apple", "APPLE"], ["Apple", "king"])
    assert cosines[0] == pytest.approx(1)
    expected = vectors[4] @ vectors[0] / np.linalg.norm(vectors[4]) / np.linalg.norm(vectors[0])
    assert cosines[1] == pytest.approx(expected, rel=1e-5)


def test_a_vector_of_zeros_is_like_nothing(vectors):
    cosines, missing = pair_cosines(WORDS, vectors, ["zero"], ["king"])
    assert cosines.tolist() == [0.0]
    assert not missing.any()


@given(SCORINGS, st.sampled_from(["spearman", "pearson"]))
def test_value_and_shares_of_pairs_are_those_of_a_slow_loop(scorings, kind):
    x, y = scorings
    reference = {"spearman": scipy.stats.spearmanr, "pearson": scipy.stats.pearsonr}[kind]
    without = [np.delete(scorings, place, axis=1) for place in range(len(x))]
    assume(all(np.ptp(side) > 0 for pair in [*without, scorings] for side in pair))
    found = correlate(x, y, kind, resamples=10)
    assert found.value == pytest.approx(reference(x, y)[0], abs=1e-12)
    n = len(x)
    pseudo = np.array([n * found.value - (n - 1) * reference(*pair)[0] for pair in without])
    assert found.pseudo_values == pytest.approx(pseudo - pseudo.mean() + found.value, abs=1e-9)
    assert found.pseudo_values.mean() == pytest.approx(found.value, abs=1e-12)


@pytest.mark.parametrize("kind", ["spearman", "pearson"])
def test_the_interval_is_the_percentile_bootstrap(kind):
    generator = np.random.default_rng(0)
    x = generator.normal(size=60).round(1)
    y = (x + generator.normal(size=60)).round(1)
    reference = {"spearman": scipy.stats.spearmanr, "pearson": scipy.stats.pearsonr}[kind]
    drawn = [reference(x[rows], y[rows])[0] for rows in generator.integers(0, 60, (2000, 60))]
    found = correlate(x, y, kind)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)
    assert correlate(x, y, kind).low == found.low
    assert correlate(x, y, kind, seed=1).low != found.low


def test_resamples_come_in_chunks_without_a_change(monkeypatch):
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 40))
    whole = correlate(x, y, resamples=100)
    monkeypatch.setattr("lab.evaluation.word_similarity._CHUNK_BYTES", 8 * 40 * 7)
    pieces = correlate(x, y, resamples=100)
    assert pieces.pseudo_values == pytest.approx(whole.pseudo_values)
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high))


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([1, 2], [1, 2]), ([1, 2, 3, 4], [0.1] * 4), ([1e9 + 0.1] * 4, [1, 2, 3, 4])]
)
def test_where_it_is_not_defined_it_is_nan(x, y):
    for kind in ("spearman", "pearson"):
        found = correlate(np.array(x), np.array(y), kind)
        assert np.isnan([found.value, found.low, found.high]).all()
        assert len(found.pseudo_values) == 0
