"""Runs with scores per item, for the tests of comparisons."""

from __future__ import annotations

import numpy as np

from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run

ITEMS = 150


def scored(
    workshop,
    level,
    seed=0,
    *,
    key="a",
    metric="spearman",
    items=ITEMS,
    ids=None,
    scores=True,
    noise=0.05,
    spread=0.01,
    split="test",
    primary=True,
    experiment="word2vec",
    config=None,
    info=None,
    **about,
) -> Run:
    """A run with one metric about `level`; `key` names the row, `spread` is how much seeds differ."""
    config = config or {"model": {"row": key}}
    run = workshop.run(experiment, seed, config, level=None, **info or {})
    rng = np.random.default_rng([seed, *map(ord, key)])
    shared = 0.4 * np.random.default_rng(7).standard_normal(items)
    shared -= shared.mean()
    values = level + shared + spread * rng.standard_normal() + noise * rng.standard_normal(items)
    artifacts = Artifacts(run.path)
    about = {"split": split, "primary": primary, "n": items, "test_fingerprint": "t1"} | about
    artifacts.result("wordsim353", metric, float(values.mean()), **about)
    if scores:
        artifacts.scores("wordsim353", metric, ids or [f"pair {i}" for i in range(items)], values, split=split)
    write_json(run.path / "results.json", {"results": artifacts.results})
    return Run(run.path)


def seeds_of(workshop, level, key, seeds=3, **options) -> list[Run]:
    return [scored(workshop, level, seed, key=key, **options) for seed in range(seeds)]
