"""Word tests by name or file, on any embedding space: what `lab evaluate` and the recipes of word vectors share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace
    from lab.evaluation.words import WordResult

SIMILARITY = ("wordsim353", "simlex999")
ANALOGIES = ("questions-words",)


def evaluate_space(
    space: EmbeddingSpace,
    similarity: Sequence[str] = SIMILARITY,
    analogies: Sequence[str] = ANALOGIES,
    restrict_vocabulary: int = 300_000,
) -> list[WordResult]:
    """Put a space whose ids are words to word tests, each a packaged name or a file in the same format.

    Raises `UserError` for a test that is neither, or a file that cannot be read as one.
    """
    from lab.data.word_tests import load_analogies, load_similarity
    from lab.evaluation.words import evaluate_words

    return evaluate_words(
        space,
        [load_similarity(name) for name in similarity],
        [load_analogies(name) for name in analogies],
        restrict_vocabulary=restrict_vocabulary,
    )
