"""Neighbour overlap against loops that follow the definitions; its interval against a jackknife that searches anew."""

from __future__ import annotations

import numpy as np
import pytest

from lab.evaluation import space_neighbors as near

P, K = 0.9, 20


def two_spaces(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(n, 5))
    first = cause @ rng.normal(size=(5, 8)) + 0.3 * rng.normal(size=(n, 8))
    return first, cause @ rng.normal(size=(5, 6)) + 0.5 * rng.normal(size=(n, 6))


def overlap_of(first: np.ndarray, second: np.ndarray, depth: int = K, judged: np.ndarray | None = None) -> near.Overlap:
    everything = np.arange(len(first))
    judged = everything if judged is None else judged
    order = np.random.default_rng(3).permutation(len(first))
    return near.overlap(
        near.neighbor_lists(first, depth, judged, everything), near.neighbor_lists(second, depth, judged, order)
    )


def slow_lists(vectors: np.ndarray) -> list[list[int]]:
    points = vectors - vectors.mean(axis=0)
    points = points / np.linalg.norm(points, axis=1)[:, None]
    similarity = points @ points.T
    np.fill_diagonal(similarity, -9)
    return np.argsort(-similarity, axis=1)[:, :-1].tolist()


def slow_jaccard(first: list[list[int]], second: list[list[int]], k: int) -> float:
    pairs = [(set(a[:k]), set(b[:k])) for a, b in zip(first, second, strict=True)]
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs]))


def slow_rank_biased(first: list[list[int]], second: list[list[int]], k: int) -> float:
    """Webber, Moffat and Zobel 2010, eq. 30, term by term."""
    found = []
    for a, b in zip(first, second, strict=True):
        common = [len(set(a[:d]) & set(b[:d])) for d in range(1, k + 1)]
        found.append(common[-1] / k * P**k + (1 - P) / P * sum(x / d * P**d for d, x in enumerate(common, start=1)))
    return float(np.mean(found))


def test_overlap_is_what_the_definitions_say():
    first, second = two_spaces()
    overlap, lists = overlap_of(first, second), (slow_lists(first), slow_lists(second))
    for k in (1, 5, K):
        assert overlap.jaccard(k).value == pytest.approx(slow_jaccard(*lists, k))
    share = np.mean([len(set(a[:5]) & set(b[:5])) / 5 for a, b in zip(*lists, strict=True)])
    assert overlap.share(5).value == pytest.approx(share)
    assert overlap.rank_biased(P).value == pytest.approx(slow_rank_biased(*lists, K))
    assert overlap.rank_biased_of_items(P).mean() == pytest.approx(overlap.rank_biased(P).value)


@pytest.mark.parametrize("measure", ["jaccard", "rank_biased"])
def test_the_interval_is_that_of_leaving_each_item_out(measure):
    first, second = two_spaces(40)
    lists = slow_lists(first), slow_lists(second)
    k = 8

    def without(i: int) -> float:
        left = [[[j for j in row if j != i] for own, row in enumerate(one) if own != i] for one in lists]
        return slow_jaccard(*left, k) if measure == "jaccard" else slow_rank_biased(*left, k)

    values = np.array([without(i) for i in range(len(first))])
    n = len(values)
    expected = (n - 1) / n * ((values - values.mean()) ** 2).sum()
    overlap = overlap_of(first, second, k)
    found = overlap.jaccard(k) if measure == "jaccard" else overlap.rank_biased(P)
    assert found.standard_error**2 == pytest.approx(expected)


def test_a_sample_of_items_is_judged_among_all():
    first, second = two_spaces(120)
    judged = np.arange(0, 120, 3)
    whole, part = overlap_of(first, second), overlap_of(first, second, judged=judged)
    np.testing.assert_array_equal(part.jaccard_of_items(10), whole.jaccard_of_items(10)[judged])
    assert part.jaccard(10).standard_error > whole.jaccard(10).standard_error


def test_chance_is_the_mean_over_random_pairings():
    rng = np.random.default_rng(0)
    first, second = two_spaces(50)
    found = [overlap_of(first, second[rng.permutation(50)]) for _ in range(100)]
    jaccard = [one.jaccard(10).value for one in found]
    assert np.mean(jaccard) == pytest.approx(near.jaccard_by_chance(10, 50), abs=4 * np.std(jaccard) / 10)
    biased = [one.rank_biased(P).value for one in found]
    assert np.mean(biased) == pytest.approx(near.rank_biased_by_chance(K, 50, P), abs=4 * np.std(biased) / 10)


def test_equal_vectors_do_not_agree_by_their_order():
    """Items in one place have their neighbours in any order; by row number it would be one order in both spaces."""
    place = np.repeat(np.eye(2), 30, axis=0)
    found = overlap_of(place, place, 5).jaccard(5).value
    assert found < 0.4


def test_weights_of_ranks_sum_to_one_and_the_first_ten_have_most():
    weights = near.rank_weights(2000, P) * np.arange(2001)  # of lists that are alike
    assert weights.sum() == pytest.approx(1)
    assert overlap_of(*(two_spaces()[:1] * 2)).rank_biased(P).value == pytest.approx(1)
