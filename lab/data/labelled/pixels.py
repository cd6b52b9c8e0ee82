"""Pictures as one array of pixels: what a network reads that is trained on pixels from the start."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.images import ImageSource
    from lab.data.labelled.items import Items

Shape = tuple[int, int, int]
"""Channels, height and width."""
LARGEST_OWN_SIZE = 64
"""Pictures of up to so many pixels a side keep their size, and others get it, where no size is asked for."""
# Raised whenever other pixels would come of the same files.
_VERSION = "1"
_AT_ONCE = 512


def picture_shape(items: Items, image_size: int | None = None, channels: int | None = None) -> Shape:
    """The shape `(channels, size, size)` in which pictures are read; opens none of them.

    `image_size`: pixels a side; None: that of the pictures' shorter sides where all are alike and at most 64, else 64.
    `channels`: 1 (grey) or 3 (RGB); None: 1 where every picture is grey. Raises `UserError` for items that are texts.
    """
    images = _images(items)
    sides = np.unique(images.sides)
    alike = len(sides) == 1 and sides[0] <= LARGEST_OWN_SIZE
    size = image_size or (int(sides[0]) if alike else LARGEST_OWN_SIZE)
    return channels or (3 if images.coloured.any() else 1), size, size


def load_pixels(items: Items, shape: Shape, *, keep: bool = True) -> np.ndarray:
    """All pictures as `(n, channels, height, width) uint8`, in the order of the items.

    The shorter side is resized to the size (bicubic, antialiased) and the middle is cut out; arrays that have the shape
    already are taken as they are. Pictures from files are decoded once: what came of them is kept in the cache and
    mapped into memory, for which a file that has changed is another file. `keep`: False for pictures seen only once.
    Raises `UserError` for texts and for a picture that cannot be read.
    """
    from lab.data.labelled.images import ArrayImages

    images = _images(items)
    if isinstance(images, ArrayImages):
        taken = _as_they_are(images.pixels, shape)
        return images.decode(np.arange(len(images)), shape[1], channels=shape[0]) if taken is None else taken
    if not keep or not len(images):
        return images.decode(np.arange(len(images)), shape[1], channels=shape[0])
    return _kept(items, images, shape)


def _images(items: Items) -> ImageSource:
    if items.images is None:
        raise UserError(f"{items.description}: texts, but pictures are needed here")
    return items.images


def _as_they_are(pixels: np.ndarray, shape: Shape) -> np.ndarray | None:
    """Arrays of pictures, channels first; None where they have another size, or colours that are not asked for."""
    channels, height, width = shape
    if pixels.shape[1:3] != (height, width) or (channels == 1 and pixels.ndim == 4):
        return None
    first = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(np.broadcast_to(first, (len(pixels), *shape)))


def _kept(items: Items, images: ImageSource, shape: Shape) -> np.ndarray:
    from lab.cache import cached_folder
    from lab.data.fingerprint import digest

    def decode(folder: Path) -> None:
        whole = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, (len(images), *shape))
        for start in range(0, len(images), _AT_ONCE):
            part = np.arange(start, min(start + _AT_ONCE, len(images)))
            whole[part] = images.decode(part, shape[1], channels=shape[0])
        whole.flush()

    key = digest(_VERSION, version("pillow"), str(shape), *items.fingerprints)
    folder = cached_folder("pixels", key, decode)
    # Copy on write: torch asks for arrays that can be written, and the file stays as it is.
    return np.load(folder / "pixels.npy", mmap_mode="c")
