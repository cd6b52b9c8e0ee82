"""An autoencoder from its config, and read back from its run: embeds new pictures as the run did."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lab.encoders import PixelEncoder
from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from lab.data.labelled.config import LabelledConfig
    from lab.models.autoencoder.architecture import Architecture
    from lab.models.autoencoder.autoencoder import Autoencoder
    from lab.models.backbone_encoder import PictureBackbone
    from lab.runs.run import Run
    from lab.training.autoencoder_config import AutoencoderModelConfig, ObjectiveConfig
    from lab.training.config import BackboneConfig

DEPTH = "model.frozen_depth"
SPOKEN = {
    "plain": "autoencoder",
    "denoising": "denoising autoencoder",
    "sparse": "sparse autoencoder",
    "variational": "variational autoencoder",
    "vq": "VQ-VAE",
}


def planned_architecture(
    data: LabelledConfig, model: AutoencoderModelConfig, objective: ObjectiveConfig
) -> Architecture:
    """The network that a config describes for its data, without building it.

    Raises `UserError` for data that are no pictures, for sizes that cannot be made, naming the nearest that can, and
    for a backbone that is not found or reads other things.
    """
    from lab.classify import describe_pictures

    found = architecture_for(describe_pictures(data, *asked_shape(model)), model)
    if model.backbone is not None:
        from lab.backbones import block_names
        from lab.training.depth import resolve_depth

        resolve_depth(model.frozen_depth, block_names(_sized(model.backbone, found.shape)), DEPTH)
    found.check(codes=objective.codes if objective.kind == "vq" else 1)
    return found


def asked_shape(model: AutoencoderModelConfig) -> tuple[int | None, int | None]:
    """Pixels a side and channels that a config asks for; None: as the pictures are.

    An encoder that a run left reads pictures as it was trained. Raises `UserError` where the config asks otherwise.
    """
    if model.backbone is None:
        return model.image_size, model.channels
    from lab.backbones import find_backbone

    location = find_backbone(model.backbone.name)
    if location.kind != "image":
        raise UserError(f"model.backbone: {model.backbone.name} reads {location.kind}s, but pictures are needed here")
    if not location.network:
        return model.image_size, model.channels
    channels, size, _ = location.network["architecture"]["shape"]
    for key, asked, own in (("image_size", model.image_size, size), ("channels", model.channels, channels)):
        if asked not in (None, own):
            raise UserError(f"model.{key}: {asked}: {model.backbone.name} was trained at {own}; leave it out")
    return size, channels


def encoder_inputs(model: AutoencoderModelConfig) -> dict[str, str]:
    """A digest of the weights that the encoder begins with, as `DataFacts.inputs` wants it."""
    from lab.backbones import find_backbone

    return {"weights": find_backbone(model.backbone.name).fingerprint} if model.backbone else {}


def architecture_for(shape: tuple[int, int, int], model: AutoencoderModelConfig) -> Architecture:
    """The network for pictures of a shape (channels, height, width), unchecked."""
    from lab.models.autoencoder.architecture import Architecture

    return Architecture(
        kind=model.architecture,
        shape=shape,
        widths=tuple(model.widths),
        depth=model.depth,
        activation=model.activation,
        normalisation=model.normalisation,
        latent_size=model.latent_size,
    )


def plain_facts(
    architecture: Architecture, objective: ObjectiveConfig, model: AutoencoderModelConfig
) -> dict[str, Any]:
    """All that `built` needs, as plain data: what a run keeps of its network."""
    told = {"kind": objective.kind, "loss": objective.loss, **objective.own()}
    facts = {"architecture": asdict(architecture), "objective": told}
    if model.backbone is None:
        return facts
    return facts | {"encoder": {"backbone": model.backbone.model_dump(), "frozen_depth": model.frozen_depth}}


def built(facts: dict[str, Any], seed: int = 0) -> Autoencoder:
    """The network of `plain_facts`, with fresh weights drawn from `seed`, but for those of a pretrained encoder."""
    from lab.models.autoencoder.architecture import Architecture
    from lab.models.autoencoder.autoencoder import build_autoencoder
    from lab.models.autoencoder.objectives import make_objective

    given = facts["architecture"]
    architecture = Architecture(**{**given, "shape": tuple(given["shape"]), "widths": tuple(given["widths"])})
    objective = facts["objective"]
    encoder = _pretrained(facts["encoder"], architecture, seed) if "encoder" in facts else None
    return build_autoencoder(architecture, make_objective(objective["kind"], objective), seed, encoder)


def _pretrained(given: dict[str, Any], architecture: Architecture, seed: int) -> PictureBackbone:
    from lab.frozen import open_backbone
    from lab.models.backbone_encoder import PictureBackbone
    from lab.training.config import BackboneConfig
    from lab.training.depth import resolve_depth

    backbone = open_backbone(_sized(BackboneConfig.model_validate(given["backbone"]), architecture.shape), seed)
    return PictureBackbone(backbone, resolve_depth(given["frozen_depth"], backbone.block_names, DEPTH))


def _sized(backbone: BackboneConfig, shape: tuple[int, int, int]) -> BackboneConfig:
    """The backbone for pictures of a shape; a run's encoder reads them at its own size, which `asked_shape` gave."""
    return backbone.model_copy(update={"image_size": shape[1]})


