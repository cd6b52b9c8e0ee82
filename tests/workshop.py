"""Run directories and studies as the launcher leaves them, without training anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from lab.config.experiments import load_recipe, recipes
from lab.embeddings.space import EmbeddingSpace
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run
from lab.runs.study import CellRecord, StudyRecord

HOSTILE = [
    "</script><script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 2">',
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u202c \u2066\u200f",
    'it\'s <b>bold</b> & "quoted" \u2028 line',
    "🦔 $x^2$ \\(y\\) –",
    "<!-- -->]]>",
    "x" * 10_000,
]

WORDS = ["king", "queen", "man", "woman", "apple", "banana", "war", "peace", "one", "two"]


def words_space(
    seed: int, n: int = 300, dim: int = 12, names: Sequence[str] = (), counted: bool = True, noise: float = 0.4
) -> EmbeddingSpace:
    """Words in six groups; a seed moves them by `noise` but leaves the groups. Frequent words come first."""
    shared, own = np.random.default_rng(7), np.random.default_rng(100 + seed)
    centers = shared.normal(size=(6, dim)) * 1.5
    vectors = centers[np.arange(n) % 6] + shared.normal(size=(n, dim)) + noise * own.normal(size=(n, dim))
    ids = [*(list(names) or WORDS), *(f"word{i}" for i in range(n))][:n]
    metadata = pd.DataFrame({"count": [max(5, 9000 // (i + 1)) for i in range(n)]}) if counted else None
    return EmbeddingSpace(ids, vectors.astype(np.float32), metadata, name="words")


def word_results(level: float, seed: int, n: int = 200) -> tuple[list[dict[str, Any]], dict[str, pd.DataFrame]]:
    """Results and scores of two tests around `level`, so that rows and seeds differ a little."""
    items, own = np.random.default_rng(11), np.random.default_rng(500 + seed)
    results, scores = [], {}
    for evaluation, metric, base, primary in (
        ("wordsim353", "spearman", level, True), ("simlex999", "spearman", level / 2, False),
        ("questions-words", "accuracy", level / 10, False),
    ):  # fmt: skip
        binary = metric == "accuracy"
        difficulty = items.random(n)
        values = (difficulty < base + 0.01 * own.normal()).astype(float) if binary else (
            base + 0.03 * own.normal() + 0.9 * items.normal(size=n) + 0.3 * own.normal(size=n)
        )  # fmt: skip
        about = {"split": "test", "higher_is_better": True, "test_fingerprint": f"{evaluation}-1"}
        results.append(
            {"evaluation": evaluation, "metric": metric, "value": float(values.mean()), "n": n, "primary": primary,
             "coverage": 0.87, "protocol": "a pair with a missing word counts as zero", **about}
        )  # fmt: skip
        ids = [f"{evaluation}-{i}" for i in range(n)]
        scores[f"{evaluation}.{metric}"] = pd.DataFrame(
            {"id": ids, "evaluation": evaluation, "metric": metric, "split": "test", "value": values}
        )
    return results, scores


class Workshop:
    """Writes run directories and studies as the launcher would leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0

    def run(
        self,
        experiment: str = "word2vec",
        seed: int = 0,
        config: Mapping[str, Any] | None = None,
        space: EmbeddingSpace | None = None,
        level: float | None = 0.4,
        curve: Sequence[float] = (),
        figures: Mapping[str, Mapping[str, Any]] | None = None,
        status: str = "finished",
        **info: Any,
    ) -> Run:
        """One run directory; `level`: about how good its results are (None: no results)."""
        self.made += 1
        id = f"{self.made:012x}"
        path = self.folder / "runs" / experiment / id
        path.mkdir(parents=True)
        artifacts = Artifacts(path)
        if space is not None:
            artifacts.embeddings(space, "words", default=True)
        for name, about in (figures or {}).items():
            artifacts.figure(name, **about)
        if level is not None:
            results, scores = word_results(level, seed)
            write_json(path / "results.json", {"results": results})
            for name, frame in scores.items():
                (path / "scores").mkdir(exist_ok=True)
                frame.to_parquet(path / "scores" / f"{name}.test.parquet")
        lines = [{"format_version": 1}, *({"step": i + 1, "loss": v, "time": float(i)} for i, v in enumerate(curve))]
        (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        values = {"experiment": experiment, "seed": seed, **(config or {})}
        (path / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
        write_json(path / "run.json", run_info(id, experiment, seed, status) | info)
        return Run(path)

    def study(
        self, name: str, rows: Mapping[str, Sequence[Run]], report: Mapping[str, Any] | None = None
    ) -> StudyRecord:
        """A study of these runs; one that failed counts as planned."""
        cells = [
            CellRecord(row={"row": label}, seed=run.seed, experiment=run.experiment, run_id=run.id, entry=entry,
                       label=label, status=run.status, error=run.error)
            for entry, (label, runs) in enumerate(rows.items())
            for run in runs
        ]  # fmt: skip
        study = StudyRecord(name, self.folder / "studies" / name, dict(report or {}), cells, "configs/mine.yaml")
        study.save()
        return StudyRecord.load(study.path)


def run_info(id: str, experiment: str, seed: int, status: str) -> dict[str, Any]:
    version = load_recipe(experiment).version if experiment in recipes() else 1
    return {
        "id": id, "experiment": experiment, "recipe_version": version, "status": status, "error": None, "seed": seed,
        "study": None, "config_hash": "c", "source_hash": "s", "git_commit": "0a1b2c3d",
        "data": {"fingerprint": "f" * 32, "counts": {"documents": 106}, "description": "106 articles"},
        "packages": {"python": "3.11.9", "lab": "0.1.0", "numpy": "2.0.0"},
        "host": {"name": "machine", "system": "Linux 6", "machine": "x86_64", "processor": "a CPU", "cores": 2},
        "threads": 1, "started": f"2025-01-01T10:00:{seed:02d}Z", "finished": f"2025-01-01T10:01:{seed:02d}Z",
        "seconds": 61.0, "resumed": [], "default_embedding": "words", "warnings": [],
    }  # fmt: skip


def study_of_words(workshop: Workshop, pictures: Callable[[], bytes] | None = None) -> StudyRecord:
    """Two rows of three seeds that trained, one row that did not, one run that failed."""
    figure = {"apple": {"figure": pictures(), "title": "An apple", "caption": "What it is."}} if pictures else None
    rows: dict[str, list[Run]] = {"pretrained": [
        workshop.run("pretrained", space=words_space(9, counted=False, noise=0.1), level=0.6, figures=figure)
    ]}  # fmt: skip
    for row, (label, level) in enumerate({"cbow": 0.25, "skipgram": 0.42}.items()):
        rows[label] = [
            workshop.run(
                seed=seed, config={"model": {"architecture": label}}, space=words_space(10 * row + seed), level=level,
                curve=[2.5 - 0.3 * i + 0.05 * seed + 0.2 * row for i in range(5)],
            )
            for seed in range(3)
        ]  # fmt: skip
    broken = workshop.run(
        seed=2,
        config={"model": {"architecture": "glove"}},
        level=None,
        status="failed",
        error="ValueError: no such model",
    )
    rows["glove"] = [broken]
    report = {
        "title": "Word vectors from 106 articles", "question": "CBOW or skip-gram, and what can so few words teach?",
        "words": ["king", "apple", "nowhere"], "analogies": ["king - man + woman"],
        "map": {"items": 250, "method": "pca", "labels": 30},
    }  # fmt: skip
    return workshop.study("words", dict(reversed(rows.items())), report)


def png() -> bytes:
    from lab.report.style import figure_of, png_of

    figure, axis = figure_of(2, 1)
    axis.plot([1, 2, 3])
    return png_of(figure, dpi=50)


def hostile_study(workshop: Workshop) -> StudyRecord:
    """A study in which everything that can be text is hostile."""
    names = [*HOSTILE, *(f"{text} {i}" for i, text in enumerate(HOSTILE))]
    rows = {}
    for i, text in enumerate([*HOSTILE[:4], HOSTILE[-1]]):
        space = words_space(i, n=60, names=names)
        space = type(space)(space.ids, space.vectors, space.metadata.assign(**{text[:99]: text, "topic": text}), text)
        run = workshop.run(
            experiment="word2vec", config={"model": {"architecture": text}, text: {text: text}}, space=space, level=0.3,
            figures={f"f{i}": {"figure": png(), "title": text, "caption": text, "alt": text}}, warnings=[text],
            curve=[3, 2, 1.0 + i], data={"fingerprint": text, "counts": {text: 3}, "description": f"{i} {text}"},
            host={"name": text, "processor": text}, packages={text: text},
        )  # fmt: skip
        rows[text] = [run]
    rows[HOSTILE[4]] = [workshop.run(level=None, status="failed", error=HOSTILE[4])]
    report = {"title": HOSTILE[0], "question": HOSTILE[1], "words": HOSTILE, "analogies": [f"{HOSTILE[5]} - x + y"],
              "map": {"method": "pca", "items": 60, "color": "topic"}}  # fmt: skip
    return workshop.study("hostile", rows, report)
