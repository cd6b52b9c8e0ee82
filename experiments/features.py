"""Embeddings that nothing was trained for: raw pixels, PCA, a pretrained network as it is.

They are judged as any embedding of the lab (`lab.probing`): what an encoder has to beat to be worth its training.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig, Section
from lab.data.labelled.config import LabelledConfig
from lab.errors import UserError
from lab.experiment import DataFacts, Encoder, Estimate, Recipe
from lab.probing import ProbeConfig
from lab.training.config import BackboneConfig

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter

OWN_KEYS = {"pixels": ("image_size", "channels"), "pca": ("dimensions", "image_size", "channels")}


class FeaturesMethodConfig(Section):
    """Where the vectors come from."""

    name: Literal["pixels", "pca", "backbone"] = Field(
        "pca", description="pca: principal components of the training pictures; backbone: a pretrained network"
    )
    dimensions: Annotated[int, Field(ge=1)] = Field(32, description="pca: how many components")
    image_size: Annotated[int, Field(ge=4, le=512)] | None = Field(
        None, description="pixels a side; by default the pictures' own where all are alike and at most 64, else 64"
    )
    channels: Literal[1, 3] | None = Field(None, description="1: grey; by default 1 where every picture is grey")
    backbone: BackboneConfig | None = Field(None, description="backbone: the network, for pictures or texts")

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        own = {"name", *OWN_KEYS.get(self.name, ["backbone"])}
        if strange := sorted(self.changed() - own):
            raise ValueError(f"{strange[0]}: means nothing with name: {self.name}; leave it out")
        if self.name == "backbone" and self.backbone is None:
            raise ValueError("name: backbone needs backbone: {name: …}")
        return self


class FeaturesConfig(ExperimentConfig):
    """`experiment: features`."""

    experiment: Literal["features"] = "features"
    data: LabelledConfig = Field(default_factory=LabelledConfig)
    method: FeaturesMethodConfig = Field(default_factory=FeaturesMethodConfig)
    probe: ProbeConfig = Field(default_factory=ProbeConfig)


def plan(config: FeaturesConfig) -> DataFacts:
    """Find the data and its splits, and the network or the number of components there can be."""
    from lab.classify import describe_pictures, describe_task

    method = config.method
    if method.backbone is not None:
        from lab.backbones import find_backbone

        location = find_backbone(method.backbone.name)
        facts = describe_task(config.data, location.kind, config.seed, labels="optional")
        return replace(facts, inputs={"weights": location.fingerprint})
    facts = describe_task(config.data, "image", config.seed, labels="optional")
    numbers = prod(describe_pictures(config.data, method.image_size, method.channels, config.seed))
    most = min(numbers, facts.counts["train"] - 1)
    if method.name == "pca" and method.dimensions > most:
        raise UserError(
            f"method.dimensions: {method.dimensions}: {facts.counts['train']:,} training pictures of {numbers:,} "
            f"numbers have at most {most:,} principal components"
        )
    return facts


def run(config: FeaturesConfig, run: RunWriter) -> None:
    """Data → vectors → probes and the shape of the space; of PCA what it gives back as well."""
    from lab.classify import items_space, load_task, record_task, split_facts
    from lab.probing import record_embedding

    run.stage("read the data")
    task = load_task(config.data, config.seed, labels="optional")
    record_task(run, task)

    run.stage("embed")
    embed = embed_backbone if config.method.backbone else embed_pixels
    vectors, told = embed(config, task, run)
    run.embeddings(items_space(task, task.used, vectors), "items", default=True)

    run.stage("evaluate")
    judged = record_embedding(run, task, vectors, config.probe)

    run.stage("save")
    run.save_json("embedding", judged)
    run.save_json("features", {
        "spoken": spoken_method(config.method),
        "dimensions": vectors.shape[1],
        **told,
        "split": split_facts(task.split),
        "data_check": task.check,
    })  # fmt: skip


def embed_pixels(config: FeaturesConfig, task: Task, run: RunWriter) -> tuple[np.ndarray, dict[str, Any]]:
    """Vectors (n, d) float32 of the used items: their pixels from 0 to 1, or these along principal components."""
    from lab.data.labelled.pixels import load_pixels, picture_shape
    from lab.features import PrincipalPictures, RawPixels

    shape = picture_shape(task.items, config.method.image_size, config.method.channels)
    pixels = load_pixels(task.items, shape)[task.used]
    if config.method.name == "pixels":
        return RawPixels(shape).embed(pixels), {"shape": shape}
    from lab.probing import judged_parts
    from lab.reconstructions import record_reconstructions

    pca = PrincipalPictures.fitted(pixels[task.rows(task.split.train)], config.method.dimensions)
    run.save_tensors("features", pca.tensors())
    primary = not judged_parts(task)
    errors = record_reconstructions(run, task, pixels, lambda rows: pca.reconstruct(pixels[rows]), primary=primary)
    left = {part: error.means() for part, error in errors.items()}
    return pca.embed(pixels), {"shape": shape, "reconstruction": left}


def embed_backbone(config: FeaturesConfig, task: Task, run: RunWriter) -> tuple[np.ndarray, dict[str, Any]]:
    """Vectors (n, d) float32 of the used items: what a head would read of them."""
    from lab.frozen import open_backbone, open_cache
    from lab.training.config import TrainConfig

    assert config.method.backbone is not None
    backbone = open_backbone(config.method.backbone, run.stream_seed("backbone"))
    cache = open_cache(backbone, task.items, TrainConfig())
    cache.fill((), task.used, pooled=[None], progress=run.log)
    return cache.pooled(None, task.used), {"seconds": cache.report()["prefix_seconds"]}


# --- beside the story: what a study needs


def spoken_method(method: FeaturesMethodConfig) -> str:
    """`raw pixels`, `PCA, 32 dimensions`, `pretrained efficientnet-lite0`."""
    if method.backbone is not None:
        return f"{'pretrained' if method.backbone.pretrained else 'untrained'} {method.backbone.name}"
    if method.name == "pixels":
        return "raw pixels"
    return f"PCA, {method.dimensions} dimension{'s' * (method.dimensions != 1)}"


def spoken(key: str, value: Any, config: FeaturesConfig) -> str | None:
    """A swept value as people say it; the method tells the whole row."""
    return spoken_method(config.method) if key.startswith("method.") and not key.endswith("image_size") else None


def estimate(config: FeaturesConfig) -> Estimate:
    """Probes by the size of the vectors; a network's pass over one batch, timed."""
    facts = plan(config)
    items, seconds = facts.counts["items"], 2.0
    if config.method.backbone is not None:
        import time

        from lab.classify import load_task
        from lab.frozen import open_backbone, open_cache
        from lab.training.config import TrainConfig

        task = load_task(config.data, config.seed, labels="optional")
        cache = open_cache(open_backbone(config.method.backbone), task.items, TrainConfig(), enabled=False)
        started = time.perf_counter()
        dimensions = cache.pooled(None, task.used[:32]).shape[1]
        seconds += (time.perf_counter() - started) / 32 * items
    else:
        from lab.classify import describe_pictures

        shape = describe_pictures(config.data, config.method.image_size, config.method.channels, config.seed)
        dimensions = config.method.dimensions if config.method.name == "pca" else prod(shape)
    probes = 2e-6 * items * dimensions * (1 + config.probe.draws) / 6
    return Estimate(seconds=seconds + probes, bytes=1_000_000 + 4 * items * dimensions)


def load_encoder(run: Run) -> Encoder:
    """Read back what embeds new items as a finished run did."""
    from lab.encoders import BackboneEncoder
    from lab.features import PrincipalPictures, RawPixels
    from lab.frozen import open_backbone
    from lab.runs.seeds import stream_seed

    method = FeaturesConfig.model_validate(run.config).method
    if method.backbone is not None:
        return BackboneEncoder(open_backbone(method.backbone, stream_seed(run.seed, "backbone")))
    shape = tuple(run.json("features")["shape"])
    return RawPixels(shape) if method.name == "pixels" else PrincipalPictures.of_tensors(shape, run.tensors("features"))


recipe = Recipe(
    name="features",
    summary="embeddings nothing was trained for: raw pixels, PCA, a pretrained network",
    version=1,
    config=FeaturesConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    load_encoder=load_encoder,
    spoken=spoken,
    title=lambda config: spoken_method(config.method),
)
