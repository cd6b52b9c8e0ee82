"""Turning text into tokens (config; imports nothing heavier than pydantic)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.config.base import Section


class PhrasesConfig(Section):
    """Joining words that belong together, `new york` → `new_york` (Mikolov et al. 2013, section 4)."""

    scoring: Literal["default", "npmi"] = "default"
    threshold: float = Field(10.0, description="higher: fewer phrases; between -1 and 1 for npmi")
    min_count: Annotated[int, Field(ge=1)] = 5
    passes: Annotated[int, Field(ge=1, le=4)] = Field(1, description="2: phrases of up to four words")


class TokenizerConfig(Section):
    """How a line of text becomes tokens."""

    lowercase: bool = True
    pattern: str = Field(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+", description="regular expression of one token")
    numbers: Literal["keep", "drop", "zero"] = Field("keep", description="zero: every digit becomes 0")
    min_length: Annotated[int, Field(ge=1)] = Field(1, description="characters; shorter tokens are dropped")
    phrases: PhrasesConfig | None = None
