import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import pairwise_distances

from lab.embeddings.neighbors import METRICS, row_norms, top_k
from lab.errors import UserError


def brute_force(queries, vectors, k, metric, exclude=None):
    """Every pair in float64, rounded once to float32; sorted by score, then index."""
    left, right = queries.astype(np.float64)[:, None, :], vectors.astype(np.float64)[None, :, :]
    if metric == "euclidean":
        scores = np.sqrt(((left - right) ** 2).sum(axis=2))
    else:
        scores = (left * right).sum(axis=2)
    if metric == "cosine":
        lengths = np.sqrt((left**2).sum(axis=2)) * np.sqrt((right**2).sum(axis=2))
        scores = np.where(lengths > 0, scores / np.where(lengths > 0, lengths, 1), 0)
    scores = scores.astype(np.float32)
    answers = []
    for row, values in enumerate(scores):
        barred = set() if exclude is None else set(np.atleast_1d(exclude[row]).tolist())
        items = [item for item in range(len(values)) if item not in barred]
        sign = 1 if metric == "euclidean" else -1
        items.sort(key=lambda item, values=values: (sign * values[item], item))
        answers.append([(item, values[item]) for item in items[:k]])
    width = max(map(len, answers), default=0)
    indices = np.array([[item for item, _ in row] + [-1] * (width - len(row)) for row in answers], dtype=np.int64)
    found = np.array([[v for _, v in row] + [np.nan] * (width - len(row)) for row in answers], dtype=np.float32)
    return indices.reshape(len(answers), width), found.reshape(len(answers), width)


def check(queries, vectors, k, metric, exclude=None, **options):
    indices, scores = top_k(queries, vectors, k, metric, exclude=exclude, **options)
    expected_indices, expected_scores = brute_force(queries, vectors, k, metric, exclude)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_array_equal(scores, expected_scores)
    assert indices.dtype == np.int64
    assert scores.dtype == np.float32


# Few distinct values: ties, duplicates and zero vectors turn up all the time.
small = st.integers(-2, 2).map(float)
matrices = st.integers(1, 4).flatmap(
    lambda d: st.tuples(
        arrays(np.float32, st.tuples(st.integers(1, 5), st.just(d)), elements=small),
        arrays(np.float32, st.tuples(st.integers(1, 40), st.just(d)), elements=small),
    )
)


@settings(max_examples=150, deadline=None)
@given(matrices, st.integers(1, 50), st.sampled_from(METRICS), st.sampled_from([1, 300, 2**20]))
def test_ties_duplicates_and_zero_vectors_are_answered_as_by_brute_force(both, k, metric, chunk_bytes):
    check(*both, k, metric, chunk_bytes=chunk_bytes)


