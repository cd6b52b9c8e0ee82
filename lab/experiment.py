"""What a recipe is: the small record that `lab` finds under the entry-point group `lab.experiments`.

This module and every module that holds a config class import nothing heavier than pydantic, so that
`lab show` and `lab list` stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

    from lab.config.base import ExperimentConfig
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter


@dataclass(frozen=True)
class DataFacts:
    """Cheap facts about the data of one config, found in the *plan* stage.

    `fingerprint`: hex digest of everything in the data that can change the numbers.
    `counts`: what a person would count, e.g. `{"documents": 106}`; shown when the data change.
    `description`: one line for the report, e.g. "106 English Wikipedia articles (packaged with gensim)".
    `inputs`: digests of what else goes into the run, e.g. `{"weights": "1f3a…"}` of a pretrained network. They are part
    of a run's id, as other weights make other numbers, but rows that differ in them still share a table.
    """

    fingerprint: str
    counts: Mapping[str, int] = field(default_factory=dict)
    description: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """What a run is likely to cost, from a short probe: `seconds` of wall time and `bytes` on disk."""

    seconds: float
    bytes: int


class Predictor(Protocol):
    """Classifies new items the way a run did, its stored preprocessing included. `items`: `lab.data.labelled.Items`."""

    classes: list[str]

    def predict(self, items: Any) -> np.ndarray:
        """Return `(n, classes) float32` probabilities."""
        ...

    def features(self, items: Any) -> np.ndarray:
        """Return `(n, d) float32`, in which items that the model takes for alike are near."""
        ...


class Encoder(Protocol):
    """Embeds new items the way a run did, its stored preprocessing included."""

    @property
    def kind(self) -> Literal["image", "text"]:
        """What it reads."""
        ...

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Texts, or pictures by their paths, as `(n, d) float32`; a row of NaN: a text that cannot be embedded."""
        ...


class PictureEncoder(Encoder, Protocol):
    """An encoder that reads pictures, and so from anywhere: `kind` is `image`."""

    def features(self, items: Any) -> np.ndarray:
        """`lab.data.labelled.Items` as `(n, d) float32`."""
        ...


@dataclass(frozen=True)
class Recipe:
    """One kind of experiment.

    `config`: the pydantic class of its YAML.
    `version`: raised whenever a default or the arithmetic changes, so that old runs are not mistaken for new.
    `plan(config)`: cheap checks of files, columns and labels; raises `UserError`; returns `DataFacts`.
    `run(config, run)`: trains, embeds and evaluates, and leaves all of it in `run`, a `RunWriter`.
    `estimate(config)`: a short probe, for `--dry-run`; None where a recipe cannot say.
    `load_encoder(run)`, `load_classifier(run)`: for the verbs that need a model.
    `backbone(config)`: how the network that its runs train is built, where it can be the backbone of another run (see
    `lab.backbones`): plain data, `architecture`, `objective` and `spoken`, in the plan stage. A finished run keeps the
    same as JSON under the recipe's name, and the weights as tensors under it. Raises `UserError` where it keeps none.
    `deterministic`: the seed changes nothing, so one run says all and needs no others to be compared with.
    `spoken(key, value, config)`: a swept key's value as people say it ("trains the last 3 of 9 blocks"), for the labels
    of rows; None where `key=value` says it as well, "" where it need not be said. What two keys of a row have in common
    is said once, so that both may be answered with words for the whole row.
    `title(config)`: what a row is, in words ("two towers, BPR"); what is swept follows, and is not said twice.
    `controls(config)`: rows that every study of this recipe shows for comparison: a label and the config of any
    experiment each, on the same data, split and seed as the config given; none where `controls: false`.
    `prepare(configs, say)`: called once before the runs of a study, with the configs of all runs still to be done, to
    do what they share, such as filling a cache. `say` prints a line, and stops there where Ctrl-C was pressed.
    `tune`: for swept keys the key that each row has to choose for itself, or else the table compares tuning:
    `{"strategy.frozen_depth": "train.learning_rate"}`. A study that does not is warned.
    """

    name: str
    summary: str
    version: int
    config: type[ExperimentConfig]
    plan: Callable[[Any], DataFacts]
    run: Callable[[Any, RunWriter], None]
    estimate: Callable[[Any], Estimate] | None = None
    load_encoder: Callable[[Run], Encoder] | None = None
    load_classifier: Callable[[Run], Predictor] | None = None
    backbone: Callable[[Any], Mapping[str, Any]] | None = None
    deterministic: bool = False
    spoken: Callable[[str, Any, Any], str | None] | None = None
    title: Callable[[Any], str] | None = None
    controls: Callable[[Any], Sequence[tuple[str, Mapping[str, Any]]]] | None = None
    prepare: Callable[[Sequence[Any], Callable[[str], None]], None] | None = None
    tune: Mapping[str, str] = field(default_factory=dict, hash=False)
