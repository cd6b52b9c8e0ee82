"""Config of two towers: what each reads, how they are compared and what they are trained for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lab.config.base import Section
from lab.training.config import LoopConfig, depth_form

_OWN = {
    "in_batch": {"mask_positives", "symmetric", "correction"},
    "mixed": {"mask_positives", "symmetric", "correction", "negatives"},
    "hard": {"mask_positives", "symmetric", "correction", "negatives", "mine_every"},
    "logistic": {"mask_positives", "correction", "negatives", "drawn_by"},
    "bpr": {"mask_positives", "correction", "negatives", "drawn_by"},
}
"""Which keys mean something for which objective."""


class SimilarityConfig(Section):
    """How the vectors of a pair become its score."""

    kind: Literal["cosine", "dot", "mlp"] = Field(
        "cosine",
        description="cosine over a temperature, inner product, or mlp: a perceptron of both vectors, which makes no "
        "space to search; objective logistic or bpr",
    )
    temperature: Annotated[float, Field(gt=0)] = Field(0.2, description="of the cosine; lower is sharper")
    learned: bool = Field(False, description="whether the temperature is trained, from there on")
    hidden: list[Annotated[int, Field(ge=1)]] = Field(
        [64, 32], min_length=1, description="mlp: widths of the perceptron's hidden layers"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> SimilarityConfig:
        if self.kind != "cosine" and {"temperature", "learned"} & self.changed():
            raise ValueError(f"temperature and learned: mean nothing with kind: {self.kind}; leave them out")
        if self.kind != "mlp" and "hidden" in self.changed():
            raise ValueError(f"hidden: means nothing with kind: {self.kind}; leave it out")
        return self


class PairObjectiveConfig(Section):
    """What the towers are trained for: positive pairs above pairs that were drawn."""

    kind: Literal["in_batch", "mixed", "hard", "logistic", "bpr"] = Field(
        "in_batch",
        description="in_batch: softmax against the other items of the batch; mixed: and evenly drawn ones; hard: and "
        "each user's best-ranked wrong ones; logistic: pair or drawn; bpr: above the drawn",
    )
    negatives: Annotated[int, Field(ge=1)] = Field(
        1, description="drawn for each pair (logistic, bpr), mined for each pair (hard), or drawn for a batch (mixed)"
    )
    drawn_by: Literal["uniform", "popularity"] = Field("uniform", description="how negatives are drawn (logistic, bpr)")
    correction: Literal["logq", "none"] = Field(
        "logq", description="logq: subtract the logarithm of how likely an item was drawn, so that what is popular is "
        "not pushed down for being drawn often"
    )  # fmt: skip
    mask_positives: bool = Field(
        True, description="a drawn pair that is a positive of the training part is no negative"
    )
    symmetric: bool = Field(False, description="softmax over the users of the batch as well; for pairs of texts")
    mine_every: Annotated[int, Field(ge=1)] = Field(1, description="epochs between two searches for hard negatives")
    half_life: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="days: a pair so much older than the newest training pair counts half; needs timestamps; for what "
        "comes into fashion and goes",
    )
    debias: Literal["none", "ips"] = Field(
        "none", description="ips: weigh a pair by the inverse of its item's popularity to the power `debias_power`"
    )
    debias_power: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="of ips; 1 is the whole propensity")

    @model_validator(mode="before")
    @classmethod
    def _many_columns(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == "mixed" and "negatives" not in values:
            return {**values, "negatives": 256}
        return values

    @model_validator(mode="after")
    def _own_keys(self) -> PairObjectiveConfig:
        keys = {key for own in _OWN.values() for key in own}
        if strange := sorted((self.changed() & keys) - _OWN[self.kind]):
            raise ValueError(f"{strange[0]}: means nothing with kind: {self.kind}; leave it out")
        if self.debias == "none" and "debias_power" in self.changed():
            raise ValueError("debias_power: means nothing with debias: none; leave it out")
        return self


class TwoTowerTrainConfig(LoopConfig):
    """Training two towers."""

    epochs: Annotated[int, Field(ge=1)] = Field(40, description="passes over the training pairs, at most")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        1024, description="pairs a step: with in-batch negatives the more, the more of those"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(5e-3, description="the highest of the schedule")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="of matrices; never of large tables")
    schedule: Literal["constant", "linear", "cosine"] = Field("constant", description="of the learning rate, by steps")
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share of steps in which it rises")
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        10,
        description="stop after so many epochs without a better ranking of validation pairs, and keep the best epoch",
    )
    judged_users: Annotated[int, Field(ge=1)] = Field(
        5000, description="of more users with validation pairs so many, drawn once, judge an epoch"
    )
    sparse_from: Annotated[int, Field(ge=1)] = Field(
        50_000,
        description="tables of at least so many rows are updated row by row, so that a step does not pay for all",
    )


class FeatureConfig(Section):
    """One thing that a tower reads of its entities."""

    kind: Literal["id", "category", "categories", "number", "words", "vectors", "backbone", "history"] = Field(
        description="id: a vector of its own for each entity; category, categories (several in a cell), number, words "
        "(a bag of words): of a column; vectors: mean word vectors of a text column; backbone: its features by a "
        "pretrained network; history: the items of the training part (users only)"
    )
    column: str | None = Field(None, description="column of the side's table; by default `text` for texts")
    separator: str = Field("|", description="between the categories of a cell")
    scale: Literal["standard", "log", "rank"] = Field(
        "standard", description="of numbers: standard: mean 0, deviation 1; log: of log(1 + x); rank: 0 to 1 by rank"
    )
    ngrams: Annotated[int, Field(ge=1, le=3)] = Field(1, description="words: up to so many words together")
    buckets: Annotated[int, Field(ge=16)] = Field(2**15, description="words: hashed into so many rows")
    model: str | None = Field(None, description="vectors: a word2vec run, a file or minilm-l6; backbone: its name")
    max_length: Annotated[int, Field(ge=4)] = Field(128, description="backbone: tokens a text is cut at")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5,
        description="history: share of its items left out at random in each step, so that a user is not read off the "
        "very item that is to be found",
    )
    frozen_depth: int | str = Field(
        "all",
        description="backbone: leading blocks that stay frozen, computed once: 3, 50%, all, all-1, none, or a block's "
        "name; the others are trained with the towers",
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        2e-5, description="backbone: of its trained blocks; the towers' own is train.learning_rate"
    )

    @field_validator("frozen_depth")
    @classmethod
    def _depth_has_a_form(cls, depth: int | str) -> int | str:
        return depth_form(depth)

    @model_validator(mode="after")
    def _own_keys(self) -> FeatureConfig:
        own = {
            "id": set[str](),
            "history": {"dropout", "separator"},
            "category": {"column"},
            "categories": {"column", "separator"},
            "number": {"column", "scale"},
            "words": {"column", "ngrams", "buckets"},
            "vectors": {"column", "model"},
            "backbone": {"column", "model", "max_length", "frozen_depth"}
            | ({"learning_rate"} if self.frozen_depth != "all" else set()),
        }[self.kind]
        if strange := sorted(self.changed() - own - {"kind"}):
            frozen = " without a frozen_depth" if self.kind == "backbone" and strange == ["learning_rate"] else ""
            raise ValueError(f"{strange[0]}: means nothing with kind: {self.kind}{frozen}; leave it out")
        if self.kind in ("category", "categories", "number") and not self.column:
            raise ValueError(f"kind: {self.kind} needs a column")
        return self


class TowerConfig(Section):
    """One side: what is known of its entities, and how that becomes a vector."""

    features: list[FeatureConfig] | None = Field(
        None, min_length=1, description="by default the id and every column of the side's table, by what it holds"
    )
    combine: Literal["sum", "concat"] = Field("sum", description="how the encoded features are joined")
    hidden: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=list, description="widths of the hidden layers behind them; none: no perceptron"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="between the layers")
