"""Pictures made of nothing, for the tests of this folder."""

from __future__ import annotations

import numpy as np
from PIL import Image


def picture(seed: int, width: int = 72, height: int = 64) -> Image.Image:
    """A picture of its own: blobs of colour at places that the seed says."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)
