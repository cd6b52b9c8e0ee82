"""What an embedding is good for: probes at several label counts, the shape of the space, and PCA to hold it against.

Every encoder, baseline and pretrained backbone is judged by this one function, so that their rows can be compared item
by item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lab.config.base import Section

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.runs.writer import RunWriter

LINEAR, NEIGHBORS, GEOMETRY = "linear probe", "nearest neighbours", "geometry"
KEYS = {LINEAR: "linear", NEIGHBORS: "neighbors"}
PENALTIES = (1.0, 0.1, 0.01, 1e-3, 1e-4)
"""L2 penalties (1/C) to choose from, for vectors whose total variance is 1."""
MOST_ITEMS = 2000
"""Of more judged items a sample of this size speaks for the shape of the space."""


class ProbeConfig(Section):
    """How an embedding is judged by classifiers that see nothing but its vectors."""

    labels: list[Annotated[int, Field(ge=1)]] = Field(
        [10, 50, 100], description="labels a class that the probes learn from, beside all there are"
    )
    draws: Annotated[int, Field(ge=1)] = Field(5, description="how often these labels are drawn")
    neighbors: Annotated[int, Field(ge=1)] = Field(5, description="nearest neighbours that vote")


def record_embedding(
    run: RunWriter,
    task: Task,
    vectors: np.ndarray,
    config: ProbeConfig,
    *,
    pca: np.ndarray | None = None,
) -> dict[str, Any]:
    """Judge `vectors` (n, d) of the items of `task.used`, leave results and scores in the run, and return plain data.

    The linear probe (Alain and Bengio 2016, arXiv:1610.01644) is logistic regression whose penalty validation items
    choose; its accuracy with all labels is primary. `pca` (n, size): the same items along principal components of the
    training items, held against the vectors; a run below it, outside the interval of the difference over items, is
    warned. Where items have no labels, there is geometry only.

    Returns `{"probes": [{"labels": a number a class, or None for all, "linear", "neighbors"}], "geometry", "pca"}`; a
    probe is `{"mean", "low", "high", "draws"}`, its interval over draws and judged items.
    """
    found: dict[str, Any] = {"probes": [], "geometry": record_geometry(run, task, vectors, config), "pca": None}
    judged = judged_parts(task)
    if not judged:
        return found
    scaled = scaled_to_one(vectors, task.rows(task.split.train))
    train = task.probed["train"]
    whole = answers(task, scaled, config, train, judged)
    for part in judged:
        probe = _record(run, task, config, part, whole[part], None)
    found["probes"] = [probe]  # of the last part: test, where there is one
    last = {part: judged[part]}
    for count, draws in nested_draws(task, config.labels, config.draws, run.stream_seed("probe labels")).items():
        run.check_interrupt()
        each = [answers(task, scaled, config, drawn, last)[part] for drawn in draws]
        found["probes"].append(_record(run, task, config, part, _stacked(each), count))
    if pca is not None:
        found["pca"] = _against_pca(run, task, config, whole[part], part, pca)
    return found


def judged_parts(task: Task) -> dict[str, np.ndarray]:
    """Numbers of the items that probes are judged by, by part, the one that decides last; none without labels."""
    return {part: index for part, index in task.probed.items() if part != "train" and len(index) > 1}


def scaled_to_one(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Vectors less the mean of some rows, divided by one number that makes their total variance 1: (n, d) float32."""
    import numpy as np

    centred = np.asarray(vectors, dtype=np.float32) - vectors[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
    size = float(np.sqrt(np.einsum("nd,nd->n", centred[rows], centred[rows], dtype=np.float64).mean()))
    return centred / np.float32(size or 1.0)


def nested_draws(task: Task, counts: Sequence[int], draws: int, seed: int) -> dict[int, list[np.ndarray]]:
    """For each count, item numbers of `draws` training sets of so many items a class; a larger one holds the smaller.

    A class with fewer items gives all it has; a count that no class exceeds is left out, as it would be all items.
    """
    import numpy as np

    train = task.probed["train"]
    labels = task.items.labels[train]
    counts = [count for count in sorted(set(counts)) if count < np.bincount(labels).max()]
    chosen: dict[int, list[np.ndarray]] = {count: [] for count in counts}
    for draw in range(draws):
        order = np.random.default_rng([seed, draw]).permutation(len(train))
        place = np.empty(len(order), dtype=np.int64)  # of an item among those of its class, in the drawn order
        for label in np.unique(labels):
            own = order[labels[order] == label]
            place[own] = np.arange(len(own))
        for count in counts:
            chosen[count].append(train[place < count])
    return chosen


Answers = dict[str, dict[str, "np.ndarray"]]
"""By part and probe: which judged items were got right, (draws, m) float64 of 0 and 1."""


def answers(
    task: Task, vectors: np.ndarray, config: ProbeConfig, train: np.ndarray, judged: Mapping[str, np.ndarray]
) -> Answers:
    """What both probes, learnt from the items `train`, get right of the `judged` parts.

    `vectors`: of `task.used`, scaled. Validation items choose the penalty; where there is no test part, so that they
    are judged themselves, a fifth of the training items does.
    """
    import numpy as np

    from lab.evaluation.logistic import choose_penalty
    from lab.evaluation.probes import knn_probabilities

    labels, classes = task.items.labels, len(task.items.classes)
    held = judged_parts(task)["validation"] if _chosen_on_validation(task) else train[:0]
    x = vectors[task.rows(train)]
    options: dict[str, Any] = {"classes": classes, "penalties": PENALTIES}
    linear = choose_penalty(x, labels[train], vectors[task.rows(held)], labels[held], **options)
    found: Answers = {}
    for part, index in judged.items():
        queries = vectors[task.rows(index)]
        votes = knn_probabilities(x, labels[train], queries, classes, k=config.neighbors)
        said = {LINEAR: linear.head.logits(queries), NEIGHBORS: votes}
        found[part] = {
            kind: (scores.argmax(axis=1) == labels[index]).astype(np.float64)[None] for kind, scores in said.items()
        }
    return found


def record_geometry(run: RunWriter, task: Task, vectors: np.ndarray, config: ProbeConfig) -> dict[str, float]:
    """Leave the shape of the space of the judged items (of all, where none is judged); returns it by name."""
    import numpy as np

    from lab.evaluation import space_geometry as shape

    part, index = next(reversed(task.judged.items()), ("train", task.used))
    if len(index) > MOST_ITEMS:
        index = np.sort(run.generator("geometry").choice(index, MOST_ITEMS, replace=False))
    if len(index) < 3:
        return {}
    points, labels = vectors[task.rows(index)], task.items.labels[index]
    nearest = shape.nearest_items(points, config.neighbors)
    found = {
        "effective_rank": shape.effective_rank(points),
        "uniformity": shape.uniformity(points),
        "hubness": shape.hubness(nearest),
    }
    if task.probed:
        found["alignment"] = shape.alignment(points, labels)
        found["neighbor_purity"] = shape.neighbor_purity(nearest, labels)
    for metric, value in found.items():
        better, protocol = GEOMETRY_METRICS[metric]
        run.result(
            GEOMETRY, metric, value, split=part, n=len(index), higher_is_better=better == "higher", protocol=protocol
        )
    return found


GEOMETRY_METRICS = {
    "effective_rank": ("higher", "dimensions in use: exponential of the entropy of the singular values' shares"),
    "uniformity": ("lower", "log of the mean of exp(-2 |x - y|²) over pairs of unit vectors"),
    "hubness": ("lower", "skewness of how often an item is among the nearest of others"),
    "alignment": ("lower", "mean squared distance of unit vectors of one class"),
    "neighbor_purity": ("higher", "share of nearest neighbours of the item's own class"),
}


def _stacked(found: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    import numpy as np

    return {kind: np.vstack([correct[kind] for correct in found]) for kind in found[0]}


def _chosen_on_validation(task: Task) -> bool:
    return {"validation", "test"} <= set(judged_parts(task))


def _record(
    run: RunWriter,
    task: Task,
    config: ProbeConfig,
    part: str,
    correct: dict[str, np.ndarray],
    count: int | None,
) -> dict[str, Any]:
    """Leave accuracies and scores of both probes at one label count, from (draws, m) of 0 and 1; returns them."""
    from lab.classify import judged_fingerprint

    index = judged_parts(task)[part]
    chosen = "validation items" if _chosen_on_validation(task) else "a fifth of the training items"
    protocol = {
        LINEAR: f"logistic regression on the vectors, its L2 penalty chosen on {chosen}",
        NEIGHBORS: f"majority of the {config.neighbors} nearest training items by Euclidean distance",
    }
    limited = "" if count is None else f", {count} labels a class"
    drawn = "" if count is None else f"; mean over {config.draws} draws of {count} training items a class"
    told: dict[str, Any] = {"labels": count}
    for kind, matrix in correct.items():
        found = _told(matrix)
        run.result(
            kind + limited,
            "accuracy",
            found["mean"],
            split=part,
            n=len(index),
            primary=kind == LINEAR and count is None,
            low=found["low"],
            high=found["high"],
            test_fingerprint=judged_fingerprint(task, index),
            protocol=protocol[kind] + drawn,
        )
        run.scores(kind + limited, "accuracy", [task.items.ids[i] for i in index], matrix.mean(axis=0), split=part)
        told[KEYS[kind]] = found
    return told


def _told(correct: np.ndarray) -> dict[str, Any]:
    """The mean of (draws, m) scores with its 95 % interval, and that of each draw."""
    from lab.evaluation.intervals import mean_estimate

    estimate = mean_estimate(correct)
    low, high = estimate.interval()
    return {"mean": estimate.value, "low": low, "high": high, "draws": correct.mean(axis=1).tolist()}


def _against_pca(
    run: RunWriter,
    task: Task,
    config: ProbeConfig,
    correct: dict[str, np.ndarray],
    part: str,
    pca: np.ndarray,
) -> dict[str, Any]:
    """Probe PCA on the same items, and say whether the embedding's linear probe is below it."""
    from lab.evaluation.intervals import difference_estimate

    projected = scaled_to_one(pca, task.rows(task.split.train))
    probed = answers(task, projected, config, task.probed["train"], {part: judged_parts(task)[part]})[part]
    difference = difference_estimate(correct[LINEAR], probed[LINEAR], paired=True)
    low, high = difference.interval()
    if high < 0:
        run.warn(
            f"the embedding is below PCA of the same size ({pca.shape[1]} dimensions): accuracy of the linear "
            f"probe {correct[LINEAR].mean():.3f}, of PCA's {probed[LINEAR].mean():.3f}; difference "
            f"{difference.value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
        )
    return {
        "size": pca.shape[1],
        **{KEYS[kind]: _told(matrix) for kind, matrix in probed.items()},
        "difference": {"value": difference.value, "low": low, "high": high},
        "below": bool(high < 0),
    }
