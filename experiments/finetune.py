"""Fine-tune a pretrained network at any frozen depth: the frozen part is paid once, the rest is trained.

How deep pays depends on the labels there are and on how near the task is to what the network knows (Yosinski et al.
2014, arXiv:1411.1792; Kumar et al. 2022, arXiv:2202.10054). A study over `strategy.frozen_depth` measures it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig
from lab.data.labelled.config import LabelledConfig
from lab.errors import UserError
from lab.experiment import DataFacts, Estimate, Recipe
from lab.training.config import BackboneConfig, StrategyConfig, TrainConfig
from lab.training.depth import spoken_depth
from lab.training.strategies import Plan, make_plan

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter
    from lab.trained import TrainedNetwork
    from lab.training.cache.prefix_cache import PrefixCache
    from lab.training.classifier import Classifier


class FinetuneConfig(ExperimentConfig):
    """`experiment: finetune`."""

    experiment: Literal["finetune"] = "finetune"
    data: LabelledConfig = Field(default_factory=LabelledConfig)
    backbone: BackboneConfig = Field(default_factory=BackboneConfig)
    strategy: StrategyConfig = Field(default_factory=StrategyConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)


MAPPED_ITEMS = 1000
"""Of more judged items than these no space is kept for every block."""


def plan(config: FinetuneConfig) -> DataFacts:
    """Find the data, its labels and splits, and the backbone's blocks, before anything is trained."""
    from lab.backbones import find_backbone
    from lab.classify import describe_task

    location = find_backbone(config.backbone.name)
    facts = describe_task(config.data, location.kind, config.seed)
    if location.kind == "text" and config.train.augment != "none":
        raise UserError(f"train.augment: {config.train.augment}: changes images, and {config.data.source} holds texts")
    strategy_of(config)
    return replace(facts, inputs={"weights": location.fingerprint})


def strategy_of(config: FinetuneConfig) -> Plan:
    """What the strategy means for this backbone: which blocks are trained when, and where the cut is."""
    from lab.backbones import block_names

    return make_plan(config.strategy, config.train, block_names(config.backbone))


def run(config: FinetuneConfig, run: RunWriter) -> None:
    """Data → backbone → its frozen part, once → training → predictions → numbers, spaces and the model itself."""
    from scipy.special import softmax

    from lab.classify import load_task, record_predictions, record_task
    from lab.frozen import diagnose, new_classifier, open_backbone, open_cache
    from lab.training.fit import fit, predict
    from lab.training.freezing import check_frozen, frozen_digests, trained_tensors
    from lab.training.selection import Selection

    run.stage("read the data")
    task = load_task(config.data, config.seed)
    record_task(run, task)
    backbone = open_backbone(config.backbone, run.stream_seed("backbone"))
    weights = backbone.fingerprint()
    cache = open_cache(backbone, task.items, config.train, run.stream_seed("augmentation"))
    plan = strategy_of(config)
    run.log(f"{backbone.name} {plan.spoken}")
    for note in plan.notes():
        run.warn(note)
    if plan.why_not:
        run.log(f"No cache: {plan.why_not}")
    if config.train.early_stopping and not len(task.split.validation):
        run.warn("train.early_stopping: there are no validation items to stop by, so all epochs are run")

    run.stage("run the frozen part once")
    fill(cache, plan, task, run.log)
    before = {block: cache.pooled(block, task.used) for block in kept_blocks(config, task, plan)}
    found = diagnose(cache, task)

    run.stage("train")
    classes = len(task.items.classes)
    classifier = new_classifier(backbone, plan, classes, config.train.dropout, run.stream_seed("initialisation"))
    frozen = frozen_digests(classifier, plan)
    selection = Selection(task.split.train, task.split.validation, task.items.labels)
    fitted = fit(classifier, plan, config.train, cache, selection, run)

    run.stage("evaluate")
    started = time.perf_counter()
    after = predict(classifier, plan, cache, task.used, precision=config.train.precision)
    evaluate_seconds = time.perf_counter() - started
    changed = check_frozen(classifier, plan, frozen)
    probabilities = {part: softmax(after.logits[task.rows(index)], axis=1) for part, index in task.judged.items()}
    details = record_predictions(run, task, probabilities, before[None])

    if len(task.split.unlabelled) and len(task.split.validation):
        say_what_to_label(run, task, classifier, plan, cache)

    run.stage("save")
    save_spaces(run, task, plan, before, after.features, probabilities)
    if config.train.save_weights:
        run.save_tensors("classifier", trained_tensors(classifier, plan))
    run.save_json("finetune", {
        **about(config, task, plan),
        "weights": weights,
        "blocks": table_of_blocks(classifier, plan, changed),
        "seconds": seconds_of(fitted.seconds, evaluate_seconds, cache.report()),
        "cache": what_was_kept(cache, plan),
        "epochs": {"planned": plan.epochs, "done": fitted.epochs, "best": fitted.best_epoch},
        **details,
        **found,
    })  # fmt: skip
    for name in changed:
        run.warn(f"{name} was to stay frozen and has changed")


