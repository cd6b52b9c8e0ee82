"""What all classifiers share, networks and baselines: labelled data, its split, and how predictions become results.

Whatever predicts, the same items are judged by the same numbers, kept under the same names, so that any two runs on
the same data can be compared item by item.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError
from lab.experiment import DataFacts

if TYPE_CHECKING:
    import numpy as np

    from lab.data.labelled.config import LabelledConfig, Labels
    from lab.data.labelled.items import Items
    from lab.data.labelled.pixels import Shape
    from lab.data.labelled.split import Split
    from lab.embeddings.space import EmbeddingSpace
    from lab.evaluation.classification import ClassificationReport
    from lab.evaluation.slices import Slice
    from lab.runs.writer import RunWriter

EVALUATION = "classification"
PRIMARY = "accuracy"
LISTED_MISTAKES = 24
PICTURE_PIXELS = 64
SHOWN_CHARACTERS = 400
_PROTOCOL = {
    "accuracy": "share of items whose most probable class is their label",
    "balanced_accuracy": "mean over classes of the share of their items that are found",
    "macro_f1": "mean over classes of F1",
    "log_loss": "mean negative log-probability (nats) of the label",
    "auroc": "area under the ROC curve, one class against the rest, mean over classes",
    "ece": "expected calibration error: mean distance of confidence from accuracy",
}


@dataclass(frozen=True)
class Task:
    """Labelled items and who is trained on, who chooses and who judges. `check`: what is odd about the data."""

    items: Items
    split: Split
    check: dict[str, Any]

    @property
    def judged(self) -> dict[str, np.ndarray]:
        """Item numbers of the parts that are predicted, by name; a part without items is left out."""
        parts = {"validation": self.split.validation, "test": self.split.test}
        return {name: index for name, index in parts.items() if len(index)}

    @property
    def used(self) -> np.ndarray:
        """Numbers of all items that are trained on or judged, ascending, (n,) int64."""
        import numpy as np

        return np.unique(np.concatenate([self.split.train, self.split.validation, self.split.test]))

    @property
    def probed(self) -> dict[str, np.ndarray]:
        """Item numbers, by part, of what a probe can learn or be judged by: items of the classes trained on.

        So of no class that training lacks, such as an anomaly; nothing at all where it has fewer than two classes.
        """
        import numpy as np

        labels = self.items.labels
        known = np.flatnonzero(np.bincount(labels[self.split.train] + 1, minlength=2)[1:])
        if len(known) < 2:
            return {}
        parts = {name: index[np.isin(labels[index], known)] for name, index in self.split.parts().items()}
        return {name: index for name, index in parts.items() if len(index)}

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Where some items stand among `used`, (m,) int64."""
        import numpy as np

        return np.searchsorted(self.used, index)

    def part_of(self, index: np.ndarray) -> list[str]:
        """The part that each of some items is in: train, validation, test or unlabelled."""
        import numpy as np

        names = np.full(len(self.items.ids), "unlabelled", dtype=object)
        for name in ("train", "validation", "test"):
            names[getattr(self.split, name)] = name
        return [str(name) for name in names[index]]


def load_task(config: LabelledConfig, seed: int, labels: Labels = "required", anomaly: str | None = None) -> Task:
    """Read items, look at what is odd about them, and split them.

    `seed`: the run's; it draws the training items where `train_size` or `per_class` limits them, and nothing else.
    `labels`: `optional` also takes items of one class or of none, and trains on those without a label. `anomaly`: a
    class that only the test part keeps.
    Raises `UserError` for data that cannot be read or split, for near-duplicates on two sides unless accepted, and for
    an anomaly that there is not.
    """
    from lab.data.labelled.check import check_items
    from lab.data.labelled.items import load_items

    items = load_items(config, labels)
    return Task(items, _split(items, config, seed, labels, anomaly), check_items(items, config, labels).to_dict())


def _split(items: Items, config: LabelledConfig, seed: int, labels: Labels, anomaly: str | None) -> Split:
    from lab.data.labelled.split import split_items, withhold

    split = split_items(items, config, seed, labels)
    return split if anomaly is None else withhold(items, split, anomaly)


def describe_task(
    config: LabelledConfig,
    kind: str | None = None,
    seed: int = 0,
    labels: Labels = "required",
    anomaly: str | None = None,
) -> DataFacts:
    """Cheap facts about the data of `load_task` for the plan stage; the split is made, and so checked, too.

    A study asks for every row and rate anew: what was found is kept while no file of the source has changed. `kind`:
    what the items have to be, `image` or `text`. Raises `UserError` where they are not, or cannot be split.
    """
    found = _described(config, seed, labels, anomaly)
    if kind and found.kind != kind:
        raise UserError(f"data.source: {config.source} holds {found.kind}s, but {kind}s are needed here")
    return found.facts


