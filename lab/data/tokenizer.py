"""Turning text into tokens (config and the function itself; imports nothing heavier than pydantic)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lab.config.base import Section


class PhrasesConfig(Section):
    """Joining words that belong together, `new york` → `new_york` (Mikolov et al. 2013, section 4)."""

    scoring: Literal["default", "npmi"] = Field("default", description="npmi: normalised pointwise mutual information")
    threshold: float = Field(10.0, description="higher: fewer phrases; between -1 and 1 for npmi")
    min_count: Annotated[int, Field(ge=1)] = Field(5, description="words and pairs seen less often are never joined")
    passes: Annotated[int, Field(ge=1, le=4)] = Field(1, description="2: phrases of up to four words")

    @model_validator(mode="after")
    def _threshold_fits(self) -> PhrasesConfig:
        if self.scoring == "npmi" and not -1 <= self.threshold <= 1:
            raise ValueError("threshold between -1 and 1 for scoring npmi, such as 0.5")
        if self.scoring == "default" and self.threshold <= 0:
            raise ValueError("threshold above 0 for scoring default, such as 10")
        return self


class TokenizerConfig(Section):
    """How a line of text becomes tokens."""

    lowercase: bool = Field(True, description="King and king are one word")
    pattern: str = Field(
        "words",
        description="`words` (runs of letters, also don't and well-known; runs of digits), `whitespace` (text that is "
        "already tokenised is kept as it is) or the regular expression of one token",
    )
    numbers: Literal["keep", "drop", "zero"] = Field("keep", description="zero: every digit becomes 0")
    min_length: Annotated[int, Field(ge=1)] = Field(1, description="characters; shorter tokens are dropped")
    phrases: PhrasesConfig | None = Field(None, description="join frequent pairs of words, `new_york`")

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str) -> str:
        if pattern in ("words", "whitespace"):
            return pattern
        try:
            empty = re.compile(pattern).match("")
        except re.error as error:
            raise ValueError(f"`words`, `whitespace` or a regular expression ({error})") from None
        if empty:
            raise ValueError("a regular expression that does not match the empty string")
        return pattern


# Phrases of one pass: the joined pair, `new_york`, and its score.
PhraseTable = Mapping[str, float]
Tokenizer = Callable[[str], list[str]]


def tokenize(text: str, config: TokenizerConfig, phrases: Sequence[PhraseTable] = ()) -> list[str]:
    """The tokens of a text, in order; `phrases` are those a corpus has learned, one table a pass.

    Text is brought to Unicode's composed form (NFC) first, so that é is one letter however it was typed; with
    `pattern: whitespace`, `lowercase: false` and `numbers: keep` nothing is changed at all. No token holds white space.
    """
    return make_tokenizer(config)(text) if not phrases else join_phrases(make_tokenizer(config)(text), phrases)


@lru_cache(maxsize=32)
def make_tokenizer(config: TokenizerConfig) -> Tokenizer:
    """The function from text to tokens of a config, phrases left out. Compiled once, for use on every line."""
    find = _finder(config.pattern)

    def tokens_of(text: str) -> list[str]:
        if config.pattern != "whitespace" and not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if config.lowercase:
            text = text.lower()
        if config.numbers == "zero":
            text = _DIGIT.sub("0", text)
        tokens = find(text)
        if config.numbers == "drop":
            tokens = [token for token in tokens if not _is_number(token)]
        if config.min_length > 1:
            tokens = [token for token in tokens if len(token) >= config.min_length]
        return tokens

    return tokens_of


def join_phrases(tokens: list[str], phrases: Sequence[PhraseTable]) -> list[str]:
    """Join neighbours that a table holds, from left to right, one pass after another, as gensim's `Phrases` does."""
    for table in phrases:
        joined: list[str] = []
        skip = False
        for first, second in pairwise([*tokens, ""]):
            if skip:
                skip = False
            elif (phrase := f"{first}_{second}") in table:
                joined.append(phrase)
                skip = True
            else:
                joined.append(first)
        tokens = joined
    return tokens


_DIGIT = re.compile(r"\d")
_SPACE = re.compile(r"\s+")


def _finder(pattern: str) -> Tokenizer:
    if pattern == "whitespace":
        return str.split
    if pattern == "words":
        return _words()
    expression = re.compile(pattern)

    def find(text: str) -> list[str]:
        # A pattern that crosses white space gives new_york; groups in it are of no concern.
        return [_SPACE.sub("_", token) for match in expression.finditer(text) if (token := match.group().strip())]

    return find


def _words() -> Tokenizer:
    """Runs of letters with apostrophes and hyphens inside, and runs of digits.

    Vowel signs and accents that are characters of their own (Unicode's marks, as in Hindi or Arabic) belong to their
    word; `\\w` leaves them out. Plain ASCII needs none of that and takes the quicker expression.
    """
    plain = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+", re.ASCII)
    marked: re.Pattern[str] | None = None

    def find(text: str) -> list[str]:
        nonlocal marked
        if text.isascii():
            return plain.findall(text)
        if marked is None:
            letters = rf"[^\W\d_]+(?:[{_marks()}]+[^\W\d_]*)*"
            marked = re.compile(rf"{letters}(?:['’‑-]{letters})*|\d+")
        return marked.findall(text)

    return find


@lru_cache(maxsize=1)
def _marks() -> str:
    """Every combining mark, as the inside of a character class, joiners of Indic and Persian words included."""
    points = [point for point in range(0x300, 0x1F000) if unicodedata.category(chr(point)) in ("Mn", "Mc")]
    points += range(0xE0100, 0xE01F0)
    ranges: list[list[int]] = []
    for point in [*points, 0x200C, 0x200D]:
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def _is_number(token: str) -> bool:
    """Whether a token is written in digits, such as 1984 or, with other patterns, 3.14 and 1,000."""
    return any(character.isdigit() for character in token) and not any(character.isalpha() for character in token)
