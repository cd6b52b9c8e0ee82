"""What an embedding is good for: probes at several label counts, the geometry of the space, and PCA to hold it against.

Every encoder, baseline and pretrained backbone is judged by this one function, so that their rows can be compared item
by item. Linear probes: Alain and Bengio 2016 (arXiv:1610.01644).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lab.config.base import Section

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.evaluation.intervals import Estimate
    from lab.runs.writer import RunWriter

LINEAR, NEIGHBORS, GEOMETRY = "linear probe", "nearest neighbours", "geometry"
PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
"""L2 penalties (1/C) to choose from, for vectors scaled by one number to a total variance of 1."""
MOST_ITEMS = 2000
"""Of more judged items a sample of this size speaks for the geometry of all."""


class ProbeConfig(Section):
    """How an embedding is judged by classifiers that see nothing but its vectors."""

    labels: list[Annotated[int, Field(ge=1)]] = Field(
        [10, 50, 100], description="labels a class that the probes learn from, beside all there are"
    )
    draws: Annotated[int, Field(ge=1)] = Field(5, description="how often the labels are drawn; their spread is shown")
    neighbors: Annotated[int, Field(ge=1)] = Field(5, description="nearest neighbours that vote")


def record_embedding(
    run: RunWriter,
    task: Task,
    vectors: np.ndarray,
    config: ProbeConfig,
    *,
    pca_size: int | None = None,
    pixels: np.ndarray | Callable[[], np.ndarray] | None = None,
) -> dict[str, Any]:
    """Judge `vectors` (n, d) of the items of `task.used`, leave results and scores in the run, and return plain data.

    `pca_size`: PCA of the `pixels` (n, …) of the same items, fitted to the training items, is held against the
    vectors; a run below it, outside the interval of the difference, is warned. Without labels there is geometry only.
    Returns `{"probes": [{"labels": number a class or None, "linear", "neighbors"}], "geometry", "pca"}`; a probe is
    `{"mean", "low", "high", "draws"}`.
    """
    import numpy as np

    judged = _judged_items(task)
    found: dict[str, Any] = {"probes": [], "geometry": record_geometry(run, task, vectors, config), "pca": None}
    if not judged:
        return found
    scaled = _scaled(vectors, task.rows(_labelled(task, task.split.train)))
    full = _probe(task, scaled, config)
    found["probes"] = [_record(run, task, full, None)]
    for count, draws in nested_draws(task, config.labels, config.draws, run.stream_seed("probe labels")).items():
        probed = [_probe(task, scaled, config, train, last_only=True) for train in draws]
        merged = {kind: {part: np.vstack([p[kind][part] for p in probed]) for part in probed[0][kind]} for kind in full}
        found["probes"].append(_record(run, task, merged, count))
    if pca_size:
        assert pixels is not None, "PCA is of pixels"
        found["pca"] = _against_pca(run, task, full, pixels() if callable(pixels) else pixels, pca_size, config)
    return found


def nested_draws(task: Task, counts: Sequence[int], draws: int, seed: int) -> dict[int, list[np.ndarray]]:
    """For each count, item numbers of `draws` training sets of so many items a class; a larger one holds the smaller.

    A class with fewer items gives all it has; a count that no class exceeds is left out, as it would be all items.
    """
    import numpy as np

    train = _labelled(task, task.split.train)
    labels = task.items.labels[train]
    largest = int(np.bincount(labels).max())
    wanted = [count for count in sorted(set(counts)) if count < largest]
    chosen: dict[int, list[np.ndarray]] = {count: [] for count in wanted}
    for draw in range(draws):
        order = np.random.default_rng([seed, draw]).permutation(len(train))
        own = labels[order]
        place = np.empty(len(order), dtype=np.int64)  # of an item among those of its class, in the drawn order
        for label in np.unique(own):
            place[own == label] = np.arange(np.count_nonzero(own == label))
        for count in wanted:
            chosen[count].append(np.sort(train[order[place < count]]))
    return chosen


def _labelled(task: Task, index: np.ndarray) -> np.ndarray:
    return index[task.items.labels[index] >= 0]


def _judged_items(task: Task) -> dict[str, np.ndarray]:
    """Item numbers of the parts that are judged: those of classes that training items have."""
    import numpy as np

    known = np.unique(task.items.labels[_labelled(task, task.split.train)])
    if len(known) < 2:
        return {}
    parts = {part: index[np.isin(task.items.labels[index], known)] for part, index in task.judged.items()}
    return {part: index for part, index in parts.items() if len(index) > 1}


def _scaled(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Vectors less the mean of some rows, divided by one number that makes their total variance 1: float32."""
    import numpy as np

    centred = vectors - np.asarray(vectors[rows], dtype=np.float64).mean(axis=0)
    size = float(np.sqrt((centred[rows] ** 2).sum(axis=1).mean()))
    return (centred / (size or 1.0)).astype(np.float32)


