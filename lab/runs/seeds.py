"""Named, independent streams of random numbers, all fed by a run's one `seed`.

The same seed and name give the same stream in every process. A recipe that takes a stream of its own for every
epoch (`run.generator(f"order/{epoch}")`) has no generator to save in a checkpoint.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """A fresh numpy generator at the beginning of the stream `name` of `seed`."""
    import numpy as np

    return np.random.default_rng(_sequence(seed, name))


def stream_seed(seed: int, name: str) -> int:
    """A number in [0, 2**32) for libraries that take a seed: the stream `name` of `seed`."""
    return int(_sequence(seed, name).generate_state(1)[0])


def _sequence(seed: int, name: str) -> np.random.SeedSequence:
    import numpy as np

    words = np.frombuffer(blake2b(name.encode(), digest_size=16).digest(), dtype="<u4")
    return np.random.SeedSequence(entropy=seed, spawn_key=tuple(int(word) for word in words))
