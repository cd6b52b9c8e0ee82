"""Config of text sources (imports nothing heavier than pydantic)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.config.base import Section


class HeldOutConfig(Section):
    """The part of a corpus that is never trained on, for the validation loss."""

    fraction: Annotated[float, Field(ge=0, lt=1)] = Field(0.02, description="share of sentences; 0: none")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="which sentences; the run's `seed` never changes it")


class CorpusConfig(Section):
    """Where running text comes from."""

    source: str = Field(
        "wikipedia-sample",
        description="packaged name, text file (plain, .gz, .bz2), folder of them, .csv/.tsv/.parquet file, or hf:NAME",
    )
    column: str | None = Field(None, description="text column of a table or hub data set")
    subset: str | None = Field(None, description="configuration name of a hub data set")
    hub_split: str = Field("train", description="split of a hub data set")
    unit: Literal["document", "sentence"] = Field("sentence", description="what one line of a text file is")
    encoding: str = Field("utf-8", description="of text files")
    held_out: HeldOutConfig = Field(default_factory=HeldOutConfig)
