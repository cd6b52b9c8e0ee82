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
    from lab.runs.run import Run
    from lab.training.autoencoder_config import AutoencoderModelConfig, ObjectiveConfig

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

    Raises `UserError` for data that are no pictures and for sizes that cannot be made, naming the nearest that can.
    """
    from lab.classify import describe_pictures

    found = architecture_for(describe_pictures(data, model.image_size, model.channels), model)
    found.check(codes=objective.codes if objective.kind == "vq" else 1)
    return found


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


def plain_facts(architecture: Architecture, objective: ObjectiveConfig) -> dict[str, Any]:
    """All that `built` needs, as plain data: what a run keeps of its network."""
    told = {"kind": objective.kind, "loss": objective.loss, **objective.own()}
    return {"architecture": asdict(architecture), "objective": told}


def built(facts: dict[str, Any], seed: int = 0) -> Autoencoder:
    """The network of `plain_facts`, with fresh weights drawn from `seed`."""
    from lab.models.autoencoder.architecture import Architecture
    from lab.models.autoencoder.autoencoder import build_autoencoder
    from lab.models.autoencoder.objectives import make_objective

    given = facts["architecture"]
    architecture = Architecture(**{**given, "shape": tuple(given["shape"]), "widths": tuple(given["widths"])})
    objective = facts["objective"]
    return build_autoencoder(architecture, make_objective(objective["kind"], objective), seed)


class TrainedAutoencoder(PixelEncoder):
    """A trained autoencoder for pictures, numpy in and out; nothing is random, batch norm and noise are off."""

    def __init__(self, model: Autoencoder) -> None:
        self.model = model
        self.shape = model.architecture.shape

    @classmethod
    def of_run(cls, run: Run) -> TrainedAutoencoder:
        """Read back what a finished run trained. Raises `UserError` where the run kept no weights."""
        import torch

        if "autoencoder.safetensors" not in run.contents().get("model", []):
            raise UserError(f"run {run.id} kept no weights; do it again with train.save_weights=true and --rerun")
        model = built(run.json("autoencoder"))
        tensors = {name: torch.from_numpy(array) for name, array in run.tensors("autoencoder").items()}
        model.load_state_dict(tensors)
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
