"""Config of labelled images and texts, and of how they are split (imports nothing heavier than pydantic)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lab.config.base import Section
from lab.data.config import known_encoding

Size = Annotated[float, Field(ge=0)]
# Whether a task needs labels (a classifier) or only uses those that there are (an autoencoder).
Labels = Literal["required", "optional"]


class SplitConfig(Section):
    """Who is trained on, who chooses, who judges. Sizes up to 1 are shares, whole numbers above it items."""

    train: Size = Field(0.6, description="share (0.6; 1: everything) or number (600) of items; the rest is left out")
    validation: Size = Field(0.2, description="share or number; chooses learning rate, epoch and depth")
    test: Size = Field(0.2, description="share or number; used once, for the reported numbers; 0: none")
    by: str | list[str] | None = Field(
        "label",
        description="columns whose shares are kept alike in every split",
        json_schema_extra={"synonyms": ["stratify", "stratified", "stratify_by"]},
    )
    group: str | None = Field(
        None,
        description="column whose values never stand on two sides, e.g. patient; none: not even the data's own",
    )
    time: str | None = Field(None, description="column that orders the items: earlier train, latest test")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="cross-validation of what is not test; one run does one fold, a sweep over `fold` all of them"
    )
    repeats: Annotated[int, Field(ge=1)] = Field(1, description="how often the folds are drawn anew")
    fold: Annotated[int, Field(ge=0)] = Field(0, description="which fold validates, counted over all repeats")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="the run's `seed` never changes the split")
    predefined: Literal["auto", "ignore"] = Field(
        "auto",
        description="auto: split folders or a `split` column (train; val, valid, validation, dev; test) stay",
    )
    leak: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="share of test items also trained on: only to show what a leak does"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> SplitConfig:
        sizes = (self.train, self.validation, self.test)
        if any(size > 1 and size != int(size) for size in sizes):
            raise ValueError("train, validation and test: expected shares up to 1 or whole numbers of items")
        if sum(size for size in sizes if size <= 1) > 1 + 1e-9:
            raise ValueError("train, validation and test: the shares add up to more than 1")
        if not self.train:
            raise ValueError("train: expected a share or a number above 0")
        if self.folds and self.fold >= self.folds * self.repeats:
            raise ValueError(f"fold: {self.fold} of {self.folds * self.repeats} (they count from 0)")
        if self.group and self.time:
            raise ValueError("group and time: only one of them")
        if self.folds and self.time:
            raise ValueError("folds and time: only one of them, folds would train on what comes later")
        return self


class LabelledConfig(Section):
    """Where labelled images or texts come from."""

    source: str = Field(
        "mnist-5k",
        description="packaged name (digits, mnist-5k, wikipedia-topics), folder of one folder a class, folder of one "
        "text file a class, .csv/.tsv/.parquet/.jsonl of texts or of image paths, folder of idx files, or hf:NAME",
    )
    kind: Literal["auto", "image", "text"] = Field("auto", description="what the items are")
    text: str | None = Field(None, description="text column; by default `text` or `sentence`")
    image: str | None = Field(None, description="column of image paths; by default `image`, `path` or `file`")
    label: str | None = Field(None, description="label column; by default `label`")
    id: str | None = Field(None, description="column of unique ids; by default the path, or the row's number")
    encoding: str = Field("utf-8", description="of text files")
    subset: str | None = Field(None, description="configuration name of a hub data set")
    slices: list[str] = Field(default_factory=list, description="columns by which the metrics are also given")
    skip_broken: bool = Field(False, description="go on without broken items, counted in the report")
    duplicates: Literal["error", "remove", "accept"] = Field(
        "error", description="what happens to near-duplicates on two sides of the split; remove: from training"
    )
    split: SplitConfig = Field(default_factory=SplitConfig)
    train_size: Annotated[int, Field(ge=1)] | None = Field(
        None, description="train on so many items only; the run's `seed` draws them, class shares kept"
    )
    per_class: Annotated[int, Field(ge=1)] | None = Field(None, description="train on so many items of each class only")

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        return known_encoding(encoding)

    @model_validator(mode="after")
    def _one_limit(self) -> LabelledConfig:
        if self.train_size and self.per_class:
            raise ValueError("train_size and per_class: only one of them")
        return self
