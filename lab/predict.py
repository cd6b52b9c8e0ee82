"""`lab predict`: new items by a run's classifier: label, probability, and what is unlike the training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    import numpy as np

    from lab.data.labelled.items import Items
    from lab.experiment import Predictor
    from lab.runs.run import Run

COLUMNS = ("id", "label", "probability", "unlike_training", "distance")


@dataclass(frozen=True)
class Predicted:
    """Predictions of m items, in the order of `items`.

    `probabilities` (m, classes) float32; `distance` (m,) float64 to the nearest training items and `unlike` (m,) bool:
    farther from them than 99 % of the training items are from one another; both None, with `why_not`, where that
    cannot be said. `left_out`: what could not be read, `id: problem`.
    """

    items: Items
    classes: list[str]
    probabilities: np.ndarray
    distance: np.ndarray | None
    unlike: np.ndarray | None
    why_not: str
    left_out: list[str]

    @property
    def labels(self) -> list[str]:
        """The most probable class of each item."""
        return [self.classes[number] for number in self.probabilities.argmax(axis=1)]

    def write(self, path: Path) -> None:
        """Write a csv with `COLUMNS`, a line an item, whole or not at all."""
        import pandas as pd

        from lab.atomic import replacing

        frame = pd.DataFrame({"id": self.items.ids, "label": self.labels})
        frame["probability"] = self.probabilities.max(axis=1).round(4)
        if self.unlike is not None and self.distance is not None:
            frame["unlike_training"] = ["yes" if unlike else "no" for unlike in self.unlike]
            frame["distance"] = self.distance.round(4)
        with replacing(path) as file:
            frame.to_csv(file, index=False)


def predict_new(ref: str, source: str) -> Predicted:
    """Classify what a source holds: a folder of images, one image, a table, or a text file of one item a line.

    `ref`: a run (see `load_run`), finished, of an experiment that classifies.

    Raises:
        UserError: there is no such run, it cannot classify, or the source cannot be read as its items.
    """
    from lab.data.labelled.new_items import load_new_items
    from lab.runs.refs import load_run

    run = load_run(ref)
    predictor = run.classifier()
    like = {**run.config.get("data", {}), "kind": _kind(run)}
    items = load_new_items(source, like)
    features = predictor.features(items)
    distance, unlike, why_not = _familiarity(run, predictor, features)
    return Predicted(
        items=items,
        classes=list(predictor.classes),
        probabilities=_probabilities(predictor, items),
        distance=distance,
        unlike=unlike,
        why_not=why_not,
        left_out=[f"{broken.id}: {broken.problem}" for broken in items.broken],
    )


def _probabilities(predictor: Predictor, items: Items) -> np.ndarray:
    found = predictor.predict(items)
    if found.shape != (len(items.ids), len(predictor.classes)):
        raise LabError(f"{len(items.ids)} items, but predictions of shape {found.shape}")
    return found


def _kind(run: Run) -> str:
    """`image` or `text`: what the run was trained on; `auto` where it did not say."""
    try:
        return str(run.json(run.experiment)["kind"])
    except (LabError, KeyError, TypeError):
        return "auto"


def _familiarity(
    run: Run, predictor: Predictor, features: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Distances to the training items and which are too large; or why that cannot be said."""
    import numpy as np

    from lab.evaluation.novelty import familiar

    try:
        trained = _training_features(run, predictor)
        if not isinstance(trained, np.ndarray) or trained.shape[1] != features.shape[1]:
            return None, None, "what this method sees of an item has no distances"
        known = familiar(trained)
        distance = known.distances(features)
    except LabError as error:  # gone or changed data, or too few of them
        return None, None, str(error)
    return distance, distance > known.threshold, ""


def _training_features(run: Run, predictor: Predictor) -> np.ndarray:
    """Features of the training items: those that the run kept, else computed from its data."""
    if "items" in run.embedding_names:
        space = run.space("items")
        return space.vectors[(space.metadata["split"] == "train").to_numpy()]
    from lab.classify import load_task
    from lab.data.labelled.config import LabelledConfig

    task = load_task(LabelledConfig.model_validate(run.config["data"]), run.seed)
    return predictor.features(task.items.subset(task.split.train))