# --- the parts of the story


def seconds_of(train: float, evaluate: float, cache: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the parts, the frozen one at what it cost whoever computed it, so that all rows bear it alike."""
    parts = {"prefix": float(cache["prefix_seconds"]), "train": train, "evaluate": evaluate}
    return parts | {"total": sum(parts.values())}


def what_was_kept(cache: PrefixCache, plan: Plan) -> dict[str, Any]:
    """What the cache did for the run, or why its strategy has none."""
    nothing = {"used": False, "why_not": plan.why_not, "cuts": [], "bytes": 0, "saved_seconds": 0.0}
    return cache.report() | (nothing if plan.why_not else {})


def fill(cache: PrefixCache, plan: Plan, task: Task, say: Callable[[str], None]) -> None:
    """Compute what no run has yet: activations at the plan's cuts, and the features after every block."""
    blocks = range(len(plan.blocks))
    cuts = plan.cuts() if plan.cacheable else []
    cache.fill(cuts, task.used, pooled=blocks, progress=say)
    if plan.views and plan.cacheable:
        cache.fill(cuts, task.split.train, views=range(1, plan.views + 1), progress=say)


def say_what_to_label(run: RunWriter, task: Task, classifier: Classifier, plan: Plan, cache: PrefixCache) -> None:
    """Look among the unlabelled items for those nearest to mistakes."""
    from scipy.special import softmax

    from lab.classify import record_label_next
    from lab.training.fit import predict

    judged, others = (
        predict(classifier, plan, cache, index, precision=run.config.train.precision)
        for index in (task.split.validation, task.split.unlabelled)
    )
    record_label_next(
        run,
        task,
        (softmax(judged.logits, axis=1), judged.features),
        (softmax(others.logits, axis=1), others.features),
    )


def kept_blocks(config: FinetuneConfig, task: Task, plan: Plan) -> list[int | None]:
    """Blocks whose features are kept as they are before training: the last; all of them in one run of a study."""
    frozen = plan.min_cut == len(plan.blocks) and plan.kind == "plain" and config.backbone.pretrained
    return [None, *range(len(plan.blocks))] if frozen and config.seed == 0 else [None]


def save_spaces(
    run: RunWriter,
    task: Task,
    plan: Plan,
    before: Mapping[int | None, np.ndarray],
    after: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
) -> None:
    """Keep the items as the trained network sees them, as the pretrained one did, and, of few, after each block."""
    from lab.classify import items_space

    run.embeddings(items_space(task, task.used, after, probabilities), "items", default=True)
    if plan.min_cut < len(plan.blocks):  # else it is the same
        run.embeddings(items_space(task, task.used, before[None], probabilities), "items.before")
    judged = next(iter(reversed(task.judged.values())), task.used)[:MAPPED_ITEMS]
    for block, features in before.items():
        if block is not None:
            space = items_space(task, judged, features[task.rows(judged)], probabilities)
            run.embeddings(space, f"items.block-{block + 1}")


def about(config: FinetuneConfig, task: Task, plan: Plan) -> dict[str, Any]:
    """What was trained on what, as plain data."""
    from lab.classify import split_facts

    count, depth = len(plan.blocks), plan.depth
    name = plan.blocks[depth - 1] if depth else None
    return {
        "kind": task.items.kind,
        "classes": task.items.classes,
        "backbone": config.backbone.name,
        "pretrained": config.backbone.pretrained,
        "depth": {"frozen": depth, "blocks": count, "name": name, "spoken": spoken_depth(depth, count)},
        "strategy": {"kind": plan.kind, "solver": plan.solver, "spoken": plan.spoken, "notes": plan.notes()},
        "train_size": len(task.split.train),
        "learning_rate": config.train.learning_rate,
        "split": split_facts(task.split),
        "data_check": task.check,
    }


def table_of_blocks(classifier: Classifier, plan: Plan, changed: Sequence[str]) -> list[dict[str, Any]]:
    """A row a block: parameters, whether and how it was trained, and whether it is bit for bit what it was."""
    from lab.models.block_facts import describe_blocks
    from lab.training.freezing import block_table

    shapes = [list(facts.output_shape) for facts in describe_blocks(classifier.backbone, timed=False)]
    return [
        {**row, "output_shape": shape, "frozen_identical": not any(f".blocks.{number}." in name for name in changed)}
        for number, (row, shape) in enumerate(zip(block_table(classifier, plan), shapes, strict=True))
    ]


# --- beside the story: what a study needs


def prepare(configs: Sequence[FinetuneConfig], say: Callable[[str], None]) -> None:
    """Fill the caches of a study: for each backbone and data set one pass over the items, all its cuts together."""
    import numpy as np

    from lab.classify import load_task
    from lab.frozen import open_backbone, open_cache

    groups: dict[str, list[FinetuneConfig]] = {}
    for config in configs:
        if config.backbone.pretrained and config.train.cache and config.train.augment == "none":
            data = config.data.model_dump(exclude={"split", "train_size", "per_class"})
            key = json.dumps([data, config.backbone.model_dump(), config.train.precision])
            groups.setdefault(key, []).append(config)
    for group in groups.values():
        parts = {json.dumps([c.data.model_dump(), c.seed]): c for c in group}
        tasks = [load_task(config.data, config.seed) for config in parts.values()]
        used = reduce(np.union1d, [task.used for task in tasks])
        cuts = {cut for plan in map(strategy_of, group) if plan.cacheable for cut in plan.cuts()}
        backbone = open_backbone(group[0].backbone)
        cache = open_cache(backbone, tasks[0].items, group[0].train)
        cache.fill(sorted(cuts), used, pooled=range(len(backbone.blocks)), progress=say)


def spoken(key: str, value: Any, config: FinetuneConfig) -> str | None:
    """A swept value as people say it; any key of the strategy tells all of it."""
    from lab.backbones import find_backbone

    section, _, name = key.partition(".")
    if section == "strategy":
        strategy = config.strategy.model_copy(update={name: value})
        return strategy_of(config.model_copy(update={"strategy": strategy})).spoken
    if key == "backbone.name" and value.startswith("run:"):
        return f"after {find_backbone(config.backbone.name).network['spoken']}"
    if key == "backbone.pretrained":
        return "" if value else "from random weights"
    if key == "data.split.group":
        return "random split" if value == "none" else "groups kept together"
    if key == "data.split.leak":
        return f"{value:.0%} of the test items trained on" if value else ""
    if key == "data.per_class" and value:
        return f"{value} labels a class"
    return f"{value} labels" if key == "data.train_size" and value else None


def controls(config: FinetuneConfig) -> list[tuple[str, dict[str, Any]]]:
    """What every study shows beside its rows: no learning at all, no network, and the network without pretraining."""
    from experiments.baseline import METHODS
    from lab.backbones import find_backbone
    from lab.runs.built_on import PREFIX

    try:
        kind = "image" if config.backbone.name.startswith(PREFIX) else find_backbone(config.backbone.name).kind
    except UserError:  # which the plan stage will say
        return []
    same = {"seed": config.seed, "data": config.data.model_dump(mode="json")}
    by_kind = {"image": ["pixels"], "text": ["tfidf", "word_vectors", "embedding"]}
    rows = [
        (METHODS[method], {"experiment": "baseline", **same, "method": {"name": method}})
        for method in ["majority", *by_kind[kind]]
    ]
    untrained = {
        "experiment": "finetune",
        **same,
        "backbone": {**config.backbone.model_dump(mode="json"), "pretrained": False},
        "strategy": {"kind": "plain", "frozen_depth": "all", "solver": "lbfgs"},
    }
    return [*rows, ("untrained backbone's features", untrained)]


def estimate(config: FinetuneConfig) -> Estimate:
    """Time one batch forward and one step, and scale them to all items and epochs, as if nothing were cached yet."""
    import numpy as np
    import torch

    from lab.classify import load_task
    from lab.frozen import new_classifier, open_backbone, open_cache
    from lab.training.timing import time_strategy

    task, plan = load_task(config.data, config.seed), strategy_of(config)
    backbone = open_backbone(config.backbone.model_copy(update={"pretrained": False}))  # it takes the same time
    batch = np.resize(task.split.train, min(config.train.batch_size, 16))
    inputs = open_cache(backbone, task.items, config.train, enabled=False).activations(0).batch(batch)
    classifier = new_classifier(backbone, plan, len(task.items.classes))
    timed = time_strategy(classifier, plan, inputs, torch.from_numpy(task.items.labels[batch]))
    steps = len(task.split.train) * sum(timed.step[plan.cut(epoch)] for epoch in range(plan.epochs))
    judging = len(task.split.validation) * sum(timed.evaluate[plan.cut(epoch)] for epoch in range(plan.epochs))
    once = len(task.used) * (timed.forward + timed.evaluate[plan.min_cut])
    spaces = 2 * len(task.used) * backbone.feature_dim * 4
    saved = timed.bytes if config.train.save_weights else 0
    return Estimate(seconds=3 + steps + judging + once, bytes=1_000_000 + saved + spaces)


def load_classifier(run: Run) -> TrainedNetwork:
    """Read back the network that a finished run trained, for new items."""
    from lab.trained import TrainedNetwork

    config = FinetuneConfig.model_validate(run.config)
    return TrainedNetwork(run, config, strategy_of(config))


recipe = Recipe(
    name="finetune",
    summary="fine-tune a pretrained network at any frozen depth",
    version=1,
    config=FinetuneConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    load_encoder=load_classifier,
    load_classifier=load_classifier,
    spoken=spoken,
    controls=controls,
    prepare=prepare,
    tune={"strategy.frozen_depth": "train.learning_rate", "strategy.kind": "train.learning_rate"},
)
