"""Indexes over the vectors of a run, measured: what each finds of the exact answer, how quickly, in how much memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.embeddings.index import (
    KINDS,
    IndexKind,
    IndexMetric,
    VectorIndex,
    build_index,
    one_thread,
    prepared,
    spoken_index,
)
from lab.evaluation.index_quality import index_recall, latency, milliseconds

if TYPE_CHECKING:
    import numpy as np

MOST_QUERIES = 1000
AT = (10, 100)
ENOUGH = 0.999
"""Recall at which more effort is not tried."""


@dataclass(frozen=True)
class Queries:
    """What is asked: `vectors` (m, d) float32; `own` (m,) the place of each among what is searched, or None."""

    vectors: np.ndarray
    own: np.ndarray | None
    what: str


def drawn_queries(vectors: np.ndarray, what: str, seed: int, *, own: bool = False) -> Queries:
    """At most `MOST_QUERIES` of `vectors` (n, d), drawn once. `own`: they are what is searched, and never answered."""
    import numpy as np

    places = np.arange(len(vectors))
    if len(places) > MOST_QUERIES:
        places = np.sort(np.random.default_rng(seed).choice(places, MOST_QUERIES, replace=False))
    return Queries(vectors[places], places if own else None, what)


def measured_indexes(
    queries: Queries, vectors: np.ndarray, metric: IndexMetric, kinds: tuple[IndexKind, ...] = KINDS, *, seed: int = 0
) -> tuple[dict[IndexKind, VectorIndex], dict[str, Any]]:
    """Build an index of each kind over `vectors` (n, d) float32 and try it: the indexes, and what is to be told.

    What is told, plain data: `queries`, `count`, `dimension`, `metric`, `threads`, and for each kind and effort a
    point: `recall@10`, `recall@100` (mean over queries, against exact search), `p50`, `p99` (milliseconds of the
    processor for one query of the largest k, one thread, warm), `build_seconds` (of the processor) and `bytes`.
    """
    from lab.embeddings.neighbors import top_k

    at = sorted({min(k, len(vectors) - (queries.own is not None)) for k in AT})
    asked = prepared(queries.vectors, metric)
    _, exact = top_k(asked, prepared(vectors, metric), at[-1], "dot", exclude=queries.own)
    indexes: dict[IndexKind, VectorIndex] = {}
    points: list[dict[str, Any]] = []
    with one_thread():
        for kind in kinds:
            started = time.process_time()
            indexes[kind] = build_index(vectors, metric, kind, seed=seed)
            built = {"build_seconds": time.process_time() - started, "bytes": len(indexes[kind].to_bytes())}
            points += [{**point, **built} for point in _tried(indexes[kind], asked, queries.own, exact, at)]
    told: dict[str, Any] = {
        "queries": {"count": len(asked), "what": queries.what},
        "count": len(vectors),
        "dimension": int(vectors.shape[1]),
        "metric": metric,
        "threads": 1,
        "at": at,
        "parameters": {kind: index.parameters for kind, index in indexes.items()},
        "points": points,
    }
    return indexes, told


def _tried(
    index: VectorIndex, asked: np.ndarray, own: np.ndarray | None, exact: np.ndarray, at: list[int]
) -> list[dict[str, Any]]:
    """A point for each effort, ascending, until it finds enough."""
    points: list[dict[str, Any]] = []
    for effort in index.efforts(at[-1]):
        index.spend(effort)
        about = {"name": spoken_index(index.kind, effort), "kind": index.kind, "effort": effort}
        points.append({**about, **_point(index, asked, own, exact, at)})
        if points[-1][f"recall@{at[-1]}"] >= ENOUGH:
            break
    return points


def _point(
    index: VectorIndex, asked: np.ndarray, own: np.ndarray | None, exact: np.ndarray, at: list[int]
) -> dict[str, float]:
    k = at[-1] + (own is not None)
    scores, found = index.search(asked, k)
    if own is not None:
        found, scores = without(found, scores, own[:, None])
    recalls = {f"recall@{k}": float(index_recall(found, scores, exact, k).mean()) for k in at}
    return {**recalls, **latency(milliseconds(lambda i: index.search(asked[i : i + 1], k), len(asked)))}


def without(found: np.ndarray, scores: np.ndarray, barred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers (m, w) less those at `barred` (m, b) places, moved up; -1 and -inf behind them."""
    import numpy as np

    out = (found < 0) | (found[:, :, None] == barred[:, None, :]).any(axis=2)
    order = np.argsort(out, axis=1, kind="stable")
    out = np.take_along_axis(out, order, axis=1)
    found, scores = np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return np.where(out, -1, found), np.where(out, -np.inf, scores)


def least_effort(told: dict[str, Any], kind: IndexKind, recall: float) -> dict[str, Any]:
    """The point of an index with the least effort that has the recall (at the largest k), else that of most effort."""
    own = [point for point in told["points"] if point["kind"] == kind]
    k = told["at"][-1]
    return next((point for point in own if point[f"recall@{k}"] >= recall), own[-1])
