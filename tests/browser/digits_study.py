"""A study of handwritten digits whose maps have everything that a map can have, without training or projecting."""

from __future__ import annotations

import numpy as np
import pandas as pd
from workshop import HOSTILE, Workshop

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import load_items
from lab.embeddings.projection import principal_components
from lab.embeddings.space import EmbeddingSpace
from lab.report.map_data import Layout, MapSource
from lab.runs.study import StudyRecord

N = 240
HOSTILE_COLUMN = HOSTILE[1]


def study_of_pictures(workshop: Workshop) -> StudyRecord:
    """Two rows of one run each over the same digits: `label` is a kind, `ink` a number, a third column is hostile."""
    items = load_items(LabelledConfig(source="digits"))
    pixels = items.images.grey(np.arange(N), 8).reshape(N, -1).astype(np.float32)
    labels = [items.classes[label] for label in items.labels[:N]]
    notes = [f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in range(N)]
    metadata = pd.DataFrame({"label": labels, "ink": pixels.mean(axis=1).astype(float), HOSTILE_COLUMN: notes})
    rows = {}
    for number, name in enumerate(["pixels", "stages"]):
        vectors = pixels + 30 * number * np.random.default_rng(0).normal(size=pixels.shape)
        space = EmbeddingSpace(items.ids[:N], vectors.astype(np.float32), metadata)
        config = {"data": {"source": "digits"}, "number": number}
        rows[name] = [workshop.run(config=config, space=space, data={"fingerprint": items.fingerprint})]
    return workshop.study("pictures", rows, {"map": {"items": N, "color": "label"}})


def staged(sources: list[MapSource]) -> list[MapSource]:
    """The second map goes through three stages: from a ring to where its points belong."""
    vectors = sources[1].space.vectors
    end = principal_components(vectors, 2)
    angle = np.linspace(0, 2 * np.pi, len(end), endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * np.abs(end).max()
    sources[1].stages = [Layout(f"block {i}", ring * (1 - i / 2) + end * (i / 2)) for i in range(3)]
    return sources


def drawn_by_seed(points: np.ndarray, settings, **_) -> np.ndarray:
    """In place of UMAP: principal components, and a little that the seed moves."""
    found = principal_components(points, 2)
    moved = np.random.default_rng(settings.seed).normal(size=found.shape) * found.std() / 4
    return (found + moved).astype(np.float32)
