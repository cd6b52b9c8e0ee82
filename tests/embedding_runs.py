"""Run directories of autoencoders and other embeddings of pictures, as their recipes leave them, without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from workshop import Workshop, png

from lab.embeddings.space import EmbeddingSpace
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run
from lab.runs.study import CellRecord, StudyRecord

ITEMS = 400
LABELS = (10,)
CLASSES = ["0", "1", "2", "3"]


@dataclass
class Made:
    """A row: `level` is the accuracy of its linear probe, `error` of its reconstruction (None: it makes none)."""

    kind: str  # dense, convolutional, denoising, sparse, variational, vq, untrained, pca, pixels, or a backbone's name
    size: int
    level: float
    error: float | None = None
    neighbors: float | None = None
    seeds: int = 3
    below: bool = False
    source: str = "mnist-5k"
    labelled: bool = True

    @property
    def control(self) -> bool:
        return self.experiment == "features" or self.kind == "untrained"

    @property
    def experiment(self) -> str:
        kinds = ("dense", "convolutional", "denoising", "sparse", "variational", "vq", "untrained")
        return "autoencoder" if self.kind in kinds else "features"

    @property
    def label(self) -> str:
        return f"{self.kind}, {self.size} dimensions"


def sized(kind: str, levels: dict[int, tuple[float, float | None]], **more: Any) -> list[Made]:
    return [Made(kind, size, level, error, **more) for size, (level, error) in levels.items()]


def study_of_sizes(workshop: Workshop, name: str = "autoencoders", **more: Any) -> StudyRecord:
    """Two kinds at two sizes beside PCA, an untrained encoder, raw pixels and a pretrained network."""
    rows = [
        *sized("denoising", {2: (0.58, 0.042), 32: (0.955, 0.010)}),
        *sized("vq", {2: (0.35, 0.060), 32: (0.80, 0.020)}, below=True),
        *sized("pca", {2: (0.45, 0.055), 32: (0.88, 0.012)}),
        Made("untrained", 32, 0.85),
        Made("pixels", 64, 0.94, neighbors=0.98),
        Made("efficientnet-lite0", 128, 0.975),
    ]
    return study(workshop, name, rows, **more)


def study(workshop: Workshop, name: str, rows: Sequence[Made], report: dict[str, Any] | None = None) -> StudyRecord:
    cells = []
    for entry, made in enumerate(rows):
        for seed in range(made.seeds):
            run = run_of(workshop, made, seed)
            row = {"model.latent_size": made.size, "row": made.label}
            cells.append(CellRecord(row=row, seed=seed, experiment=made.experiment, run_id=run.id, entry=entry,
                                    label=made.label, status="finished", control=made.control))  # fmt: skip
    settings = {"title": "Which embedding?", "map": {"method": "pca", "items": 200}, **(report or {})}
    record = StudyRecord(name, workshop.folder / "studies" / name, settings, cells, "configs/autoencoders.yaml")
    record.save()
    return StudyRecord.load(record.path)


def run_of(workshop: Workshop, made: Made, seed: int = 0) -> Run:
    """One finished run; items are as hard for every row, and only autoencoders differ between seeds."""
    random = made.experiment == "autoencoder"
    curve = [{"step": i + 1, "reconstruction": 0.1 / (i + 1), "time": float(i)} for i in range(3 * random)]
    data = {"fingerprint": "f" * 32, "description": "5,000 digits", "counts": {"items": 5000, "classes": 4}}
    run = workshop.run(made.experiment, seed, _config(made), level=None, data=data)
    if curve:
        lines = [str(line).replace("'", '"') for line in ({"format_version": 1}, *curve)]
        (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    artifacts = Artifacts(run.path)
    neighbors = made.level - 0.02 if made.neighbors is None else made.neighbors
    for at, loss in (("", 0.0), *((f", {n} labels a class", 0.2 / (1 + n / 20)) for n in LABELS)):
        for kind, level in (("linear probe", made.level), ("nearest neighbours", neighbors)):
            for split in ("validation", "test")[bool(at) :] if made.labelled else ():
                _accuracy(artifacts, kind + at, level - loss, split, made, seed * random)
    if made.error is not None:
        values = made.error * (0.6 + 0.8 * np.random.default_rng(5).random(ITEMS)) * (1 + 0.01 * seed * random)
        _measured(artifacts, "reconstruction", "mse", values, "test", higher_is_better=False,
                  primary=not made.labelled)  # fmt: skip
    for metric, value in {"effective_rank": made.size * 0.7, "uniformity": -2.5, "hubness": 0.4}.items():
        artifacts.result("geometry", metric, value, n=ITEMS)
    for part in ("train", "validation", "test"):
        artifacts.split(part, [f"{part}-{i}" for i in range(ITEMS)])
    _space(artifacts, made, seed)
    if random:
        artifacts.figure("reconstructions", png(), title="Reconstructions", caption="Best, typical, worst.")
    artifacts.save_json("embedding", _facts(made))
    write_json(run.path / "results.json", {"results": artifacts.results})
    write_json(run.path / "run.json", {**run.info, "default_embedding": "items"})
    return Run(run.path)


def _config(made: Made) -> dict[str, Any]:
    data = {"data": {"source": made.source, "split": {"by": "label", "seed": 0}}}
    if made.experiment == "features":
        known = made.kind in ("pca", "pixels")
        method = {"name": made.kind if known else "backbone", "dimensions": made.size}
        return data | {"method": method if known else {**method, "backbone": {"name": made.kind}}}
    objective = made.kind if made.kind in ("denoising", "sparse", "variational", "vq") else "plain"
    architecture = "dense" if made.kind == "dense" else "convolutional"
    return data | {
        "model": {"architecture": architecture, "latent_size": made.size}, "objective": {"kind": objective},
        "train": {"epochs": 0 if made.kind == "untrained" else 20},
    }  # fmt: skip


def _accuracy(artifacts: Artifacts, kind: str, level: float, split: str, made: Made, own: int) -> None:
    hard = np.random.default_rng([len(split), len(kind) % 7]).random(ITEMS)
    hard += 0.08 * np.random.default_rng([own, len(made.kind), made.size]).random(ITEMS)
    right = np.argsort(np.argsort(hard)) < round((level + 0.002 * own) * ITEMS)
    _measured(artifacts, kind, "accuracy", right.astype(float), split, primary=kind == "linear probe")


def _measured(
    artifacts: Artifacts, kind: str, metric: str, values: np.ndarray, split: str, *, primary: bool, **more: Any
) -> None:
    about = {"split": split, "n": ITEMS, "test_fingerprint": f"t-{split}", "primary": primary, **more}
    artifacts.result(kind, metric, float(values.mean()), **about)
    artifacts.scores(kind, metric, [f"{split}-{i}" for i in range(ITEMS)], values, split=split)


def _space(artifacts: Artifacts, made: Made, seed: int) -> None:
    n = 120
    labels = np.arange(n) % len(CLASSES)
    centers = np.random.default_rng(3).normal(size=(len(CLASSES), made.size))
    vectors = centers[labels] + 0.5 * np.random.default_rng([seed, made.size]).normal(size=(n, made.size))
    table = pd.DataFrame({"label": [CLASSES[i] for i in labels], "split": "test"})
    space = EmbeddingSpace([f"test-{i}" for i in range(n)], vectors.astype(np.float32), table, "items")
    artifacts.embeddings(space, "items", default=True)


def _facts(made: Made) -> dict[str, Any]:
    def told(level: float) -> dict[str, Any]:
        return {"mean": level, "low": level - 0.02, "high": level + 0.02, "draws": [level]}

    probes = [{"labels": n, "linear": told(made.level), "neighbors": told(made.level)} for n in (None, *LABELS)]
    gap = -0.1 if made.below else 0.05
    pca = {"size": made.size, "linear": told(made.level - gap), "neighbors": told(made.level - gap),
           "difference": {"value": gap, "low": gap - 0.02, "high": gap + 0.02}, "below": made.below}  # fmt: skip
    return {"probes": probes if made.labelled else [], "geometry": {},
            "pca": pca if made.experiment == "autoencoder" and made.labelled else None}  # fmt: skip