@settings(max_examples=100, deadline=None)
@given(matrices, st.integers(1, 50), st.sampled_from(METRICS), st.data())
def test_excluded_items_are_never_answered(both, k, metric, data):
    queries, vectors = both
    shape = (len(queries), data.draw(st.integers(1, 3)))
    exclude = data.draw(arrays(np.int64, shape, elements=st.integers(-1, len(vectors) - 1)))
    check(queries, vectors, k, metric, exclude)


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float32, (3, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    arrays(np.float32, (12, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.sampled_from(METRICS),
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_huge_and_tiny_numbers(queries, vectors, metric):
    check(queries, vectors, 5, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 10, 100])
def test_many_near_ties_across_the_cut(metric, k):
    """Thousands of items whose scores differ in the last bits only, and hundreds that are equal, in 5,000."""
    generator = np.random.default_rng(1)
    base = generator.standard_normal((50, 64)).astype(np.float32)
    vectors = base[generator.integers(0, 50, size=5000)]
    nudged = generator.random(5000) < 0.7
    vectors[nudged] *= 1 + generator.integers(-3, 4, size=(int(nudged.sum()), 64)).astype(np.float32) * 2.0**-23
    queries = np.concatenate([vectors[:20], generator.standard_normal((5, 64)).astype(np.float32)])
    check(queries, vectors, k, metric)
    check(queries, vectors, k, metric, chunk_bytes=1)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_vectors_tie_at_every_position_of_a_blas_block(metric):
    """BLAS sums the columns at the edge of a block in another order; duplicates must tie all the same."""
    generator = np.random.default_rng(2)
    vector = generator.standard_normal((1, 37)).astype(np.float32)
    vectors = np.repeat(vector, 4099, axis=0)
    queries = generator.standard_normal((7, 37)).astype(np.float32)
    indices, scores = top_k(queries, vectors, 9, metric)
    np.testing.assert_array_equal(indices, np.tile(np.arange(9), (7, 1)))
    assert (scores == scores[:, :1]).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_scores_are_those_of_scikit_learn(metric):
    generator = np.random.default_rng(3)
    queries, vectors = generator.standard_normal((30, 50)), generator.standard_normal((2000, 50))
    distances = pairwise_distances(queries.astype(np.float32), vectors.astype(np.float32), metric=metric)
    indices, scores = top_k(queries, vectors, 15, metric)
    np.testing.assert_array_equal(indices, np.argsort(distances, axis=1)[:, :15])
    expected = np.sort(distances, axis=1)[:, :15]
    np.testing.assert_allclose(1 - scores if metric == "cosine" else scores, expected, atol=1e-5)


def test_the_chunk_size_changes_no_bit():
    generator = np.random.default_rng(4)
    queries, vectors = generator.standard_normal((50, 33)), generator.standard_normal((3000, 33))
    whole = top_k(queries, vectors, 20, exclude=np.arange(50))
    for chunk_bytes in (1, 70_000, 10**9):
        parts = top_k(queries, vectors, 20, exclude=np.arange(50), chunk_bytes=chunk_bytes)
        np.testing.assert_array_equal(parts[0], whole[0])
        np.testing.assert_array_equal(parts[1], whole[1])


def test_memory_is_bounded_by_the_chunk():
    generator = np.random.default_rng(5)
    vectors = generator.standard_normal((20_000, 16)).astype(np.float32)
    tracemalloc.start()
    top_k(vectors[:4000], vectors, 10, chunk_bytes=8 * 2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20  # the whole table of scores would take 320 MB


def test_zero_vectors_have_cosine_zero():
    indices, scores = top_k(np.zeros((1, 2)), np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]), 3)
    np.testing.assert_array_equal(indices, [[0, 1, 2]])
    np.testing.assert_array_equal(scores, [[0, 0, 0]])
    indices, _ = top_k(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0], [0.0, 0.0], [2.0, 0.0]]), 3)
    np.testing.assert_array_equal(indices, [[2, 1, 0]])


def test_no_queries_and_nothing_left():
    assert top_k(np.zeros((0, 2)), np.eye(2), 1)[0].shape == (0, 1)
    assert top_k(np.eye(2)[:1], np.eye(2)[:1], 5, exclude=np.array([0]))[0].shape == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(2), np.eye(2), 0), "k is 0"),
        ((np.eye(2), np.eye(2), 1, "manhattan"), "unknown metric 'manhattan': use one of cosine, dot, euclidean"),
        ((np.eye(2), np.eye(3), 1), "queries have 2 dimensions but the vectors have 3"),
        ((np.ones(2), np.eye(2), 1), r"queries must be a matrix of numbers \(items, dimensions\), not float64 \(2,\)"),
        ((np.eye(2), np.array([[1.0, 0], [np.nan, 0]]), 1), "vectors hold NaN or infinity, first in row 1"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments, message):
    with pytest.raises(UserError, match=message):
        top_k(*arguments)


@pytest.mark.parametrize("exclude", [np.array([2, 0]), np.array([0]), np.array([[[0]], [[0]]]), np.array([-2, 0])])
def test_wrong_exclusions_are_refused(exclude):
    with pytest.raises(UserError, match="exclude"):
        top_k(np.eye(2), np.eye(2), 1, exclude=exclude)


def test_a_row_has_the_same_length_wherever_it_stands():
    row = np.random.default_rng(6).standard_normal((1, 301)).astype(np.float32)
    assert len(set(row_norms(np.repeat(row, 3000, axis=0)))) == 1
    assert row_norms(row)[0] == row_norms(np.repeat(row, 3, axis=0))[1]
