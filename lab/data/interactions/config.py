"""Config of interactions between two kinds of things, and of their split (imports nothing heavier than pydantic)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lab.config.base import Section
from lab.data.config import known_encoding

Share = Annotated[float, Field(ge=0, le=1)]


class InteractionSplitConfig(Section):
    """Which interactions are trained on, which choose, which judge."""

    kind: Literal["random", "leave_last_out", "time", "cold_users", "cold_items"] = Field(
        "random",
        description="random: shares of each user's interactions; leave_last_out: each user's latest is test, the one "
        "before validation; time: one moment for everybody, earlier trains; cold_users, cold_items: shares of the "
        "users or items, each with all its interactions",
    )
    train: Share = Field(0.8, description="share of interactions (cold_users, cold_items: of users, of items)")
    validation: Share = Field(0.1, description="share; chooses the learning rate, the epoch and the like")
    test: Share = Field(0.1, description="share; used once, for the reported numbers")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="the run's `seed` never changes the split")

    @model_validator(mode="after")
    def _makes_sense(self) -> InteractionSplitConfig:
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test: expected shares that add up to 1")
        if not self.train:
            raise ValueError("train: expected a share above 0")
        given = sorted({"train", "validation", "test"} & self.changed())
        if self.kind == "leave_last_out" and given:
            raise ValueError(f"{given[0]}: leave_last_out holds out two interactions a user and takes no shares")
        return self


class InteractionsConfig(Section):
    """Where pairs that belong together come from (user and film, query and page, paragraph and linked title)."""

    source: str = Field(
        "wikipedia-links",
        description="packaged (wikipedia-links, wikipedia-search), a MovieLens folder of any layout, a folder with a "
        "RecBole .inter file, a .csv/.tsv/.parquet/.jsonl table, or hf:NAME",
    )
    user: str | None = Field(
        None, description="column of the one side's ids; by default user_id, query-id and the like"
    )
    item: str | None = Field(None, description="column of the other's; by default item_id, movieId, corpus-id, …")
    value: str | None = Field(None, description="column of ratings or scores; by default rating, value, score")
    timestamp: str | None = Field(None, description="column of times: numbers or ISO 8601 dates; by default timestamp")
    weight: str | None = Field(None, description="column of example weights; by default weight")
    users: str | None = Field(None, description="table of what is known of each user; in place of the layout's own")
    items: str | None = Field(None, description="table of what is known of each item; in place of the layout's own")
    user_id: str | None = Field(None, description="id column of `users`; by default the interactions' name, or id")
    item_id: str | None = Field(None, description="id column of `items`; by default the interactions' name, or id")
    catalogue: Literal["interacted", "all"] = Field(
        "interacted", description="all: items of the item table that nobody interacted with are ranked too"
    )
    positive_from: float | None = Field(None, description="interactions of a lower value are no positives")
    duplicates: Literal["first", "last", "error"] = Field(
        "first", description="which one stays where a pair comes again (by time where there is one, else by row)"
    )
    k_core: Annotated[int, Field(ge=0)] = Field(
        0, description="leave out users and items with fewer interactions, until none is left"
    )
    bots: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="leave out users with more interactions than this quantile of the users, e.g. 0.999"
    )
    skip_broken: bool = Field(False, description="go on without broken rows, counted in the report")
    encoding: str = Field("utf-8", description="of text files")
    subset: str | None = Field(None, description="configuration name of a hub data set")
    hub_split: str = Field("train", description="split of a hub data set")
    split: InteractionSplitConfig = Field(default_factory=InteractionSplitConfig)

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        return known_encoding(encoding)
