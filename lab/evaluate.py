"""Word tests by name or file, on any embedding space: what `lab evaluate` and the recipes of word vectors share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.word_tests import AnalogyTest, SimilarityTest
    from lab.embeddings.space import EmbeddingSpace
    from lab.evaluation.words import WordResult

SIMILARITY = ("wordsim353", "simlex999")
ANALOGIES = ("questions-words",)


def load_tests(similarity: Sequence[str], analogies: Sequence[str]) -> tuple[list[SimilarityTest], list[AnalogyTest]]:
    """Load word tests, each a packaged name or a file in the same format.

    Raises `UserError` where one is neither, cannot be read as one, or has the name of another.
    """
    from lab.data.word_tests import load_analogies, load_similarity

    tests = [load_similarity(name) for name in similarity], [load_analogies(name) for name in analogies]
    names = [test.name for test in tests[0]] + [test.name for test in tests[1]]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"evaluate: two word tests are called {twice[0]!r}; rename the file of one, or leave it out")
    return tests


def evaluate_space(
    space: EmbeddingSpace,
    similarity: Sequence[str] = SIMILARITY,
    analogies: Sequence[str] = ANALOGIES,
    restrict_vocabulary: int = 300_000,
) -> list[WordResult]:
    """Put a space whose ids are words to word tests; raises as `load_tests` does."""
    from lab.evaluation.words import evaluate_words

    return evaluate_words(space, *load_tests(similarity, analogies), restrict_vocabulary=restrict_vocabulary)
