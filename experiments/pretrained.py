"""Vectors that somebody else trained, evaluated and kept like a run of our own: the row to measure against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from experiments.word2vec import EvaluateConfig
from lab.config.base import ExperimentConfig, Section
from lab.experiment import DataFacts, Estimate, Recipe

if TYPE_CHECKING:
    from lab.runs.writer import RunWriter


class VectorsConfig(Section):
    """Where the vectors are."""

    source: str = Field(
        "minilm-l6",
        description="packaged backbone or transformers folder (its token table), or a vector file: word2vec, GloVe, "
        "fastText .vec, .npy/.npz, Parquet",
    )
    ids: str | None = Field(None, description="file that names the rows of a .npy, one a line")


class PretrainedConfig(ExperimentConfig):
    """`experiment: pretrained`."""

    experiment: Literal["pretrained"] = "pretrained"
    vectors: VectorsConfig = Field(default_factory=VectorsConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)
