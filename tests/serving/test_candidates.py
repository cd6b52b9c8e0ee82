"""First-stage candidates against brute force, and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from lab.embeddings.index import build_index, prepared
from lab.serving.candidates import NUMBERS, FirstStage, pair_numbers
from lab.serving.measure import drawn_queries, least_effort, measured_indexes, without


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(1)
    users, items = (prepared(rng.standard_normal((n, 8)).astype(np.float32), "cosine") for n in (30, 200))
    seen = csr_array((rng.random((30, 200)) < 0.1).astype(np.float32))
    return users, items, seen


@pytest.mark.parametrize("indexed", [False, True])
def test_candidates_are_the_best_that_the_user_has_not_had(sides, indexed):
    pytest.importorskip("faiss")
    users, items, seen = sides
    allowed = np.arange(200) % 3 > 0
    stage = FirstStage(users, items)
    if indexed:
        places = np.flatnonzero(allowed)
        stage = FirstStage(users, items, build_index(items[places], "cosine", "flat"), places)
    asked = np.array([4, 0, 17])
    found, scores = stage.candidates(asked, 12, seen, allowed, 0)
    for row, user in enumerate(asked):
        similar = users[user] @ items.T
        similar[~allowed | (seen[[user]].toarray()[0] > 0)] = -np.inf
        assert list(found[row]) == list(np.argsort(-similar)[:12])
        assert scores[row] == pytest.approx(np.sort(similar)[::-1][:12], abs=1e-5)


def test_a_user_who_has_had_nearly_everything_has_a_short_list(sides):
    pytest.importorskip("faiss")
    users, items, _ = sides
    seen = csr_array(np.concatenate([np.ones((30, 197)), np.zeros((30, 3))], axis=1))
    for stage in (FirstStage(users, items),
                  FirstStage(users, items, build_index(items, "cosine", "flat"), np.arange(200))):  # fmt: skip
        found, scores = stage.candidates(np.array([2]), 5, seen, None, 0)
        assert sorted(found[0]) == [-1, -1, 197, 198, 199]
        assert np.isnan(scores[0, 3:]).all()


def test_numbers_of_pairs_by_their_formulas(sides):
    users, items, seen = sides
    asked, popularity = np.array([3, 9]), np.arange(200.0)
    found, scores = FirstStage(users, items).candidates(asked, 6, seen, None, 0)
    found[1, 4:], scores[1, 4:] = -1, np.nan
    numbers = pair_numbers(asked, found, scores, items, seen, popularity)
    told = dict(zip(NUMBERS, np.moveaxis(numbers, 2, 0), strict=True))
    assert np.array_equal(told["score"][0], scores[0])
    assert told["rank"][0] == pytest.approx(1 / np.log2(np.arange(2, 8)))
    assert told["popularity"][0] == pytest.approx(np.log1p(found[0]))
    own = np.flatnonzero(seen[[3]].toarray()[0])
    alike = items[found[0]] @ items[own].T
    assert told["nearest"][0] == pytest.approx(alike.max(axis=1), abs=1e-6)
    assert told["likeness"][0] == pytest.approx(alike.mean(axis=1), abs=1e-6)
    assert told["activity"][0] == pytest.approx(np.full(6, np.log1p(len(own))))
    assert not numbers[1, 4:].any()


def test_answers_without_some_of_them_move_up():
    found, scores = np.array([[5, 3, 9, -1]]), np.array([[4.0, 3.0, 2.0, -np.inf]])
    kept, theirs = without(found, scores, np.array([[3, 7]]))
    assert kept.tolist() == [[5, 9, -1, -1]]
    assert theirs.tolist() == [[4.0, 2.0, -np.inf, -np.inf]]


def test_indexes_are_measured_until_they_find_enough(sides):
    pytest.importorskip("faiss")
    _, items, _ = sides
    queries = drawn_queries(items, "vectors", 0, own=True)
    indexes, told = measured_indexes(queries, items, "cosine")
    assert list(indexes) == ["flat", "ivf", "hnsw"]
    assert told["queries"] == {"count": 200, "what": "vectors"}
    assert told["at"] == [10, 100]
    flat, *_, last = told["points"]
    assert flat["recall@10"] == flat["recall@100"] == 1.0  # each without itself, as the exact answer
    assert last["recall@100"] > 0.95
    assert 0 < flat["bytes"] < last["bytes"]
    ivf = [point for point in told["points"] if point["kind"] == "ivf"]
    assert least_effort(told, "ivf", 0.0) is ivf[0]
    assert least_effort(told, "ivf", 2.0) is ivf[-1]


def test_of_many_queries_some_are_drawn_and_the_same_again():
    vectors = np.random.default_rng(0).standard_normal((1500, 2)).astype(np.float32)
    one, two = (drawn_queries(vectors, "x", 3, own=True) for _ in range(2))
    assert len(one.vectors) == 1000
    assert np.array_equal(one.own, two.own)
    assert np.array_equal(vectors[one.own], one.vectors)
