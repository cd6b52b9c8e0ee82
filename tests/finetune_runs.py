"""Run directories of fine-tuning studies as the recipe leaves them, without training anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from workshop import Workshop, png

from lab.embeddings.space import EmbeddingSpace
from lab.report.text import data_uri
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run
from lab.runs.study import CellRecord, StudyRecord

CLASSES = ["daisy", "rose", "tulip"]
NAMES = ["stem", *(f"blocks.{i}" for i in range(7)), "head"]
ITEMS = 600
SECONDS = {0: 0.4, 1: 3.0, 3: 9.0, 5: 14.0, 9: 20.0}
RATES = [1e-4, 1e-3, 3e-3, 1e-2]


@dataclass
class Spec:
    """One row of a study: `level` is about its accuracy; `trained` how many of nine blocks are trained."""

    label: str
    level: float
    trained: int | None = None
    kind: str = "plain"
    pretrained: bool = True
    method: str | None = None
    size: int | None = None
    source: str = "flowers5"
    rates: Sequence[float] = ()
    seeds: int = 3
    seconds: float | None = None
    knn: float = 0.8
    spread: float = 0.004
    test: str = "t1"
    control: bool = False
    spaces: bool = False
    strategy: dict[str, Any] = field(default_factory=dict)
    folds: bool = False
    how: str = "random, shares of `label` kept"


def depth(trained: int, level: float, **more: Any) -> Spec:
    spoken = {0: "all frozen", 9: "trains all 9 blocks"}.get(trained, f"trains the last {trained} of 9 blocks")
    return Spec(more.pop("label", spoken), level, trained, **more)


def study_of_depths(workshop: Workshop, name: str = "depth", extra: Sequence[Spec] = (), **more: Any) -> StudyRecord:
    """Four depths with a learning-rate grid, and the controls."""
    rates: dict[str, Any] = {"rates": RATES, "spaces": True}
    specs = [
        depth(0, 0.85, **rates),
        depth(3, 0.952, **rates),
        depth(5, 0.949, **rates),
        depth(9, 0.955, **rates),
        Spec("majority class", 0.34, method="majority", control=True),
        Spec("raw pixels", 0.62, method="pixels", control=True),
        Spec("untrained backbone", 0.45, 0, pretrained=False, knn=0.3, control=True),
        Spec("from scratch", 0.71, 9, pretrained=False),
        *extra,
    ]
    return study(workshop, name, specs, **more)


def study_of_sizes(workshop: Workshop, name: str = "sizes", sizes: Sequence[int] = (100, 200, 1200)) -> StudyRecord:
    """Two tasks, one near and one far, at some numbers of labels, three depths each."""
    specs = []
    for source, near in (("flowers5", 0.1), ("xray", 0.0)):
        for place, size in enumerate(sizes):
            about = {"size": size, "source": source, "test": source}
            levels = {0: 0.78 + near + 0.01 * place, 3: 0.77 + near + 0.02 * place, 9: 0.70 + near + 0.08 * place}
            specs += [depth(t, v, label=f"{source} {size} {t}", knn=0.75 if near else 0.5, **about)
                      for t, v in levels.items()]  # fmt: skip
            specs.append(Spec(f"{source} {size} untrained", 0.4, 0, pretrained=False, knn=0.3, control=True, **about))
    return study(workshop, name, specs)


def study_of_strategies(workshop: Workshop, name: str = "strategies") -> StudyRecord:
    """Strategies beside the depths, on texts."""
    about: dict[str, Any] = {"source": "reviews"}
    specs = [
        depth(0, 0.75, **about), depth(3, 0.79, **about), depth(9, 0.8, **about),
        Spec("LP-FT", 0.81, 9, kind="lp_ft", **about), Spec("LoRA rank 8", 0.805, 9, kind="lora", **about),
        Spec("BitFit", 0.77, 9, kind="bitfit", **about), Spec("layer decay", 0.808, 9, kind="plain", **about),
        Spec("TF-IDF", 0.71, method="tfidf", source="reviews"), Spec("mean word vectors", 0.68, method="word_vectors",
                                                                     source="reviews"),
    ]  # fmt: skip
    return study(workshop, name, specs, classes=["negative", "positive"])


def study_of_both(workshop: Workshop, name: str = "both") -> StudyRecord:
    """Depths first, then two rows of word vectors, as in the quickstart."""
    from workshop import words_space

    words = {
        kind: [
            workshop.run(seed=seed, config={"model": {"architecture": kind}}, space=words_space(10 * place + seed),
                         level=0.25 + 0.15 * place, curve=[2.5, 2.2, 2.0])
            for seed in range(3)
        ]
        for place, kind in enumerate(["cbow", "skipgram"])
    }  # fmt: skip
    report = {"words": ["king", "apple"], "question": "How deep should I fine-tune with 600 labelled images?"}
    extra = {"spaces": True}
    specs = [depth(0, 0.85, **extra), depth(3, 0.952, **extra), depth(9, 0.955, **extra),
             Spec("raw pixels", 0.62, method="pixels")]  # fmt: skip
    return study(workshop, name, specs, report, others=words, classes=[str(i) for i in range(10)])


def study(
    workshop: Workshop, name: str, specs: Sequence[Spec], report: Mapping[str, Any] | None = None,
    others: Mapping[str, Sequence[Run]] | None = None, classes: Sequence[str] = CLASSES,
) -> StudyRecord:  # fmt: skip
    cells = []
    for entry, spec in enumerate(specs):
        grid = candidates(spec)
        best = max(grid, key=lambda one: one["validation"]["value"]) if grid else None
        for seed in range(spec.seeds):
            made = run_of(workshop, spec, seed, classes)
            cell = CellRecord(
                row={"row": spec.label}, seed=made.seed, experiment=made.experiment,
                replicate=made.replicate if spec.folds else {}, run_id=made.id, entry=entry,
                label=spec.label, status=made.status, control=spec.control, candidates=grid if seed == 0 else [],
                chosen=dict(best["changes"]) if best else {},
                at_edge=list(best["changes"]) if best and best["changes"]["train.learning_rate"] in
                (min(spec.rates), max(spec.rates)) else [],
            )  # fmt: skip
            cells.append(cell)
    for label, runs in (others or {}).items():
        cells += [
            CellRecord(row={"row": label}, seed=run.seed, experiment=run.experiment, run_id=run.id, entry=len(cells),
                       label=label, status=run.status)
            for run in runs
        ]  # fmt: skip
    settings = {"title": "How deep should I fine-tune?", "map": {"method": "pca", "items": 200}, **(report or {})}
    record = StudyRecord(name, workshop.folder / "studies" / name, settings, cells, "configs/depth.yaml")
    record.save()
    return StudyRecord.load(record.path)


def candidates(spec: Spec) -> list[dict[str, Any]]:
    """Validation results by rate: all frozen likes the largest, everything trained breaks there."""
    found = []
    for place, rate in enumerate(spec.rates):
        best = {0: 3, 9: 1}.get(spec.trained or 0, 2)
        value = max(0.2, spec.level - 0.03 * abs(place - best) - (0.6 if spec.trained == 9 and place == 3 else 0))
        validation = {"evaluation": "classification", "metric": "accuracy", "value": value, "higher_is_better": True}
        found.append({"changes": {"train.learning_rate": rate}, "run_id": None, "status": "finished", "error": None,
                      "validation": validation})  # fmt: skip
    return found


def run_of(workshop: Workshop, spec: Spec, seed: int, classes: Sequence[str] = CLASSES) -> Run:
    """One finished run; items are as hard for every row, so that rows differ by less than their means."""
    experiment = "baseline" if spec.method else "finetune"
    data = {"source": spec.source, "train_size": spec.size, "per_class": None, "split": {"by": spec.how, "seed": 0}}
    fold = f"fold {seed}, " if spec.folds else ""
    if spec.folds:
        data["split"] |= {"folds": spec.seeds, "fold": seed}
    config: dict[str, Any] = {"data": data}
    if spec.method:
        config["method"] = {"name": spec.method}
    else:
        config |= {"strategy": {"kind": spec.kind, "frozen_depth": 9 - (spec.trained or 0), **spec.strategy},
                   "backbone": {"name": "efficientnet-lite0", "pretrained": spec.pretrained}}  # fmt: skip
    curve = [1.0 / (i + 1) + 0.02 * seed for i in range(5)] if not spec.method else []
    made = workshop.run(experiment, 0 if spec.folds else seed, config, level=None, data=_data(spec))
    lines = "".join(f'{{"step": {i + 1}, "train_loss": {v}, "time": {i}.0}}\n' for i, v in enumerate(curve))
    (made.path / "metrics.jsonl").write_text('{"format_version": 1}\n' + lines)
    artifacts = Artifacts(made.path)
    labels = np.arange(ITEMS) % len(classes)
    for split, shift in (("validation", 1), ("test", 2)):
        hard = np.random.default_rng([shift, len(spec.source)]).random(ITEMS)
        own = 0 if spec.method else seed  # a baseline gives the same every time
        hard += 0.08 * np.random.default_rng([shift, own, len(spec.label)]).random(ITEMS)
        level = spec.level + (0 if spec.method else spec.spread * (seed - (spec.seeds - 1) / 2))
        right = np.argsort(np.argsort(hard)) < round(level * ITEMS)  # exactly this share is right
        predicted = np.where(right, labels, (labels + 1) % len(classes))
        place = f"{spec.test}/{fold if split == 'validation' else ''}{split}"
        about = {"split": split, "n": ITEMS, "test_fingerprint": place}
        artifacts.result("classification", "accuracy", float(right.mean()), primary=True, **about)
        artifacts.scores(
            "classification", "accuracy", [f"{place}-{i}.jpg" for i in range(ITEMS)], right.astype(float),
            split=split, label=[classes[i] for i in labels], predicted=[classes[i] for i in predicted],
            probability=np.linspace(0.5, 1, ITEMS),
        )  # fmt: skip
        artifacts.result("classification", "log_loss", 1 - float(right.mean()), higher_is_better=False, **about)
    for split in ("train", "validation", "test"):
        artifacts.split(split, [f"{spec.test}/{split}-{i}.jpg" for i in range(ITEMS)])
    if spec.method:
        facts = {"method": spec.method, "classes": list(classes), "split": _split(spec), "train_size": spec.size,
                 "seconds": {"train": 0.2, "evaluate": 0.1, "total": 0.5}}  # fmt: skip
    else:
        facts = finetune_facts(spec, labels, predicted, classes)
        if spec.spaces and seed == 0:
            _spaces(artifacts, spec, seed, labels, predicted, classes)
    artifacts.save_json(experiment, facts)
    write_json(made.path / "results.json", {"results": artifacts.results})
    info = {**made.info, "default_embedding": artifacts.default_embedding}
    write_json(made.path / "run.json", info)
    return Run(made.path)


def finetune_facts(spec: Spec, labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """What the recipe keeps as finetune.json."""
    trained, n = spec.trained or 0, len(classes)
    frozen = 9 - trained
    confusion = np.zeros((n, n), int)
    np.add.at(confusion, (labels, predicted), 1)
    blocks = [
        {"name": name, "parameters": 1000 * (i + 1), "trained": i >= frozen, "batch_norm": "train" if i >= frozen
         else "eval", "learning_rate": 0.003 if i >= frozen else None, "output_shape": [16, 32, 32],
         "frozen_identical": None if i >= frozen else True}
        for i, name in enumerate(NAMES)
    ]  # fmt: skip
    spoken = {0: "trains only the head"}.get(trained, f"trains the last {trained} of 9 blocks")
    seconds = SECONDS.get(trained, 10.0) if spec.seconds is None else spec.seconds
    picture = data_uri(png())
    return {
        "kind": "image", "classes": list(classes), "backbone": "efficientnet-lite0", "pretrained": spec.pretrained,
        "blocks": blocks, "depth": {"frozen": frozen, "blocks": 9, "name": NAMES[frozen - 1], "spoken": spoken},
        "strategy": {"kind": spec.kind, "spoken": spec.label},
        "seconds": {"prefix": 0.5 if trained < 9 else 0, "train": seconds, "evaluate": 0.3, "total": seconds + 1},
        "cache": {"used": frozen > 0, "why_not": None if frozen else "there is no frozen prefix", "cuts": [frozen],
                  "bytes": 4_200_000 * (frozen > 0), "prefix_seconds": 2.5 * (frozen > 0), "items": 900,
                  "saved_seconds": 40.0 * frozen / 9},
        "epochs": {"planned": 10, "done": 10, "best": 7}, "train_size": spec.size or 600, "learning_rate": 0.003,
        "split": _split(spec), "confusion": confusion.tolist(),
        "per_class": [{"class": name, "support": 100, "predicted": 101, "precision": 0.9, "recall": 0.88, "f1": 0.89,
                       "auroc": 0.97} for name in classes],
        "calibration": [{"low": 0.5, "high": 0.8, "confidence": 0.7, "accuracy": 0.6, "count": 100},
                        {"low": 0.8, "high": 1.0, "confidence": 0.95, "accuracy": 0.97, "count": 200}],
        "slices": [{"column": "camera", "value": "phone", "n": 60, "accuracy": 0.7, "difference": -0.2,
                    "p_holm": 0.003, "worse": True},
                   {"column": "camera", "value": "studio", "n": 240, "accuracy": 0.97, "difference": 0.02,
                    "p_holm": 0.6, "worse": False}],
        "mistakes": [{"id": f"test-{i}.jpg", "label": "rose", "predicted": "tulip", "probability": 0.99 - i / 100,
                      **({"image": picture} if spec.source != "reviews" else {"text": "A film of no great <length>."})}
                     for i in range(5)],
        "probes": [{"block": i + 1, "name": name, "accuracy": 0.4 + 0.05 * i,
                    "knn": spec.knn if i == 8 else 0.3 + 0.04 * i} for i, name in enumerate(NAMES)],
        "transferability": {"logme": 0.3}, "shift": [{"pair": "train and test", "auc": 0.52, "p": 0.4, "items": []}],
        "data_check": {"classes": dict.fromkeys(classes, 300), "odd": [{"id": "x.jpg", "problem": "CMYK"}],
                       "broken": [], "duplicates": [["a.jpg", "b.jpg"]], "smallest_difference": 0.021},
    }  # fmt: skip


def _spaces(
    artifacts: Artifacts, spec: Spec, seed: int, labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]
) -> None:
    """Vectors before and after training; by block where everything is frozen."""
    names = ["items.before", "items"]
    if spec.trained == 0 and spec.pretrained:
        names += [f"items.block-{n}" for n in range(1, 10)]
    n = 120
    said = {"label": [classes[i] for i in labels[:n]], "predicted": [classes[i] for i in predicted[:n]]}
    table = pd.DataFrame({**said, "correct": labels[:n] == predicted[:n], "split": "test"})
    ids = [f"{spec.test}/test-{i}.jpg" for i in range(n)]
    for place, name in enumerate(names):
        random = np.random.default_rng([place, seed])
        centers = np.random.default_rng(3).normal(size=(len(classes), 8)) * (1 + place)
        vectors = centers[labels[:n]] + random.normal(size=(n, 8))
        found = EmbeddingSpace(ids, vectors.astype(np.float32), table, name)
        artifacts.embeddings(found, name, default=name == "items")


def _split(spec: Spec) -> dict[str, Any]:
    return {"how": spec.how, "train": spec.size or 600, "validation": ITEMS, "test": ITEMS, "leaked": 0, "removed": []}


def _data(spec: Spec) -> dict[str, Any]:
    return {"fingerprint": spec.source * 4, "counts": {"items": 1200}, "description": f"{spec.source}: 1,200 photos"}
