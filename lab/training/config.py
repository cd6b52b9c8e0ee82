"""Config of backbones, freezing strategies and training (imports nothing heavier than pydantic)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lab.config.base import Section, presentation

REACHING = ("lp_ft", "gradual", "norm_only", "bitfit", "lora")
"""Kinds that train blocks: all of them where no depth is given."""


def depth_form(depth: int | str) -> int | str:
    """A frozen depth, a number where it is one. Raises `ValueError` where it cannot be one for any network."""
    if isinstance(depth, bool) or (isinstance(depth, int) and depth < 0):
        raise ValueError("expected 3, 50%, all, all-1, none, or the name of a block")
    if isinstance(depth, str):
        if re.fullmatch(r"\d+", depth):
            return int(depth)
        percent = re.fullmatch(r"(\d+(?:\.\d+)?)%", depth)
        if percent and float(percent[1]) > 100:
            raise ValueError("expected at most 100%")
    return depth


class BackboneConfig(Section):
    """The pretrained network, seen as an ordered list of named blocks."""

    name: str = Field(
        "efficientnet-lite0",
        description="packaged name, folder, timm:NAME or torchvision:NAME (NAME@FILE: weights of your own), a hub id "
        "(owner/name), or run:REF, the encoder of an autoencoder trained here (run:this:seed=0: by this study)",
    )
    pretrained: bool = Field(True, description="false: random weights, for training from scratch and as a control")
    image_size: Annotated[int, Field(ge=8, le=2048)] | None = Field(
        None, description="pixels a side; by default the size it was pretrained at"
    )
    max_length: Annotated[int, Field(ge=4)] = Field(128, description="tokens a text is cut at")
    blocks: list[str] | None = Field(
        None, description="module names in order, where blocks are not found by themselves"
    )


class StrategyConfig(Section):
    """What is frozen, and how the rest is trained."""

    kind: Literal["plain", "lp_ft", "gradual", "surgical", "norm_only", "bitfit", "lora", "scalar_mix"] = Field(
        "plain",
        description="lp_ft: linear probe, then fine-tune; gradual: unfreeze block by block from the top; surgical: "
        "only `blocks`; norm_only, bitfit: only normalisation parameters or biases; lora: low-rank adapters; "
        "scalar_mix: a learned mix of all blocks' frozen features",
    )
    frozen_depth: int | str = Field(
        "all",
        description="leading blocks that stay frozen: 3, 50%, all, all-1, none, or the name of the last frozen one; "
        "not given: `none` for lp_ft, gradual, norm_only, bitfit and lora",
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="learning rate of each block as a share of that of the block above it"
    )
    solver: Literal["gradient", "lbfgs", "closed_form"] = Field(
        "gradient", description="of the linear head when all blocks are frozen; closed_form: ridge regression"
    )
    blocks: list[str | int] = Field(
        default_factory=list, description="blocks that are trained (surgical); numbers from 1"
    )
    epochs_per_block: Annotated[int, Field(ge=1)] = Field(1, description="gradual: epochs before the next one thaws")
    lora_rank: Annotated[int, Field(ge=1)] = Field(8, description="rank of the adapters")
    lora_alpha: Annotated[float, Field(gt=0)] = Field(16.0, description="scale of the adapters is alpha / rank")
    batch_norm: Literal["eval", "track", "train"] = Field(
        "eval",
        description="in the frozen part: eval: pretrained statistics; track: they follow the data; train: batch "
        "statistics are used as well; the cache needs eval",
    )

    @model_validator(mode="before")
    @classmethod
    def _reaches_all_blocks(cls, values: Any) -> Any:
        if isinstance(values, dict) and "frozen_depth" not in values and values.get("kind") in REACHING:
            return {**values, "frozen_depth": "none"}
        return values

    @field_validator("frozen_depth")
    @classmethod
    def _depth_has_a_form(cls, depth: int | str) -> int | str:
        return depth_form(depth)

    @model_validator(mode="after")
    def _goes_together(self) -> StrategyConfig:
        if (self.kind == "surgical") != bool(self.blocks):
            raise ValueError("kind: surgical and blocks: [...] go together")
        if self.kind in ("surgical", "scalar_mix") and self.frozen_depth != "all":
            raise ValueError(f"frozen_depth: means nothing with kind: {self.kind}; leave it out")
        if self.solver != "gradient" and (self.kind != "plain" or self.frozen_depth != "all"):
            raise ValueError(
                "solver: lbfgs and closed_form train a linear head: they need kind: plain, frozen_depth: all"
            )
        return self


class LoopConfig(Section):
    """The training loop, whatever is trained."""

    epochs: Annotated[int, Field(ge=1)] = Field(10, description="passes over the training items")
    batch_size: Annotated[int, Field(ge=1)] = Field(32, description="items a step")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="the highest of the schedule")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd: with momentum 0.9")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="not on biases and norms; decoupled with adamw"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field("cosine", description="of the learning rate, by steps")
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="share of steps in which it rises")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(1.0, description="largest norm of the gradient")
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        None, description="stop after so many epochs without a better validation loss, and keep the best epoch"
    )
    precision: Literal["float32", "bf16"] = Field("float32", description="bf16: of the forward and backward pass")
    save_weights: bool = presentation(True, description="keep what was trained, for `lab predict` and `lab embed`")


class TrainConfig(LoopConfig):
    """Training a classifier on top of a backbone."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="at the top; of the head always")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="of the cross-entropy")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="before the head")
    penalty: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="L2 penalty of solver lbfgs, of closed_form and of the probe of lp_ft, times the number of "
        "features; by default the one of 10, 1, 0.1, 0.01 and 0.001 with the lowest validation loss",
    )
    augment: Literal["none", "light"] = Field("none", description="light: images are shifted, flipped and recoloured")
    flip: bool = Field(True, description="whether `light` may mirror images; off for digits and text in pictures")
    views: Annotated[int, Field(ge=0)] = Field(
        0, description="augmented views an item: 0: fresh ones each epoch, without cache; 4: four fixed ones, cached"
    )
    cache: bool = presentation(True, description="keep the activations at the cut")
    cache_budget: Annotated[float, Field(gt=0)] = presentation(20.0, description="gigabytes the cache folder may hold")
