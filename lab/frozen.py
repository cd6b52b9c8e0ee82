"""What a frozen backbone makes of labelled items: the network, its cache, and what its features say before training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.data.labelled.items import Items
    from lab.models.backbone import Backbone
    from lab.training.cache.prefix_cache import PrefixCache
    from lab.training.classifier import Classifier
    from lab.training.config import BackboneConfig, TrainConfig
    from lab.training.strategies import Plan

MOST_ITEMS = 2000
"""Of more training items a seeded sample of this size speaks for all."""
LISTED_DIFFERENT = 5


def open_backbone(config: BackboneConfig, seed: int = 0) -> Backbone:
    """Load the backbone that a config names, with its pretrained weights or, from `seed`, random ones.

    Raises `UserError` where it cannot be found, loaded or split into blocks.
    """
    from lab.backbones import find_backbone
    from lab.models.backbone import load_backbone

    return load_backbone(
        find_backbone(config.name),
        pretrained=config.pretrained,
        image_size=config.image_size,
        max_length=config.max_length,
        blocks=config.blocks,
        seed=seed,
    )


def open_cache(
    backbone: Backbone, items: Items, train: TrainConfig, seed: int = 0, enabled: bool = True
) -> PrefixCache:
    """The activations of `items` at the cuts of `backbone`; `seed` draws augmented views, where there are any."""
    from lab.training.cache.prefix_cache import PrefixCache
    from lab.training.inputs import item_inputs

    augment = None
    if train.augment != "none":
        from lab.training.augmentation import LightAugmentation

        # Fixed views are kept and shared by all runs; fresh ones are each run's own.
        augment = LightAugmentation(flip=train.flip, seed=None if train.views else seed)
    return PrefixCache(
        backbone,
        item_inputs(items, backbone.preprocessing),
        precision=train.precision,
        budget_bytes=round(train.cache_budget * 1e9),
        enabled=enabled and train.cache,
        augment=augment,
        views=train.views if augment else 0,
    )


def new_classifier(backbone: Backbone, plan: Plan, classes: int, dropout: float = 0.0, seed: int = 0) -> Classifier:
    """The backbone with a head drawn from `seed`, what a plan freezes fixed, adapters in their places."""
    from lab.training.classifier import Classifier
    from lab.training.freezing import prepare

    widths = _pooled_widths(backbone) if plan.kind == "scalar_mix" else None
    classifier = Classifier(backbone, classes, dropout=dropout, seed=seed, mix_widths=widths)
    prepare(classifier, plan, seed)
    return classifier


def _pooled_widths(backbone: Backbone) -> list[int]:
    """How many pooled features each block has."""
    import torch

    from lab.models.block_facts import example_input

    x, widths = example_input(backbone), []
    with torch.inference_mode():
        for block in range(len(backbone.blocks)):
            x = backbone.run_blocks(x, start=block, stop=block + 1)
            widths.append(backbone.pool(x, block=block).shape[1])
    return widths


def diagnose(cache: PrefixCache, task: Task, seed: int = 0) -> dict[str, Any]:
    """What the features of every block say of the task while nothing is trained, by one pass over the items.

    Returns plain data. `probes`: for each block, accuracy of a linear probe and of nearest neighbours, cross-validated
    on the training items; `transferability`: LogME and H-score of the last features; `shift`: for each pair of parts,
    whether a classifier tells them apart. The training items alone are asked for labels. What is found is kept in the
    cache and not computed again for the same weights, items, labels and parts.
    """
    from lab.cache import cached_folder
    from lab.data.fingerprint import digest

    items, split = task.items, task.split
    described = [
        [[items.ids[i], items.fingerprints[i], int(items.labels[i])] for i in index]
        for index in (split.train, split.validation, split.test)
    ]
    made_by = [cache.backbone.fingerprint(), cache.inputs.preprocessing_key, cache.precision, str(seed), "2"]
    key = digest(*made_by, json.dumps(described))

    def make(folder: Path) -> None:
        found = {"probes": probe_blocks(cache, task, seed), **look_at_parts(cache, task, seed)}
        (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")

    return json.loads((cached_folder("diagnosis", key, make) / "found.json").read_text(encoding="utf-8"))


def probe_blocks(cache: PrefixCache, task: Task, seed: int) -> list[dict[str, Any]]:
    """A row a block: its number from 1, its name, and how well its pooled features alone tell the classes apart."""
    from lab.evaluation.transferability import knn_probe, linear_probe

    index = _sample(task.split.train, seed)
    labels = task.items.labels[index]
    rows = []
    for block, name in enumerate(cache.backbone.block_names):
        features = cache.pooled(block, index)
        linear, neighbors = linear_probe(features, labels, seed=seed), knn_probe(features, labels, seed=seed)
        rows.append({"block": block + 1, "name": name, "accuracy": linear.accuracy, "knn": neighbors.accuracy})
    return rows


def look_at_parts(cache: PrefixCache, task: Task, seed: int) -> dict[str, Any]:
    """Transferability scores of the last features, and how far the parts of the split are told apart by them."""
    from itertools import combinations

    from lab.evaluation.transferability import h_score, logme
    from lab.evaluation.two_sample import two_sample_auc

    split = task.split
    index = _sample(split.train, seed)
    features, labels = cache.pooled(None, index), task.items.labels[index]
    parts = {"train": index} | {name: _sample(part, seed) for name, part in task.judged.items()}
    shift = []
    for first, second in combinations(parts, 2):
        a, b = cache.pooled(None, parts[first]), cache.pooled(None, parts[second])
        found = two_sample_auc(a, b, seed, items=LISTED_DIFFERENT)
        unlike = [parts[second][i] for i in found.typical_of_second] + [parts[first][i] for i in found.typical_of_first]
        row = {"pair": f"{first} and {second}", "auc": found.auc, "p": found.p_value}
        shift.append(row | {"items": [task.items.ids[i] for i in unlike]})
    scores = {"logme": logme(features, labels), "h_score": h_score(features, labels)}
    return {"transferability": scores, "shift": shift}


def _sample(index: np.ndarray, seed: int) -> np.ndarray:
    import numpy as np

    if len(index) <= MOST_ITEMS:
        return np.sort(index)
    return np.sort(np.random.default_rng(seed).choice(index, MOST_ITEMS, replace=False))
