"""Indexes against the lab's own exact search."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lab.embeddings.index import KINDS, build_index, default_kind, one_thread, prepared, spoken_index
from lab.embeddings.neighbors import top_k
from lab.errors import UserError

faiss = pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def vectors():
    """Two thousand vectors around forty centres, of unequal length, and a zero among them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 16))
    found = centres[rng.integers(0, 40, 2000)] + 0.5 * rng.standard_normal((2000, 16))
    found *= rng.uniform(0.5, 2, (2000, 1))
    found[7] = 0
    return found.astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "dot"])
@pytest.mark.parametrize("kind", KINDS)
def test_with_all_its_effort_an_index_finds_what_exact_search_finds(vectors, kind, metric):
    queries = prepared(vectors[:50] + 0.01, metric)
    index = build_index(vectors, metric, kind)
    index.spend(index.efforts(10)[-1] if kind != "hnsw" else 1000)
    scores, found = index.search(queries, 10)
    places, exact = top_k(queries, vectors, 10, metric)
    assert len(index) == len(vectors)
    assert np.mean([len({*a} & {*b}) / 10 for a, b in zip(found, places, strict=True)]) > 0.99
    if metric == "dot" or kind != "hnsw":
        assert np.allclose(scores, exact, rtol=1e-4, atol=1e-4) or kind == "hnsw"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_vectors_give_the_same_bytes(vectors, kind):
    one, two = (build_index(vectors, "cosine", kind, seed=2**32 - 1).to_bytes() for _ in range(2))
    assert one == two


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_more_effort_finds_no_less_and_is_written_with_the_index(vectors, kind, tmp_path):
    queries = prepared(vectors[8:208], "cosine")
    places, _ = top_k(queries, vectors, 20)
    index = build_index(vectors, "cosine", kind)
    recalls = []
    for effort in index.efforts(20):
        index.spend(effort)
        found = index.search(queries, 20)[1]
        recalls.append(np.mean([len({*a} & {*b}) for a, b in zip(found, places, strict=True)]) / 20)
    assert recalls == sorted(recalls)
    assert recalls[-1] > 0.99
    (tmp_path / "index.faiss").write_bytes(index.to_bytes())
    read = faiss.read_index(str(tmp_path / "index.faiss"))
    assert np.array_equal(read.search(queries, 20)[1], index.search(queries, 20)[1])


def test_parameters_follow_the_number_of_vectors(vectors):
    assert build_index(vectors, "cosine", "ivf").parameters == {"nlist": 2000 // 39}  # 4 √n would leave lists too short
    assert build_index(vectors[:5], "cosine", "ivf").parameters == {"nlist": 1}
    assert build_index(vectors[:5], "cosine", "ivf").efforts(10) == [1]
    assert build_index(vectors[:5], "cosine", "hnsw").efforts(10) == [5]
    assert default_kind(2000) == "flat"
    assert default_kind(200_000) == "hnsw"
    assert spoken_index("hnsw", 128) == "HNSW, efSearch 128"
    assert spoken_index("flat", 0) == "flat (exact)"


def test_threads_are_given_back():
    faiss.omp_set_num_threads(2)
    with one_thread():
        assert faiss.omp_get_max_threads() == 1
    assert faiss.omp_get_max_threads() == 2


def test_what_cannot_be_indexed_is_one_line(vectors, monkeypatch):
    broken = vectors.copy()
    broken[3, 2] = np.nan
    with pytest.raises(UserError, match="NaN or infinity, first in row 3"):
        build_index(broken, "cosine", "flat")
    with pytest.raises(UserError, match="at least one vector"):
        build_index(vectors[:0], "cosine", "flat")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"pip install 'embeddings-lab\[index\]'"):
        build_index(vectors, "cosine", "flat")
