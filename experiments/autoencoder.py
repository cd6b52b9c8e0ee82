"""Autoencoders: embeddings of pictures without labels, judged by what they are good for.

A network squeezes a picture into a few numbers and gives it back (Hinton and Salakhutdinov 2006); what else it is
trained for is its objective. Its embedding is probed beside raw pixels, PCA of the same size, an untrained encoder and
a pretrained network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig
from lab.data.labelled.config import LabelledConfig
from lab.errors import UserError
from lab.experiment import DataFacts, Estimate, Recipe
from lab.probing import ProbeConfig
from lab.training.autoencoder_config import (
    AutoencoderModelConfig,
    AutoencoderTrainConfig,
    ObjectiveConfig,
)

if TYPE_CHECKING:
    import numpy as np

    from lab.autoencode import TrainedAutoencoder
    from lab.classify import Task
    from lab.features import PrincipalPictures
    from lab.models.autoencoder.autoencoder import Autoencoder
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter
    from lab.training.loop import Fitted
    from lab.training.reconstruction import Reconstruction
    from lab.training.recorder import Recorder


class AutoencoderConfig(ExperimentConfig):
    """`experiment: autoencoder`."""

    experiment: Literal["autoencoder"] = "autoencoder"
    data: LabelledConfig = Field(default_factory=LabelledConfig)
    model: AutoencoderModelConfig = Field(default_factory=AutoencoderModelConfig)
    objective: ObjectiveConfig = Field(default_factory=ObjectiveConfig)
    train: AutoencoderTrainConfig = Field(default_factory=AutoencoderTrainConfig)
    probe: ProbeConfig = Field(default_factory=ProbeConfig)
    anomaly: str | int | None = Field(
        None, description="class kept out of training, whose items are to be found by their reconstruction error"
    )

    @model_validator(mode="after")
    def _steps_have_statistics(self) -> Self:
        if self.train.batch_size == 1 and (self.model.normalisation == "batch" or self.objective.kind == "sparse"):
            raise ValueError("train.batch_size: 1: statistics of a batch need two pictures or more a step")
        return self


def plan(config: AutoencoderConfig) -> DataFacts:
    """Find the pictures and their splits, and see whether the network can be made for them, before it is trained."""
    from lab.autoencode import encoder_inputs, planned_architecture
    from lab.classify import describe_task

    facts = describe_task(config.data, "image", config.seed, labels="optional", anomaly=anomaly_of(config))
    planned_architecture(config.data, config.model, config.objective)
    if facts.counts["train"] < 2:
        raise UserError(f"data: {facts.counts['train']} training picture; an autoencoder needs two or more")
    return replace(facts, inputs=encoder_inputs(config.model))


def anomaly_of(config: AutoencoderConfig) -> str | None:
    """The name of the class that is kept out; YAML has read that of a digit as a number."""
    return None if config.anomaly is None else str(config.anomaly)


def run(config: AutoencoderConfig, run: RunWriter) -> None:
    """Pictures → network → training → embedding → probes, reconstructions, and pictures of what was learnt."""
    from lab.autoencode import TrainedAutoencoder, architecture_for, asked_shape, built, kept_tensors, plain_facts
    from lab.autoencoder_figures import draw_latent_space, draw_latent_use
    from lab.classify import items_space, load_task, record_task, split_facts
    from lab.data.labelled.pixels import load_pixels, picture_shape
    from lab.features import PrincipalPictures
    from lab.probing import record_embedding
    from lab.reconstructions import record_anomalies, record_reconstructions

    run.stage("read the data")
    task = load_task(config.data, config.seed, labels="optional", anomaly=anomaly_of(config))
    record_task(run, task)
    shape = picture_shape(task.items, *asked_shape(config.model))
    pixels = load_pixels(task.items, shape)[task.used]
    note_oddities(config, run, task, pixels)

    run.stage("train")
    facts = plain_facts(architecture_for(shape, config.model), config.objective, config.model)
    model = built(facts, run.stream_seed("initialisation"))
    fitted = fit(config, run, model, task, pixels)

    run.stage("embed")
    trained = TrainedAutoencoder(model)
    vectors = trained.embed(pixels)
    run.embeddings(items_space(task, task.used, vectors), "items", default=True)

    run.stage("evaluate")
    pca = PrincipalPictures.fitted(pixels[task.rows(task.split.train)], vectors.shape[1])
    judged = record_embedding(run, task, vectors, config.probe, pca=pca.embed(pixels))
    errors = record_reconstructions(
        run, task, pixels, lambda rows: trained.reconstruct(pixels[rows]), primary=not judged["probes"]
    )
    left = pca_errors(pca, task, pixels)
    pca_name = f"PCA, {dimensions(len(pca.found.components))}"
    anomaly, found = anomaly_of(config), None
    if anomaly is not None:
        found = record_anomalies(run, task, anomaly, errors["test"].mse, (pca_name, left["test"]))

    run.stage("draw")
    used = draw_latent_use(run, trained, pixels, vectors, config.objective)
    if fitted.epochs:  # what was never trained has nothing to show
        draw_training(config, fitted, pca_name, left, run)
        draw_latent_space(run, trained, task, pixels, vectors, config.objective.kind)

    run.stage("save")
    if config.train.save_weights:
        run.save_tensors("autoencoder", kept_tensors(model))
    run.save_json("embedding", judged)
    run.save_json("autoencoder", {
        **facts,
        "kind": config.objective.kind,
        "spoken": spoken_model(config),
        "parameters": parameters_of(model),
        "reconstruction": {part: error.means() for part, error in errors.items()},
        "pca_reconstruction": {part: float(values.mean()) for part, values in left.items()},
        "anomaly": found,
        **used,
        "epochs": {"planned": config.train.epochs, "done": fitted.epochs, "best": fitted.best_epoch},
        "seconds": {"train": fitted.seconds, "steps": fitted.step_seconds},
        "history": fitted.history,
        "split": split_facts(task.split),
        "data_check": task.check,
    })  # fmt: skip


# --- the parts of the story


def note_oddities(config: AutoencoderConfig, run: RunWriter, task: Task, pixels: np.ndarray) -> None:
    """Say what the data or the sizes make meaningless."""
    from math import prod

    size, numbers = config.model.latent_size, prod(pixels.shape[1:])
    if size >= numbers:
        run.warn(f"model.latent_size: {size}: not less than the {numbers} numbers of a picture; it can be copied whole")
    if (pixels == pixels[:1]).all():
        run.warn("all pictures are the same: there is nothing to learn, and no number below says anything")
    if config.train.early_stopping and not len(task.split.validation):
        run.warn("train.early_stopping: there are no validation items to stop by, so all epochs are run")


def fit(config: AutoencoderConfig, run: RunWriter, model: Autoencoder, task: Task, pixels: np.ndarray) -> Fitted:
    """Train the network for its objective; for no epochs it stays as it was drawn."""
    from lab.training.loop import Fitted, train

    if not config.train.epochs:
        return Fitted(0, 0, 0, 0.0, 0.0)
    rows = task.rows(task.split.train), task.rows(task.split.validation)
    return train(learner_of(config, model, pixels, *rows, run), config.train, run)


def learner_of(
    config: AutoencoderConfig,
    model: Autoencoder,
    pixels: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    run: Recorder,
) -> Reconstruction:
    """The network and its objective as the training loop wants them; `train`, `validation`: places in `pixels`."""
    from lab.models.autoencoder.objectives import make_objective
    from lab.training.reconstruction import Reconstruction

    objective = make_objective(config.objective.kind, config.objective.model_dump())
    return Reconstruction(model, objective, pixels, train, validation, config.train, run)


def pca_errors(pca: PrincipalPictures, task: Task, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Squared errors of what PCA leaves of the judged pictures, (m,) by part."""
    from lab.evaluation.reconstruction_error import squared_error
    from lab.reconstructions import as_floats

    own = {part: pixels[task.rows(index)] for part, index in task.judged.items()}
    return {part: squared_error(as_floats(found), pca.reconstruct(found)) for part, found in own.items()}


