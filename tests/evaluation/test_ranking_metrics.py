from __future__ import annotations

import itertools

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lab.evaluation.ranking_metrics import (
    bootstrap_intervals,
    coverage,
    gini,
    intra_list_diversity,
    mean_popularity,
    popularity_lift,
    user_metrics,
)

KS = (1, 3, 10)
ORACLE = {
    "recall": "recall_{k}",
    "precision": "P_{k}",
    "hit": "success_{k}",
    "map": "map_cut_{k}",
    "ndcg": "ndcg_cut_{k}",
}


def ranked_by_the_oracles_rule(scores: np.ndarray) -> np.ndarray:
    """Descending score, ties by descending document name, as trec_eval does; names sort like their numbers here."""
    numbers = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.lexsort((-numbers, -scores), axis=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 40), st.booleans(), st.booleans())
def test_it_agrees_with_trec_eval_on_random_and_tied_rankings(seed, items, tied, graded):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (6, items)) if tied else rng.normal(size=(6, items))
    gains = rng.integers(1, 5, (6, items)) if graded else np.ones((6, items))
    relevant = np.where(rng.random((6, items)) < 0.2, gains, 0).astype(int)
    relevant[0] = 0  # nothing belongs to this user
    found = user_metrics(ranked_by_the_oracles_rule(scores), csr_array(relevant), KS)

    name = [f"{number:03d}" for number in range(items)]
    wanted = {f"u{u}": {name[i]: int(g) for i, g in enumerate(row) if g} for u, row in enumerate(relevant)}
    wanted = {user: row for user, row in wanted.items() if row}
    run = {f"u{u}": {name[i]: float(s) for i, s in enumerate(row)} for u, row in enumerate(scores)}
    measures = {f"{m}.{','.join(map(str, KS))}" for m in ("recall", "P", "success", "map_cut", "ndcg_cut")}
    told = pytrec_eval.RelevanceEvaluator(wanted, measures).evaluate(run)
    for metric, oracle in ORACLE.items():
        for k in KS:
            ours = found[f"{metric}@{k}"]
            for u in range(6):
                if f"u{u}" in wanted:
                    assert ours[u] == pytest.approx(told[f"u{u}"][oracle.format(k=k)], abs=1e-6)
                else:
                    assert np.isnan(ours[u])
    first = pytrec_eval.RelevanceEvaluator(wanted, {"recip_rank"}).evaluate(run)
    whole = user_metrics(ranked_by_the_oracles_rule(scores), csr_array(relevant), [items], ["mrr"])[f"mrr@{items}"]
    assert [whole[int(u[1:])] for u in wanted] == pytest.approx([first[u]["recip_rank"] for u in wanted], abs=1e-6)


def test_by_hand():
    lists = np.array([[4, 1, 0], [2, -1, -1]])
    relevant = csr_array(np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 1]]))
    found = user_metrics(lists, relevant, [3])
    assert found["recall@3"].tolist() == [0.5, 0]
    assert found["mrr@3"].tolist() == [1 / 3, 0]
    assert found["map@3"] == pytest.approx([1 / 6, 0])
    assert found["ndcg@3"] == pytest.approx([0.5 / (1 + 1 / np.log2(3)), 0])


def test_what_does_not_fit_is_refused():
    relevant = csr_array(np.eye(2))
    with pytest.raises(ValueError, match="unknown metric 'rcall'"):
        user_metrics(np.zeros((2, 1), int), relevant, [1], ["rcall"])
    with pytest.raises(ValueError, match="do not fit"):
        user_metrics(np.zeros((2, 1), int), relevant, [5])


def test_the_catalogue():
    lists = np.array([[0, 1], [0, 2], [0, -1]])
    assert coverage(lists, 10) == 0.3
    counts = np.array([3, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    slow = np.abs(counts[:, None] - counts).sum() / (2 * 10 * counts.sum())
    assert gini(lists, 10) == pytest.approx(slow)
    assert gini(np.arange(10)[:, None], 10) == 0
    assert gini(np.full((3, 1), -1), 10) == 0


def test_popularity():
    popularity = np.array([10.0, 20, 30, 40])
    lists = np.array([[0, 3], [2, -1], [-1, -1]])
    assert mean_popularity(lists, popularity)[:2].tolist() == [25, 30]
    history = csr_array(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]]))
    assert popularity_lift(lists, history, popularity) == pytest.approx(27.5 / 12.5 - 1)


def test_diversity_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 5)).astype(np.float32)
    lists = rng.permuted(np.tile(np.arange(30), (8, 1)), axis=1)[:, :4]
    lists[0, 2:] = -1
    lists[1, 1:] = -1
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = [
        np.mean([1 - unit[a] @ unit[b] for a, b in itertools.combinations(row[row >= 0], 2)] or [np.nan])
        for row in lists
    ]
    assert intra_list_diversity(lists, vectors) == pytest.approx(np.array(expected), abs=1e-6, nan_ok=True)


def test_bootstrap_intervals_are_those_of_the_normal_law_for_many_users():
    values = np.random.default_rng(0).normal([0.3, 0.5], [0.1, 0.2], (2000, 2))
    low, high = bootstrap_intervals(values, resamples=4000)
    half = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(2000)
    assert np.array(low) == pytest.approx(values.mean(axis=0) - half, abs=6e-4)
    assert np.array(high) == pytest.approx(values.mean(axis=0) + half, abs=6e-4)
    assert bootstrap_intervals(values) == bootstrap_intervals(values)
