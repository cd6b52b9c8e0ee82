"""The figures that a run of an autoencoder leaves of its latent space, by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lab import latent_pictures as draw
from lab.reconstructions import as_floats

if TYPE_CHECKING:
    from lab.autoencode import TrainedAutoencoder
    from lab.classify import Task
    from lab.runs.writer import RunWriter
    from lab.training.autoencoder_config import ObjectiveConfig

FEW_UNITS = 3
"""So many need no figure to be counted."""
HELD_OUT = 200
"""So many held-out pictures say how far a picture usually is from the nearest training picture."""


def draw_latent_use(
    run: RunWriter, trained: TrainedAutoencoder, pixels: np.ndarray, vectors: np.ndarray, objective: ObjectiveConfig
) -> dict[str, Any]:
    """Which latent units or codebook entries are used at all: a figure, and the numbers as plain data.

    `pixels` (n, C, H, W) uint8 and `vectors` (n, d) of all used items.
    """
    from lab.evaluation.latent_use import active_units, codebook_use

    active = active_units(vectors)
    told: dict[str, Any] = {"active_units": int(active.sum()), "codebook": None}
    if objective.kind != "vq":
        if len(active) > FEW_UNITS:
            draw.units_in_use(vectors, active).keep(run)
        return told
    size, chosen = objective.codebook_size, trained.codes(pixels)
    share, perplexity = codebook_use(chosen, size)
    draw.codebook_in_use(np.bincount(chosen.ravel(), minlength=size) / chosen.size, share, perplexity).keep(run)
    return told | {"codebook": {"size": size, "used": share, "perplexity": perplexity}}


def draw_latent_space(
    run: RunWriter, trained: TrainedAutoencoder, task: Task, pixels: np.ndarray, vectors: np.ndarray, kind: str
) -> None:
    """Walks through the latent space, and draws from it where the model has learnt a distribution.

    `pixels` (n, C, H, W) uint8 and `vectors` (n, d) of the items of `task.used`; `kind`: of the objective.
    """
    rows = task.rows(task.split.train)
    train, decode = vectors[rows], trained.decode
    if kind == "vq":
        draw.code_swaps(train, trained.codes(pixels[:1]).shape[1], decode).keep(run)
    elif vectors.shape[1] == 2:
        draw.plane(train, decode).keep(run)
    else:
        draw.traversals(train, decode, units=kind in ("variational", "sparse")).keep(run)
    held = task.rows(next(iter(reversed(task.judged.values())), task.used))
    pairs = draw.unlike_pairs(held, task.items.labels[task.used[held]], run.generator("interpolations"))
    if pairs:
        draw.interpolations(as_floats(pixels), vectors, pairs, decode).keep(run)
    across, down = draw.SAMPLED
    drawn = trained.sample(across * down, run.stream_seed("samples"))
    if drawn is not None:
        draw.samples(drawn, as_floats(pixels[rows]), as_floats(pixels[held[:HELD_OUT]])).keep(run)
