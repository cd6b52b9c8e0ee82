"""A small made-up language for the tests: topics whose words keep company, frequent and rare words."""

from __future__ import annotations

import numpy as np


def made_up_text(sentences: int = 400, seed: int = 0) -> list[list[str]]:
    """Sentences of 4 to 15 words: each is about one of three topics of 12 words, with function words between."""
    generator = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, 13)
    frequency /= frequency.sum()
    text = []
    for _ in range(sentences):
        topic = generator.integers(3)
        words = [f"t{topic}w{word}" for word in generator.choice(12, generator.integers(4, 16), p=frequency)]
        text.append([str(generator.choice(["the", "of", "and"])) if generator.random() < 0.3 else w for w in words])
    return text
