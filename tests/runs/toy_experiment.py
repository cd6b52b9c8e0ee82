"""A recipe as a third party would write it: a random walk that is quick, saves checkpoints and can be told to fail."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section, presentation
from lab.errors import LabError, UserError
from lab.experiment import DataFacts, Estimate, Recipe

ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BEST_RATE = {"plain": 0.3, "fancy": 0.1}


class ModelConfig(Section):
    rate: float = Field(0.1, gt=0)
    kind: Literal["plain", "fancy"] = "plain"


class SplitSection(Section):
    seed: int = 0
    fold: int = 0


class DataSection(Section):
    size: int = 0
    split: SplitSection = Field(default_factory=SplitSection)


class ToyConfig(ExperimentConfig):
    experiment: Literal["toy"] = "toy"
    model: ModelConfig = Field(default_factory=ModelConfig)
    steps: int = 3
    data: str | DataSection | None = None
    validated: bool = True
    made_from: str | None = None
    drawn: bool = presentation(False)
    scored: bool = Field(True, description="false saves half of a short process's time: pandas stays away")
    fails: list[int] = presentation(default_factory=list)
    fails_at: list[float] = presentation(default_factory=list)
    dies: list[int] = presentation(default_factory=list)
    nap: float = presentation(0.0)
    waits_for: str | None = presentation(None)


def plan(config: ToyConfig) -> DataFacts:
    note("plan", config)
    if config.data is None or isinstance(config.data, DataSection):
        return DataFacts("no data")
    if not Path(config.data).is_file():
        raise UserError(f"data: {config.data} is not there; name a text file")
    lines = Path(config.data).read_text().splitlines()
    return DataFacts(str(lines), {"documents": len(lines)})


def run(config: ToyConfig, run) -> None:
    import numpy as np

    note("begin", config, run.id, run.threads)
    run.stage("walking")
    if config.made_from:
        note("made_from", config, config.made_from)
    while config.waits_for and not Path(config.waits_for).exists():
        time.sleep(0.01)
    random, place, start = run.generator("walk"), 0.0, 0
    if checkpoint := run.latest_checkpoint():
        random.bit_generator.state = checkpoint.state["random"]
        place, start = float(checkpoint.tensors["place"][0]), checkpoint.step
    for step in range(start + 1, config.steps + 1):
        time.sleep(config.nap)
        place += random.normal()
        run.metric(step, place=place)
        run.progress(step, config.steps, place=place)
        run.checkpoint(step, {"place": np.array([place])}, {"random": random.bit_generator.state})
        if config.seed in config.fails:
            raise ValueError(f"seed {config.seed} is\nunlucky")
        if config.model.rate in config.fails_at:
            raise LabError(f"rate {config.model.rate} explodes")
        if config.seed in config.dies:
            os.kill(os.getpid(), 9)
    if config.validated:
        distance = abs(config.model.rate - BEST_RATE[config.model.kind])
        run.result("walk", "distance", distance, split="validation", n=1, higher_is_better=False, primary=True)
    values = place + np.arange(5)
    if config.scored:
        run.scores("walk", "place", [f"item {i}" for i in range(5)], values)
    run.result("walk", "place", float(values.mean()), n=5, primary=True)
    if config.drawn:
        run.result("walk", "recall@10", 0.5, n=5, label="far away", low=0.25, high=0.75)
        run.figure("the way", ONE_PIXEL, title="The way", caption="All of it.")
    note("end", config, run.id)


def estimate(config: ToyConfig) -> Estimate:
    note("estimate", config)
    return Estimate(config.steps * 20.0, 1000 * config.steps)


def note(*words: object) -> None:
    """Write down, for the test to see, what this process did; config objects by their seed."""
    if path := os.environ.get("TOY_NOTES"):
        text = [str(getattr(word, "seed", word)) for word in words]
        with open(path, "a") as file:
            file.write(" ".join([*text, str(os.getpid())]) + "\n")


recipe = Recipe("toy", "a random walk", 1, ToyConfig, plan, run, estimate)
