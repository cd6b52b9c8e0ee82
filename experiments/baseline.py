"""What any network has to beat: the majority class, raw pixels, TF-IDF, mean word vectors, an embedding learned here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section
from lab.data.labelled.config import LabelledConfig
from lab.experiment import DataFacts, Recipe

if TYPE_CHECKING:
    from lab.runs.writer import RunWriter


class MethodConfig(Section):
    """Which simple method."""

    name: Literal["majority", "pixels", "tfidf", "word_vectors", "embedding"] = Field(
        "majority",
        description="pixels, tfidf: with logistic regression; word_vectors: mean of pretrained ones with logistic "
        "regression; embedding: word vectors learned in the task from scratch",
    )
    penalties: list[Annotated[float, Field(gt=0)]] = Field(
        [100.0, 10.0, 1.0, 0.1, 0.01], description="L2 penalties (1/C) to choose from on validation data"
    )
    vectors: str = Field("minilm-l6", description="word_vectors: packaged or transformers token table, or vector file")
    image_size: Annotated[int, Field(ge=4)] = Field(32, description="pixels a side at which pixels are compared")


class BaselineConfig(ExperimentConfig):
    """`experiment: baseline`."""

    experiment: Literal["baseline"] = "baseline"
    data: LabelledConfig = Field(default_factory=LabelledConfig)
    method: MethodConfig = Field(default_factory=MethodConfig)


def plan(config: BaselineConfig) -> DataFacts:
    """Find the data, its labels and its splits."""
    raise NotImplementedError


def run(config: BaselineConfig, run: RunWriter) -> None:
    """Fit, predict, evaluate."""
    raise NotImplementedError


recipe = Recipe(
    name="baseline",
    summary="majority class, raw pixels, TF-IDF, word vectors: what a network has to beat",
    version=1,
    config=BaselineConfig,
    plan=plan,
    run=run,
)
