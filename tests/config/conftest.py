from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig, Section
from lab.config.experiments import recipes
from lab.experiment import DataFacts, Recipe


class TrainConfig(Section):
    low: float = 0.0
    high: float = 1.0
    steps: int = Field(10, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> TrainConfig:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self


class ToyConfig(ExperimentConfig):
    """What no shipped experiment has: unions, free keys, a key without a default, a rule between keys."""

    experiment: Literal["toy"] = "toy"
    size: int = Field(description="how many")
    depth: int | Literal["all", "none"] = "none"
    weights: dict[str, float] = Field(default_factory=dict)
    path: str = "data.txt"
    train: TrainConfig = Field(default_factory=TrainConfig)


@pytest.fixture
def toy(monkeypatch) -> None:
    """Another experiment is installed."""

    class Point:
        name, value, dist = "toy", "toy_package:recipe", None

        def load(self) -> Recipe:
            return Recipe("toy", "a toy", 1, ToyConfig, lambda config: DataFacts(""), lambda config, run: None)

    everything = recipes() | {"toy": Point()}
    monkeypatch.setattr("lab.config.experiments.recipes", lambda: everything)
    monkeypatch.setattr("lab.config.cells.recipes", lambda: everything)
    monkeypatch.setattr("lab.config.schema.recipes", lambda: everything)


@pytest.fixture
def write(home) -> Callable[..., Path]:
    """Writes files below the empty current folder: `write("a.yaml", "seed: 1")`."""

    def write_file(name: str, text: str) -> Path:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
