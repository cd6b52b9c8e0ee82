"""Word vectors from running text: CBOW and skip-gram (Mikolov et al. 2013, arXiv:1301.3781 and 1310.4546)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig, Section
from lab.data.config import CorpusConfig
from lab.data.tokenizer import TokenizerConfig
from lab.experiment import DataFacts, Recipe

if TYPE_CHECKING:
    from lab.runs.writer import RunWriter

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class VocabularyConfig(Section):
    """Which words get a vector."""

    min_count: PositiveInt = Field(5, description="words seen less often are dropped")
    max_vocab: PositiveInt | None = Field(None, description="keep at most this many words, the most frequent")


class ModelConfig(Section):
    """Architecture and objective; names and defaults as in gensim."""

    architecture: Literal["cbow", "skipgram"] = Field("cbow", description="which word predicts which")
    objective: Literal["negative-sampling", "hierarchical-softmax"] = "negative-sampling"
    vector_size: PositiveInt = Field(100, description="dimensions")
    window: PositiveInt = Field(5, description="words on each side")
    shrink_windows: bool = Field(True, description="draw each window's size from 1 to `window`, as word2vec.c does")
    negative: PositiveInt = Field(5, description="noise words per pair (negative sampling only)")
    ns_exponent: float = Field(0.75, description="noise words are drawn in proportion to count ** ns_exponent")
    cbow_mean: bool = Field(True, description="average the context vectors (else sum)")
    subsample: Annotated[float, Field(ge=0)] = Field(1e-3, description="threshold for dropping frequent words; 0: none")


class TrainConfig(Section):
    """How long and how fast."""

    engine: Literal["gensim"] = "gensim"
    epochs: PositiveInt = Field(5, description="passes over the corpus")
    learning_rate: PositiveFloat = Field(0.025, description="at the start")
    min_learning_rate: PositiveFloat = Field(0.0001, description="at the end; the decay is linear in words seen")
    threads: PositiveInt = Field(1, description="1: the same vectors bit for bit; more: faster, not repeatable")
    batch_words: Annotated[int, Field(ge=1, le=10_000)] = Field(
        10_000, description="words a job; the learning rate falls from job to job"
    )

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate is above learning_rate: the rate falls from one to the other")
        return self


class EvaluateConfig(Section):
    """Which tests the vectors take: packaged names, or paths of files in the same formats."""

    similarity: list[str] = Field(default_factory=lambda: ["wordsim353", "simlex999"])
    analogies: list[str] = Field(default_factory=lambda: ["questions-words"])
    restrict_vocabulary: PositiveInt = Field(300_000, description="analogies are answered from this many words")


class Word2VecConfig(ExperimentConfig):
    """`experiment: word2vec`."""

    experiment: Literal["word2vec"] = "word2vec"
    data: CorpusConfig = Field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    vocabulary: VocabularyConfig = Field(default_factory=VocabularyConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)


def plan(config: Word2VecConfig) -> DataFacts:
    """Find the corpus and the tests."""
    from lab.data.text import describe

    return describe(config.data)


def run(config: Word2VecConfig, run: RunWriter) -> None:
    """Train, embed and evaluate."""
    raise NotImplementedError


recipe = Recipe(
    name="word2vec",
    summary="word vectors from running text: CBOW and skip-gram, negative sampling and hierarchical softmax",
    version=1,
    config=Word2VecConfig,
    plan=plan,
    run=run,
)