def describe_pictures(
    config: LabelledConfig, image_size: int | None = None, channels: int | None = None, seed: int = 0
) -> Shape:
    """`lab.data.labelled.pixels.picture_shape` of the data for the plan stage, kept as by `describe_task`.

    Labels are optional. Raises `UserError` where the items are no pictures.
    """
    describe_task(config, "image", seed, "optional")
    shape = _described(config, seed, "optional", None).shape
    assert shape is not None
    return channels or shape[0], image_size or shape[1], image_size or shape[2]


@dataclass(frozen=True)
class _Described:
    kind: str
    facts: DataFacts
    shape: Shape | None


_DESCRIBED: dict[str, _Described] = {}


def _described(config: LabelledConfig, seed: int, labels: Labels, anomaly: str | None) -> _Described:
    from lab.data.fingerprint import source_stamp
    from lab.data.labelled.items import load_items
    from lab.data.labelled.pixels import picture_shape

    key = f"{config.model_dump_json()} {seed} {labels} {anomaly} {source_stamp(config.source)}"
    if key in _DESCRIBED:
        return _DESCRIBED[key]
    items = load_items(config, labels)
    parts = {name: len(index) for name, index in _split(items, config, seed, labels, anomaly).parts().items()}
    facts = DataFacts(
        items.fingerprint, {"items": len(items.ids), "classes": len(items.classes), **parts}, items.description
    )
    found = _Described(items.kind, facts, picture_shape(items) if items.kind == "image" else None)
    # A table names pictures that lie anywhere, so its own file does not say whether they have changed.
    if items.kind == "text" or not Path(config.source).expanduser().is_file():
        _DESCRIBED[key] = found
    return found


def record_task(run: RunWriter, task: Task) -> None:
    """Keep which items are in which part, and say in the log how they came there and what is odd."""
    items, split = task.items, task.split
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    for name, index in parts.items():
        run.split(name, [items.ids[i] for i in index])
    run.count(**{name: len(index) for name, index in parts.items()}, classes=len(items.classes))
    sizes = ", ".join(f"{len(index):,} {name}" for name, index in parts.items())
    classes = f"in {len(items.classes)} classes" if items.classes else "without labels"
    run.log(f"{items.description}: {len(items.ids):,} items {classes}; {sizes} ({split.how})")
    if items.broken:
        first = items.broken[0]
        run.warn(f"{len(items.broken)} broken items left out, the first {first.id}: {first.problem}")
    for note in split.notes:
        run.warn(note)
    if split.removed:
        run.warn(f"{len(split.removed)} near-duplicates of judged items removed from training")
    if split.leaked:
        run.warn(f"{split.leaked} of {len(split.test)} test items are trained on as well (data.split.leak)")


def split_facts(split: Split) -> dict[str, Any]:
    """The split as plain data: how it was made and how many items each part has."""
    sizes = {name: len(getattr(split, name)) for name in ("train", "validation", "test", "unlabelled")}
    told = {"how": split.how, "leaked": split.leaked, "removed": split.removed, "accepted": split.accepted}
    return {**sizes, **told, "notes": split.notes}


def record_predictions(
    run: RunWriter, task: Task, probabilities: Mapping[str, np.ndarray], features: np.ndarray | None = None
) -> dict[str, Any]:
    """Leave results and scores of every judged part, and return the details of the test part (or of validation).

    `probabilities`: (m, classes) for each part of `task.judged`. `features` (n, d) of the items of `task.used`, not
    learned from these labels: their clusters are checked for more mistakes than usual, as are the columns `slices`.
    Returns plain data: per_class, confusion, calibration, slices, mistakes.
    """
    from lab.evaluation.classification import classification_report

    items = task.items
    details: dict[str, Any] = {}
    for split, index in task.judged.items():
        report = classification_report(items.labels[index], probabilities[split], items.classes)
        _record(run, task, split, report, probabilities[split])
        # The last part is the test part where there is one.
        details = _details(run, task, split, probabilities[split], report, features)
    return details


def _record(run: RunWriter, task: Task, split: str, report: ClassificationReport, probabilities: np.ndarray) -> None:
    """Leave the numbers of one part and, where a number is a mean over items, what each item adds to it."""
    import numpy as np

    from lab.evaluation.classification import LOWER_IS_BETTER

    items, index = task.items, task.judged[split]
    ids = [items.ids[i] for i in index]
    names = np.array(items.classes, dtype=object)
    columns = {
        "label": names[items.labels[index]].tolist(),
        "predicted": names[report.predicted].tolist(),
        "probability": probabilities.max(axis=1).astype(np.float64),
    }
    about: dict[str, Any] = {"split": split, "n": len(index), "test_fingerprint": judged_fingerprint(task, index)}
    for metric, value in report.metrics().items():
        if value != value:  # not defined, e.g. AUROC where a class has no item
            continue
        low, high = report.intervals.get(metric, (None, None))
        better = metric not in LOWER_IS_BETTER
        extra: dict[str, Any] = {"primary": metric == PRIMARY, "low": low, "high": high, "protocol": _PROTOCOL[metric]}
        run.result(EVALUATION, metric, value, higher_is_better=better, **about, **extra)
        if metric in report.item_scores:
            own = columns if metric == PRIMARY else {}
            run.scores(EVALUATION, metric, ids, report.item_scores[metric], split=split, **own)


