"""Config of autoencoders: network, objective and training (imports nothing heavier than pydantic)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.config.base import Section
from lab.training.config import BackboneConfig, LoopConfig

Count = Annotated[int, Field(ge=1)]

OWN_KEYS = {
    "denoising": ("noise", "noise_level"),
    "sparse": ("sparsity",),
    "variational": ("beta", "free_bits"),
    "vq": ("codebook_size", "codes", "commitment"),
}
"""Keys of an objective that mean something for one kind only."""


class AutoencoderModelConfig(Section):
    """Encoder and decoder; the decoder is the encoder backwards."""

    architecture: Literal["dense", "convolutional", "backbone"] = Field(
        "convolutional", description="backbone: the encoder is a pretrained network, the decoder convolutional"
    )
    widths: Annotated[list[Count], Field(min_length=1)] = Field(
        [32, 64],
        description="of the layers (dense), or channels of the stages (convolutional); each halves the picture",
    )
    depth: Annotated[int, Field(ge=1, le=8)] = Field(1, description="layers a width, or convolutions a stage")
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = Field("relu", description="between layers")
    normalisation: Literal["none", "batch", "layer"] = Field("batch", description="after every layer but the last")
    latent_size: Count = Field(32, description="dimensions of the embedding")
    image_size: Annotated[int, Field(ge=4, le=512)] | None = Field(
        None, description="pixels a side; by default the pictures' own where all are alike and at most 64, else 64"
    )
    channels: Literal[1, 3] | None = Field(None, description="1: grey; by default 1 where every picture is grey")
    backbone: BackboneConfig | None = Field(None, description="the encoder of architecture: backbone")
    frozen_depth: int | str = Field(
        "all",
        description="of the backbone: leading blocks that stay frozen: 3, 50%, all, all-1, none, or a block's name",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.architecture == "backbone") != (self.backbone is not None):
            raise ValueError("architecture: backbone and backbone: {name: …} go together")
        if self.backbone is not None and self.backbone.image_size is not None:
            raise ValueError("backbone.image_size: pictures are read at one size; give image_size beside architecture")
        if self.backbone is None and self.frozen_depth != "all":
            raise ValueError("frozen_depth: means nothing without architecture: backbone; leave it out")
        return self


class ObjectiveConfig(Section):
    """What the autoencoder is trained for."""

    kind: Literal["plain", "denoising", "sparse", "variational", "vq"] = Field(
        "plain",
        description="plain: reconstruct; denoising: reconstruct from a spoilt picture; sparse: few units active; "
        "variational: a code near a normal distribution; vq: a code of entries of a learned codebook",
    )
    loss: Literal["mse", "bce"] = Field(
        "mse", description="of reconstructed pixels from 0 to 1: squared error, or binary cross-entropy (nats)"
    )
    noise: Literal["gaussian", "masking", "salt_and_pepper"] = Field(
        "gaussian", description="denoising: added; pixels set to 0; pixels set to 0 or 1"
    )
    noise_level: Annotated[float, Field(gt=0)] = Field(
        0.3, description="denoising: standard deviation (pixels are 0 to 1), or share of pixels"
    )
    sparsity: Annotated[float, Field(gt=0)] = Field(1e-3, description="sparse: weight of the mean absolute code")
    beta: Annotated[float, Field(ge=0)] = Field(
        1.0, description="variational: weight of the divergence; 1: the evidence lower bound"
    )
    free_bits: Annotated[float, Field(ge=0)] = Field(
        0.0, description="variational: divergence a latent unit (nats) that costs nothing"
    )
    codebook_size: Annotated[int, Field(ge=2)] = Field(128, description="vq: entries of the codebook")
    codes: Count = Field(8, description="vq: entries a picture; latent_size is shared among them")
    commitment: Annotated[float, Field(ge=0)] = Field(
        0.25, description="vq: weight of the distance from the encoder's output to its entry"
    )

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> Self:
        for kind, keys in OWN_KEYS.items():
            given = [key for key in keys if key in self.changed()]
            if given and kind != self.kind:
                raise ValueError(
                    f"{given[0]}: means nothing with kind: {self.kind}, only with kind: {kind}; leave it out"
                )
        if self.noise != "gaussian" and self.noise_level > 1:
            raise ValueError(f"noise_level: {self.noise_level:g}: expected a share of pixels, at most 1")
        return self

    def own(self) -> dict[str, float | int | str]:
        """The keys that mean something for its kind."""
        return {key: getattr(self, key) for key in OWN_KEYS.get(self.kind, ())}


class AutoencoderTrainConfig(LoopConfig):
    """Training an autoencoder."""

    epochs: Annotated[int, Field(ge=0)] = Field(
        20, description="passes over the training items; 0: an untrained encoder, as a control"
    )
    batch_size: Count = Field(64, description="items a step")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="not on biases and norms; decoupled with adamw"
    )
