"""Word vectors from running text: CBOW and skip-gram (Mikolov et al. 2013, arXiv:1301.3781 and 1310.4546)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section
from lab.data.config import CorpusConfig
from lab.data.tokenizer import TokenizerConfig

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
    batch_words: PositiveInt = Field(10_000, description="words a job")


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