def draw_training(
    config: AutoencoderConfig, fitted: Fitted, pca: str, left: dict[str, np.ndarray], run: RunWriter
) -> None:
    """The parts of the loss by epoch, held against what PCA of the same size leaves of validation pictures."""
    from lab.loss_curves import loss_curves

    kind, loss = config.objective.kind, config.objective.loss
    comparable = loss == "mse" and kind != "denoising" and "validation" in left  # PCA is shown no spoilt pictures
    level = (pca, float(left["validation"].mean())) if comparable else None
    loss_curves(fitted.history, kind, loss, level).keep(run)


def parameters_of(model: Autoencoder) -> dict[str, int]:
    """Numbers in the encoder (bottleneck included) and in the decoder that training changes or not."""
    parts = {"encoder": [model.encoder, model.bottleneck], "decoder": [model.decoder]}
    return {name: sum(p.numel() for part in found for p in part.parameters()) for name, found in parts.items()}


# --- beside the story: what a study needs


def spoken_model(config: AutoencoderConfig) -> str:
    """`convolutional denoising autoencoder, 32 dimensions`."""
    from lab.autoencode import SPOKEN

    model = config.model
    encoder = model.backbone.name if model.backbone else model.architecture
    untrained = "" if config.train.epochs else "untrained "
    return f"{untrained}{encoder} {SPOKEN[config.objective.kind]}, {dimensions(model.latent_size)}"


