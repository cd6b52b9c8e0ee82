"""Recall of an approximate search by counting, and times of calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.embeddings.neighbors import top_k
from lab.evaluation.index_quality import WARM_UP, index_recall, latency, milliseconds


@given(st.integers(0, 1000), st.integers(1, 8))
def test_without_ties_recall_is_the_overlap_of_the_answers(seed, k):
    rng = np.random.default_rng(seed)
    queries, vectors = rng.standard_normal((5, 4)), rng.standard_normal((30, 4))
    places, exact = top_k(queries, vectors, 8, "dot")
    found = np.stack([rng.permutation(30)[:8] for _ in range(5)])
    scores = np.take_along_axis(queries @ vectors.T, found, axis=1).astype(np.float32)
    order = np.argsort(-scores, axis=1)
    found, scores = np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)
    counted = [len({*a[:k]} & {*b[:k]}) / k for a, b in zip(found, places, strict=True)]
    assert index_recall(found, scores, exact, k) == pytest.approx(counted)


def test_an_item_as_good_as_the_last_counts_whichever_it_is():
    exact = np.array([[3.0, 1.0, 1.0]], dtype=np.float32)
    found, scores = np.array([[4, 9, 2]]), np.array([[3.0, 1.0, 0.5]], dtype=np.float32)
    assert index_recall(found, scores, exact, 2) == pytest.approx(1.0)
    assert index_recall(found, scores, exact, 3) == pytest.approx(2 / 3)


def test_short_answers_and_queries_with_nothing_to_find():
    exact = np.array([[2.0, 1.0], [np.nan, np.nan], [5.0, np.nan]], dtype=np.float32)
    found = np.array([[3, -1], [-1, -1], [8, -1]])
    scores = np.array([[2.0, -np.inf], [-np.inf, -np.inf], [5.0, -np.inf]], dtype=np.float32)
    assert index_recall(found, scores, exact, 2) == pytest.approx([0.5, 1.0, 1.0])


def test_every_call_is_timed_after_some_to_warm_up():
    calls: list[int] = []
    taken = milliseconds(calls.append, 30)
    assert calls == [*range(WARM_UP), *range(30)]
    assert taken.shape == (30,)
    assert (taken >= 0).all()
    assert latency(np.arange(101.0)) == {"p50": 50.0, "p99": 99.0}