def _details(
    run: RunWriter,
    task: Task,
    split: str,
    probabilities: np.ndarray,
    report: ClassificationReport,
    features: np.ndarray | None,
) -> dict[str, Any]:
    from lab.evaluation.mistakes import worst_mistakes
    from lab.evaluation.slices import slices

    items, index = task.items, task.judged[split]
    correct = report.predicted == items.labels[index]
    columns = {name: items.table[name].to_numpy()[index] for name in run.config.data.slices}
    near = None if features is None else features[task.rows(index)]
    found = slices(correct, columns, near, seed=run.stream_seed("slices"))
    mistakes = worst_mistakes(
        [items.ids[i] for i in index], items.labels[index], probabilities, items.classes, LISTED_MISTAKES
    )
    shown = [{**mistake.to_dict(), **show_item(items, int(index[mistake.index]))} for mistake in mistakes]
    whole = report.to_dict()
    return {
        "judged": split,
        **{name: whole[name] for name in ("per_class", "confusion", "calibration")},
        "slices": [_told(part, items, index) for part in found],
        "mistakes": shown,
    }


def _told(part: Slice, items: Items, index: np.ndarray) -> dict[str, Any]:
    """A slice as plain data, with the ids of its most typical items in place of their numbers."""
    told = part.to_dict()
    told["items"] = [items.ids[index[number]] for number in told["items"]]
    return told | {"accuracy": 1 - part.error, "difference": part.average - part.error, "worse": part.above_average}


def show_item(items: Items, row: int) -> dict[str, str]:
    """An item as a reader sees it: `{"text": …}`, cut where it is long, or `{"image": a PNG as data URI}`."""
    if items.texts is not None:
        text = items.texts[row]
        return {"text": text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"}
    assert items.images is not None
    picture = items.images.picture(row).convert("RGB")
    picture.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return {"image": f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"}


def record_label_next(
    run: RunWriter,
    task: Task,
    judged: tuple[np.ndarray, np.ndarray],
    unlabelled: tuple[np.ndarray, np.ndarray],
) -> None:
    """Write label_next.csv: the unlabelled items that lie nearest to where the classifier fails on validation items.

    `judged` and `unlabelled`: probabilities (m, classes) and features (m, d) each, of the validation and the unlabelled
    items of the split. Test items are not asked.
    """
    import pandas as pd

    from lab.evaluation.mistakes import label_next
    from lab.runs.files import write_atomic

    items, split = task.items, task.split
    correct = judged[0].argmax(axis=1) == items.labels[split.validation]
    found = label_next(unlabelled[1], judged[1], correct)
    chances = unlabelled[0][found.rows]
    table = pd.DataFrame(
        {
            "id": [items.ids[split.unlabelled[row]] for row in found.rows],
            "predicted": [items.classes[best] for best in chances.argmax(axis=1)],
            "probability": chances.max(axis=1).round(4),
            "nearest_mistake": [items.ids[split.validation[row]] for row in found.near],
            "distance": found.distance.round(4),
            "error_rate": found.error_rate.round(4),
        }
    )
    write_atomic(run.path / "label_next.csv", table.to_csv(index=False).encode())
    run.log(f"label_next.csv: {len(table)} of {len(split.unlabelled):,} unlabelled items, nearest to mistakes first")


def items_space(
    task: Task, index: np.ndarray, vectors: np.ndarray, probabilities: Mapping[str, np.ndarray] | None = None
) -> EmbeddingSpace:
    """The vectors (m, d) of some items with what is known of each: label, part, text and, where judged, prediction."""
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace

    items = task.items
    labels = [items.classes[label] if label >= 0 else None for label in items.labels[index]]
    metadata = pd.DataFrame({"label": labels, "split": task.part_of(index)})
    if probabilities:
        said = _predicted(task, probabilities)
        metadata["predicted"] = [said.get(int(i)) for i in index]
        metadata["correct"] = [
            None if p is None else p == t for p, t in zip(metadata["predicted"], labels, strict=True)
        ]
    if items.texts is not None:
        metadata["text"] = [show_item(items, int(i))["text"] for i in index]
    return EmbeddingSpace([items.ids[i] for i in index], vectors, metadata, name="items")


def _predicted(task: Task, probabilities: Mapping[str, np.ndarray]) -> dict[int, str]:
    return {
        int(i): task.items.classes[best]
        for split, index in task.judged.items()
        for i, best in zip(index, probabilities[split].argmax(axis=1), strict=True)
    }


def judged_fingerprint(task: Task, index: Sequence[int] | np.ndarray) -> str:
    """A digest of the judged items and their labels: runs with another one cannot be ranked against each other."""
    from lab.data.fingerprint import digest

    items = task.items
    names = [*items.classes, ""]  # the last, at -1, of what has no label
    return digest(*(f"{items.ids[i]}\0{names[items.labels[i]]}" for i in sorted(index)))
