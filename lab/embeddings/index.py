"""Approximate nearest neighbours by faiss: flat, inverted-file and graph indexes over the vectors of a space.

An index answers by inner product; where vectors are compared by cosine, they are brought to length 1 first. Building
is deterministic: one thread and a fixed seed, so that the same vectors give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lab.embeddings.neighbors import row_norms
from lab.errors import UserError

IndexKind = Literal["flat", "ivf", "hnsw"]
KINDS: tuple[IndexKind, ...] = ("flat", "ivf", "hnsw")
IndexMetric = Literal["cosine", "dot"]
EFFORT = {"flat": "", "ivf": "nprobe", "hnsw": "efSearch"}
"""What each kind can spend more of for a better answer."""
SPOKEN_KIND = {"flat": "flat (exact)", "ivf": "IVF", "hnsw": "HNSW"}
FLAT_UP_TO = 20_000
"""So many vectors are searched whole: a graph over fewer gains little and costs memory."""
_LINKS, _EF_CONSTRUCTION = 32, 200  # Malkov and Yashunin 2020: M and efConstruction
_DOUBLINGS = {"ivf": 12, "hnsw": 5}
_POINTS_A_LIST = 39  # fewer points for each centroid, and faiss warns that k-means cannot place it


@dataclass(frozen=True)
class VectorIndex:
    """A faiss index over n vectors, how it compares, and what it was built with (`nlist`; `M`, `efConstruction`)."""

    index: Any
    kind: IndexKind
    metric: IndexMetric
    parameters: dict[str, int]

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def efforts(self, k: int) -> list[int]:
        """Values of `EFFORT` to try for the k best, ascending, doubling; a flat index has one answer, at effort 0.

        `nprobe` goes from one list to all of them; `efSearch` starts at k, below which a graph cannot answer.
        """
        if self.kind == "flat":
            return [0]
        start, most = (1, self.parameters["nlist"]) if self.kind == "ivf" else (min(k, len(self)), len(self))
        return sorted({min(most, start * 2**power) for power in range(_DOUBLINGS[self.kind])})

    def spend(self, effort: int) -> None:
        """Spend so much `EFFORT` on each answer from now on, also where the index is read from its file."""
        if self.kind == "ivf":
            self.index.nprobe = effort
        elif self.kind == "hnsw":
            self.index.hnsw.efSearch = effort

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and places of the k best for each query (m, d): both (m, k), best first, place -1 where none is left.

        Queries are compared as they are: a cosine index gives cosines for those of length 1 (see `prepared`).
        """
        return self.index.search(np.ascontiguousarray(queries, dtype=np.float32), int(k))

    def to_bytes(self) -> bytes:
        """The index as faiss writes it to a file."""
        import faiss

        return faiss.serialize_index(self.index).tobytes()


def require_faiss() -> None:
    """Raise `UserError` where faiss is not installed."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        raise UserError("an index needs faiss: pip install 'embeddings-lab[index]'") from None


def prepared(vectors: NDArray[np.float32], metric: IndexMetric) -> NDArray[np.float32]:
    """Vectors (n, d) as an index of this metric takes them: of length 1 for the cosine (zeros stay), else as they are.

    Raises `UserError` for NaN or infinity.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    norms = row_norms(vectors)
    if not np.isfinite(norms).all():
        raise UserError(f"vectors hold NaN or infinity, first in row {np.argmin(np.isfinite(norms))}")
    if metric == "dot":
        return vectors
    return (vectors / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)


def spoken_index(kind: IndexKind, effort: int) -> str:
    """`HNSW, efSearch 128`, as a table calls an index that spends so much on an answer."""
    return f"{SPOKEN_KIND[kind]}, {EFFORT[kind]} {effort}" if effort else SPOKEN_KIND[kind]


def default_kind(count: int) -> IndexKind:
    """The kind for so many vectors where nothing is known of what an answer may cost."""
    return "flat" if count <= FLAT_UP_TO else "hnsw"


def build_index(vectors: NDArray[np.float32], metric: IndexMetric, kind: IndexKind, *, seed: int = 0) -> VectorIndex:
    """Index `vectors` (n, d) float32, n >= 1, by inner product after `prepared`.

    flat: every vector is compared. ivf: vectors in `nlist` = 4 √n lists around k-means centroids, fewer where a list
    would have under 39 vectors (Jégou et al. 2011). hnsw: a graph of M = 32 links (Malkov and Yashunin 2020,
    arXiv:1603.09320). Raises `UserError` where faiss is missing, there is no vector, or one is not finite.
    """
    require_faiss()
    import faiss

    if not len(vectors):
        raise UserError("an index needs at least one vector")
    rows = prepared(vectors, metric)
    count, dimension = rows.shape
    parameters: dict[str, int] = {}
    index: Any = faiss.IndexFlatIP(dimension)
    if kind == "ivf":
        parameters = {"nlist": max(1, min(round(4 * sqrt(count)), count // _POINTS_A_LIST))}
        quantizer = index
        index = faiss.IndexIVFFlat(quantizer, dimension, parameters["nlist"], faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = seed % 2**31  # of so many bits it is there
    elif kind == "hnsw":
        parameters = {"M": _LINKS, "efConstruction": _EF_CONSTRUCTION}
        index = faiss.IndexHNSWFlat(dimension, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _EF_CONSTRUCTION
        index.hnsw.rng = faiss.RandomGenerator(seed)  # type: ignore[attr-defined]
    with one_thread():
        if kind == "ivf":
            index.train(rows)
        index.add(rows)
    return VectorIndex(index, kind, metric, parameters)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let faiss work in one thread inside the block."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