def kept_tensors(model: Autoencoder) -> dict[str, np.ndarray]:
    """What a run keeps of a network: all but the frozen part of a pretrained encoder."""
    left_out = _frozen_names(model)
    return {name: tensor.numpy() for name, tensor in model.state_dict().items() if name not in left_out}


def load_kept(model: Autoencoder, tensors: dict[str, np.ndarray]) -> None:
    """Put `kept_tensors` back into a network that was built alike. Raises `UserError` where they do not fit."""
    import torch

    if tensors.keys() != model.state_dict().keys() - _frozen_names(model):
        raise UserError("the saved tensors do not fit this network: its backbone is another one now")
    model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()}, strict=False)


def _frozen_names(model: Autoencoder) -> set[str]:
    from lab.models.backbone_encoder import PictureBackbone

    encoder = model.encoder
    return {f"encoder.{name}" for name in encoder.frozen_names()} if isinstance(encoder, PictureBackbone) else set()


class TrainedAutoencoder(PixelEncoder):
    """A trained autoencoder for pictures, numpy in and out; nothing is random, batch norm and noise are off."""

    def __init__(self, model: Autoencoder) -> None:
        self.model = model
        self.shape = model.architecture.shape

    @classmethod
    def of_run(cls, run: Run) -> TrainedAutoencoder:
        """Read back what a finished run trained. Raises `UserError` where the run kept no weights."""
        from lab.runs.seeds import stream_seed

        if "autoencoder.safetensors" not in run.contents().get("model", []):
            raise UserError(f"run {run.id} kept no weights; do it again with train.save_weights=true and --rerun")
        # Frozen random weights are drawn again as they were.
        model = built(run.json("autoencoder"), stream_seed(run.seed, "initialisation"))
        load_kept(model, run.tensors("autoencoder"))
        return cls(model.eval())

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embeddings (n, latent_size) float32 of pixels (n, C, H, W) uint8."""
        from lab.models.autoencoder.apply import embedded

        return embedded(self.model, pixels)

    def reconstruct(self, pixels: np.ndarray) -> np.ndarray:
        """Reconstructions (n, C, H, W) float32 from 0 to 1 of pixels (n, C, H, W) uint8."""
        from lab.models.autoencoder.apply import reconstructed

        return reconstructed(self.model, pixels)

    def decode(self, vectors: np.ndarray) -> np.ndarray:
        """Pictures (m, C, H, W) float32 from 0 to 1 of latent vectors (m, latent_size)."""
        from lab.models.autoencoder.apply import decoded

        return decoded(self.model, vectors)

    def sample(self, count: int, seed: int) -> np.ndarray | None:
        """Pictures (count, C, H, W) float32 drawn from the model; None where it learnt no distribution."""
        import torch

        with torch.no_grad():
            drawn = self.model.eval().sample(count, torch.Generator().manual_seed(seed))
        return None if drawn is None else drawn.numpy()

    def codes(self, pixels: np.ndarray) -> np.ndarray:
        """Places in the codebook, (n, codes) int64, of a vector-quantised model."""
        from lab.models.autoencoder.apply import chosen_codes

        return chosen_codes(self.model, pixels)
