import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from lab.errors import UserError
from lab.evaluation import geometry
from lab.evaluation.geometry import continuity, trustworthiness


def spaces(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    original = generator.standard_normal((n, 7))
    return original, original[:, :2] + 0.7 * generator.standard_normal((n, 2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 60), st.sampled_from(["cosine", "euclidean"]), st.data())
def test_both_are_those_of_scikit_learn(seed, n, metric, data):
    k = data.draw(st.integers(1, (n - 1) // 2))
    original, projected = spaces(seed, n)
    expected = sklearn_trustworthiness(original, projected, n_neighbors=k, metric=metric)
    assert trustworthiness(original, projected, k, metric) == pytest.approx(expected, abs=1e-12)
    expected = sklearn_trustworthiness(projected, original, n_neighbors=k)
    assert continuity(original, projected, k, "euclidean") == pytest.approx(expected, abs=1e-12)


def test_continuity_of_the_cosine_is_that_of_the_unit_sphere():
    original, projected = spaces(1, 80)
    sphere = original / np.linalg.norm(original, axis=1, keepdims=True)
    expected = sklearn_trustworthiness(projected, sphere, n_neighbors=6)
    assert continuity(original, projected, 6, "cosine") == pytest.approx(expected, abs=1e-12)


def test_the_size_of_a_chunk_changes_nothing(monkeypatch):
    original, projected = spaces(2, 300)
    whole = trustworthiness(original, projected, 15)
    monkeypatch.setattr(geometry, "CHUNK_BYTES", 14 * 300 * 7)
    assert trustworthiness(original, projected, 15) == whole


def test_a_sample_of_items_is_judged_among_all_items():
    """The mean over two halves, each judged among all, is the whole."""
    original, projected = spaces(3, 200)
    whole = trustworthiness(original, projected, 10)
    halves = [trustworthiness(original, projected, 10, items=np.arange(start, 200, 2)) for start in (0, 1)]
    assert np.mean(halves) == pytest.approx(whole, abs=1e-12)
    assert halves[0] != halves[1]


def test_an_exact_copy_is_perfect_and_the_worst_map_has_zero():
    original, projected = spaces(4, 50)
    assert trustworthiness(projected, projected, 5, "euclidean") == 1
    assert continuity(projected, projected, 5, "euclidean") == 1
    shuffled = projected[np.random.default_rng(0).permutation(50)]
    assert trustworthiness(original, shuffled, 5) < 0.65

    # On a line of four the nearest on the map is the farthest in the original, for every item.
    line = np.array([[0.0], [1.0], [10.0], [11.5]])
    worst = np.array([[0.0], [3.1], [-2.0], [1.0]])
    assert trustworthiness(line, worst, 1, "euclidean") == 0


def test_items_at_one_distance_are_equally_near():
    original = np.ones((40, 3))
    projected = np.random.default_rng(0).standard_normal((40, 2))
    assert trustworthiness(original, projected, 5) == 1
    assert trustworthiness(original, projected, 5, "euclidean") == 1


@pytest.mark.parametrize("k", [0, 5])
def test_neighbourhoods_that_are_too_large_or_empty_are_refused(k):
    with pytest.raises(UserError, match=rf"k is {k}: neighbourhoods of 10 items need 1 ≤ k < 5"):
        trustworthiness(np.eye(10), np.eye(10), k)


def test_another_number_of_items_is_refused():
    with pytest.raises(UserError, match="must hold the same items, but they have 10 and 9"):
        continuity(np.eye(10), np.eye(9))
