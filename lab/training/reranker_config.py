"""Config of training a re-ranker (imports nothing heavier than pydantic)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.training.config import LoopConfig


class RerankTrainConfig(LoopConfig):
    """Training a re-ranker on users' candidate lists."""

    epochs: Annotated[int, Field(ge=1)] = Field(40, description="passes over the training users' lists, at most")
    batch_size: Annotated[int, Field(ge=1)] = Field(64, description="users a step, each with all her candidates")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="the highest of the schedule")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="of matrices")
    schedule: Literal["constant", "linear", "cosine"] = Field("constant", description="of the learning rate, by steps")
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share of steps in which it rises")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="largest norm of the gradient, of all members together"
    )
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        8, description="stop after so many epochs without a better order for the users who choose, and keep the best"
    )
