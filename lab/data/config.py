"""Config of text sources (imports nothing heavier than pydantic)."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import Field, field_validator

from lab.config.base import Section


def known_encoding(encoding: str) -> str:
    """Return `encoding` where Python knows it as one of text; raise `ValueError` where not."""
    try:
        codec = codecs.lookup(encoding)
    except LookupError:
        codec = None
    if codec is None or not codec._is_text_encoding:  # rot13 and base64 are codecs too
        raise ValueError("expected the name of a text encoding, such as utf-8, latin-1, cp1252, utf-16 or shift_jis")
    return encoding


class HeldOutConfig(Section):
    """The part of a corpus that is never trained on, for the validation loss."""

    fraction: Annotated[float, Field(ge=0, lt=1)] = Field(0.02, description="share of sentences; 0: none")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="which sentences; the run's `seed` never changes it")


class CorpusConfig(Section):
    """Where running text comes from."""

    source: str = Field(
        "wikipedia-sample",
        description="packaged name, text file (plain, .gz, .bz2, .xz), .csv/.tsv/.parquet/.jsonl file, folder of "
        "either, pattern such as `books/*.txt`, or hf:NAME of the Hugging Face hub",
    )
    column: str | None = Field(None, description="text column of a table or hub data set; by default `text`")
    subset: str | None = Field(None, description="configuration name of a hub data set")
    hub_split: str = Field("train", description="split of a hub data set")
    unit: Literal["document", "sentence", "paragraph"] = Field(
        "sentence",
        description="what one line of a text file or row of a table is; document: it is cut at sentence ends into "
        "passages of about 200 words; paragraph: lines are joined up to the next blank one, for books with lines of "
        "fixed width",
    )
    encoding: str = Field("utf-8", description="of text files")
    held_out: HeldOutConfig = Field(default_factory=HeldOutConfig)

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str) -> str:
        return known_encoding(encoding)
