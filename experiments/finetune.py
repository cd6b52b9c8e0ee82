"""Fine-tune a pretrained network at any frozen depth: the frozen part is paid once, the rest is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig
from lab.data.labelled.config import LabelledConfig
from lab.experiment import DataFacts, Recipe
from lab.training.config import BackboneConfig, StrategyConfig, TrainConfig

if TYPE_CHECKING:
    from lab.runs.writer import RunWriter


class FinetuneConfig(ExperimentConfig):
    """`experiment: finetune`."""

    experiment: Literal["finetune"] = "finetune"
    data: LabelledConfig = Field(default_factory=LabelledConfig)
    backbone: BackboneConfig = Field(default_factory=BackboneConfig)
    strategy: StrategyConfig = Field(default_factory=StrategyConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)


def plan(config: FinetuneConfig) -> DataFacts:
    """Find the data, its labels and splits, and the backbone's blocks, before anything is trained."""
    raise NotImplementedError


def run(config: FinetuneConfig, run: RunWriter) -> None:
    """Load, freeze, train, predict, evaluate."""
    raise NotImplementedError


recipe = Recipe(
    name="finetune",
    summary="fine-tune a pretrained network at any frozen depth",
    version=1,
    config=FinetuneConfig,
    plan=plan,
    run=run,
)