def _probe(
    task: Task, scaled: np.ndarray, config: ProbeConfig, train: np.ndarray | None = None, last_only: bool = False
) -> dict[str, dict[str, np.ndarray]]:
    """Which items of each judged part (the last only) both probes get right: (1, m) float64 of 0 and 1."""
    import numpy as np

    from lab.evaluation.logistic import choose_penalty
    from lab.evaluation.probes import knn_probabilities

    labels, classes = task.items.labels, len(task.items.classes)
    train = _labelled(task, task.split.train) if train is None else train
    parts = _judged_items(task)
    last = next(reversed(parts))
    held = parts["validation"] if last == "test" and "validation" in parts else train[:0]
    x, y = scaled[task.rows(train)], labels[train]
    linear = choose_penalty(x, y, scaled[task.rows(held)], labels[held], classes=classes, penalties=PENALTIES)
    correct: dict[str, dict[str, np.ndarray]] = {LINEAR: {}, NEIGHBORS: {}}
    for part in [last] if last_only else parts:
        queries, truth = scaled[task.rows(parts[part])], labels[parts[part]]
        votes = knn_probabilities(x, y, queries, classes, k=config.neighbors)
        for kind, said in ((LINEAR, linear.head.logits(queries)), (NEIGHBORS, votes)):
            correct[kind][part] = (said.argmax(axis=1) == truth).astype(np.float64)[None]
    return correct


def _record(run: RunWriter, task: Task, correct: dict[str, dict[str, np.ndarray]], count: int | None) -> dict[str, Any]:
    """Leave accuracies and scores of both probes at one label count; returns them as plain data."""
    from lab.classify import _fingerprint
    from lab.evaluation.intervals import mean_estimate

    told: dict[str, Any] = {"labels": count}
    at = "" if count is None else f", {count} labels a class"
    for kind, parts in correct.items():
        for part, matrix in parts.items():
            estimate = mean_estimate(matrix)
            low, high = estimate.interval()
            index = _judged_items(task)[part]
            about: dict[str, Any] = {"split": part, "n": len(index), "test_fingerprint": _fingerprint(task, index)}
            primary = kind == LINEAR and count is None
            extra: dict[str, Any] = {"low": low, "high": high, "primary": primary, "protocol": PROTOCOL[kind]}
            run.result(kind + at, "accuracy", estimate.value, **about, **extra)
            run.scores(kind + at, "accuracy", [task.items.ids[i] for i in index], matrix.mean(axis=0), split=part)
            told["linear" if kind == LINEAR else "neighbors"] = _told(estimate, matrix)  # the last part's stays
    return told


PROTOCOL = {
    LINEAR: "logistic regression on the vectors, L2 penalty chosen on validation items",
    NEIGHBORS: "majority of the nearest training items by Euclidean distance",
}


def _told(estimate: Estimate, matrix: np.ndarray) -> dict[str, Any]:
    low, high = estimate.interval()
    return {"mean": estimate.value, "low": low, "high": high, "draws": matrix.mean(axis=1).tolist()}


def _against_pca(
    run: RunWriter,
    task: Task,
    full: dict[str, dict[str, np.ndarray]],
    pixels: np.ndarray,
    size: int,
    config: ProbeConfig,
) -> dict[str, Any]:
    """Probe PCA of the pixels at the same size on the same items, and say whether the embedding is below it."""
    import numpy as np

    from lab.evaluation.intervals import difference_estimate, mean_estimate
    from lab.evaluation.principal_components import principal_components

    rows = task.rows(task.split.train)
    points = np.asarray(pixels).reshape(len(pixels), -1).astype(np.float32)
    found = principal_components(points[rows], size)
    scaled = _scaled(found.project(points), rows)
    probed = _probe(task, scaled, config, last_only=True)
    part = next(iter(probed[LINEAR]))
    difference = difference_estimate(full[LINEAR][part], probed[LINEAR][part], paired=True)
    low, high = difference.interval()
    told = {
        kind: _told(mean_estimate(probed[name][part]), probed[name][part])
        for kind, name in (("linear", LINEAR), ("neighbors", NEIGHBORS))
    }
    if high < 0:
        run.warn(
            f"below PCA of the same size ({len(found.components)} dimensions): the linear probe gets "
            f"{full[LINEAR][part].mean():.3f} of the {part} items right, on PCA {told['linear']['mean']:.3f} "
            f"(difference {difference.value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})"
        )
    return {
        "size": len(found.components),
        **told,
        "difference": {"value": difference.value, "low": low, "high": high},
        "below": bool(high < 0),
    }


def record_geometry(run: RunWriter, task: Task, vectors: np.ndarray, config: ProbeConfig) -> dict[str, float]:
    """The shape of the space of the judged items (of all, where none is judged), as results; returns it by name."""
    import numpy as np

    from lab.evaluation import space_geometry as shape

    index = next(reversed(task.judged.values()), task.used)
    if len(index) > MOST_ITEMS:
        index = np.sort(run.generator("geometry").choice(index, MOST_ITEMS, replace=False))
    points, labels = np.asarray(vectors)[task.rows(index)], task.items.labels[index]
    nearest = shape.nearest_items(points, config.neighbors)
    found = {
        "effective_rank": shape.effective_rank(points),
        "uniformity": shape.uniformity(points),
        "hubness": shape.hubness(nearest),
    }
    if len(task.items.classes) > 1:
        known = labels >= 0
        found["alignment"] = shape.alignment(points[known], labels[known])
        found["neighbor_purity"] = shape.neighbor_purity(nearest[known], labels)
    split = next(reversed(task.judged), "train")
    for metric, value in found.items():
        better = metric in ("effective_rank", "neighbor_purity")
        if value == value:
            run.result(GEOMETRY, metric, value, split=split, n=len(index), higher_is_better=better)
    return found