def dimensions(count: int) -> str:
    """`1 dimension`, `32 dimensions`."""
    return f"{count} dimension{'s' * (count != 1)}"


SAID = {
    "objective.noise": lambda value: f"{value.replace('_', '-and-')} noise",
    "objective.noise_level": lambda value: f"noise level {value:g}",
    "objective.sparsity": lambda value: f"sparsity {value:g}",
    "objective.beta": lambda value: f"β = {value:g}",
    "objective.free_bits": lambda value: f"{value:g} free nats a unit",
    "objective.codebook_size": lambda value: f"codebook of {value}",
    "objective.codes": lambda value: f"{value} codes",
    "objective.loss": lambda value: "cross-entropy" if value == "bce" else "squared error",
    "train.epochs": lambda value: None if value else "untrained",
    "data.per_class": lambda value: f"{value} pictures a class" if value else None,
    "data.train_size": lambda value: f"{value:,} pictures" if value else None,
}
WHOLE = ("model.architecture", "model.latent_size", "objective.kind")


def spoken(key: str, value: Any, config: AutoencoderConfig) -> str | None:
    """A swept value as people say it; the network's kind and size tell the whole row."""
    return spoken_model(config) if key in WHOLE else SAID[key](value) if key in SAID else None


def controls(config: AutoencoderConfig) -> list[tuple[str, dict[str, Any]]]:
    """What every study shows beside its rows: raw pixels, PCA, the network untrained, and a pretrained one."""
    from lab.data.backbones import locate_backbone

    size = config.model.latent_size
    same = {"seed": config.seed, "data": config.data.model_dump(mode="json"), "probe": config.probe.model_dump()}
    shape: dict[str, Any] = {"image_size": config.model.image_size, "channels": config.model.channels}
    untrained: dict[str, Any] = {
        "experiment": "autoencoder",
        **same,
        "model": config.model.model_dump(mode="json"),
        "train": {"epochs": 0},
        "anomaly": config.anomaly,
    }
    if config.model.backbone:
        untrained["model"]["backbone"]["pretrained"] = False
    plain = AutoencoderConfig.model_validate(untrained)
    rows = [(f"{spoken_model(plain).replace(' autoencoder', ' encoder')}", untrained)]
    if config.anomaly is not None:  # a class that the others would be trained on
        return rows
    methods = [("raw pixels", {"name": "pixels", **shape})]
    if size <= most_components(config):
        methods += [(f"PCA, {dimensions(size)}", {"name": "pca", "dimensions": size, **shape})]
    try:
        locate_backbone(PRETRAINED)
        backbone = {"name": PRETRAINED, "image_size": max(PRETRAINED_PIXELS, config.model.image_size or 0)}
        methods += [(f"pretrained {PRETRAINED}", {"name": "backbone", "backbone": backbone})]
    except UserError:  # it is packaged, but not installed
        pass
    return [*((label, {"experiment": "features", **same, "method": method}) for label, method in methods), *rows]


def most_components(config: AutoencoderConfig) -> int:
    """How many principal components the training pictures have; 0 where the data cannot be read, as planning says."""
    from math import prod

    from lab.classify import describe_pictures, describe_task

    try:
        counts = describe_task(config.data, "image", config.seed, labels="optional").counts
        shape = describe_pictures(config.data, config.model.image_size, config.model.channels, config.seed)
    except UserError:
        return 0
    return min(prod(shape), counts["train"] - 1)


PRETRAINED, PRETRAINED_PIXELS = "efficientnet-lite0", 64


def estimate(config: AutoencoderConfig) -> Estimate:
    """Time a few steps on made-up pictures, and scale them to all items and epochs; then probes and pictures."""
    import time
    from math import prod

    import numpy as np

    from lab.autoencode import TrainedAutoencoder, built, plain_facts, planned_architecture
    from lab.training.recorder import QuietRecorder

    counts = plan(config).counts
    architecture = planned_architecture(config.data, config.model, config.objective)
    model = built(plain_facts(architecture, config.objective, config.model))
    batch = min(config.train.batch_size, counts["train"])
    pixels = np.random.default_rng(0).integers(0, 256, (2 * batch, *architecture.shape), dtype=np.uint8)
    learner = learner_of(config, model, pixels, np.arange(len(pixels)), np.arange(0), QuietRecorder())
    for number in range(2):  # the first epoch warms up
        started = time.perf_counter()
        for inputs in learner.batches(number):
            learner.loss(inputs)[0].backward()
        step = (time.perf_counter() - started) / len(pixels)
    started = time.perf_counter()
    TrainedAutoencoder(model).reconstruct(pixels)
    forward = (time.perf_counter() - started) / len(pixels)
    items, parameters = counts["items"], sum(p.numel() for p in model.parameters())
    training = config.train.epochs * (1.2 * step * counts["train"] + forward * counts["validation"])
    probes = 1e-5 * items * config.model.latent_size * (1 + config.probe.draws) + 2e-8 * items * prod(
        architecture.shape
    )
    disk = 4 * items * config.model.latent_size + 4 * parameters * config.train.save_weights + 100 * items + 2_000_000
    return Estimate(seconds=8 + training + 3 * forward * items + probes, bytes=round(disk))


def load_encoder(run: Run) -> TrainedAutoencoder:
    """Embed pictures by their paths with the network that a finished run trained."""
    from lab.autoencode import TrainedAutoencoder

    return TrainedAutoencoder.of_run(run)


def as_backbone(config: AutoencoderConfig) -> dict[str, Any]:
    """How the encoder is built that a run with this config leaves for others; `UserError` where it leaves none."""
    from lab.autoencode import plain_facts, planned_architecture

    if not config.train.save_weights:
        raise UserError("that run is to keep no weights (train.save_weights: false)")
    architecture = planned_architecture(config.data, config.model, config.objective)
    return plain_facts(architecture, config.objective, config.model) | {"spoken": spoken_model(config)}


recipe = Recipe(
    name="autoencoder",
    summary="embeddings of pictures without labels: dense, convolutional, denoising, sparse, variational, VQ",
    version=1,
    config=AutoencoderConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    load_encoder=load_encoder,
    backbone=as_backbone,
    spoken=spoken,
    title=spoken_model,
    controls=controls,
    tune={"model.architecture": "train.learning_rate", "objective.kind": "train.learning_rate"},
)
