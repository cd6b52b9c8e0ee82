"""Pictures from files, bytes or arrays to `(m, 3, size, size) uint8`, decoded in threads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lab.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

# A JPEG is decoded at the smallest of its own scales that is so many times larger than what is asked for.
_GAP = 2.0
# Side of the small grey copies by which near-duplicates are found.
SMALL = 24


class ImageSource(Protocol):
    """Pictures by position."""

    def __len__(self) -> int: ...

    def decode(self, indices: np.ndarray, size: int, interpolation: str = "bicubic", channels: int = 3) -> np.ndarray:
        """Pictures as `(m, channels, size, size) uint8`: RGB, or with one channel grey (ITU-R 601 luma).

        The shorter side is resized to `size` (antialiased; `interpolation`: nearest, bilinear, bicubic or lanczos) and
        the middle is cut out. Turned as EXIF says; grey, palette, CMYK and 16-bit pictures become RGB, see-through ones
        stand on white; of an animation the first frame.
        """
        ...

    def picture(self, index: int) -> Image.Image:
        """One picture whole, as RGB."""
        ...

    def grey(self, indices: np.ndarray, size: int) -> np.ndarray:
        """Whole pictures squeezed into a square, grey, `(m, size, size) uint8`."""
        ...

    @property
    def sides(self) -> np.ndarray:
        """The shorter side of each picture in pixels, `(n,) int64`."""
        ...

    @property
    def coloured(self) -> np.ndarray:
        """Whether a picture has colours, `(n,) bool`; of one that nobody looked at it is taken to have."""
        ...

    def subset(self, index: np.ndarray) -> ImageSource:
        """The pictures at these positions."""
        ...


class ArrayImages:
    """Pictures in memory: `(n, height, width) uint8`, grey, or `(n, height, width, 3) uint8`."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def decode(self, indices: np.ndarray, size: int, interpolation: str = "bicubic", channels: int = 3) -> np.ndarray:
        """As `ImageSource.decode`."""
        shape = (channels, size, size)
        return _in_threads(lambda index: fit(self._stored(index), size, interpolation, channels), indices, shape)

    def picture(self, index: int) -> Image.Image:
        """As `ImageSource.picture`."""
        return self._stored(index).convert("RGB")

    def grey(self, indices: np.ndarray, size: int) -> np.ndarray:
        """As `ImageSource.grey`."""
        return np.stack([squeeze(self._stored(int(index)), size) for index in indices])

    @property
    def sides(self) -> np.ndarray:
        """As `ImageSource.sides`."""
        return np.full(len(self.pixels), min(self.pixels.shape[1:3]), dtype=np.int64)

    @property
    def coloured(self) -> np.ndarray:
        """As `ImageSource.coloured`."""
        if self.pixels.ndim == 3:
            return np.zeros(len(self.pixels), dtype=bool)
        return (self.pixels != self.pixels[..., :1]).any(axis=(1, 2, 3))

    def _stored(self, index: int) -> Image.Image:
        from PIL import Image

        return Image.fromarray(self.pixels[index])

    def subset(self, index: np.ndarray) -> ArrayImages:
        """As `ImageSource.subset`."""
        return ArrayImages(self.pixels[index])


class FileImages:
    """Pictures in files, or as the bytes of files.

    `sides`: the shorter side of each in pixels, `(n,) int64`. `small`: their small grey copies, where they are known.
    `coloured`: whether each has colours, `(n,) bool`.
    """

    def __init__(
        self,
        files: Sequence[Path | bytes],
        sides: np.ndarray,
        small: np.ndarray | None = None,
        coloured: np.ndarray | None = None,
    ) -> None:
        self.files, self.sides, self._small = files, sides, small
        self.coloured = np.ones(len(files), dtype=bool) if coloured is None else coloured

    def __len__(self) -> int:
        return len(self.files)

    def decode(self, indices: np.ndarray, size: int, interpolation: str = "bicubic", channels: int = 3) -> np.ndarray:
        """As `ImageSource.decode`."""
        shape = (channels, size, size)
        return _in_threads(lambda index: fit(self._open(index, size), size, interpolation, channels), indices, shape)

    def picture(self, index: int) -> Image.Image:
        """As `ImageSource.picture`; raises `UserError` for a file that cannot be read."""
        return self._open(index, None).convert("RGB")

    def subset(self, index: np.ndarray) -> FileImages:
        """As `ImageSource.subset`."""
        small = None if self._small is None else self._small[index]
        return FileImages([self.files[i] for i in index], self.sides[index], small, self.coloured[index])

    def grey(self, indices: np.ndarray, size: int) -> np.ndarray:
        """As `ImageSource.grey`."""
        if size == SMALL and self._small is not None:
            return self._small[indices]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers()) as pool:
            return np.stack(list(pool.map(lambda index: squeeze(self._open(int(index), size), size), indices)))

    def _open(self, index: int, size: int | None) -> Image.Image:
        file = self.files[index]
        try:
            return open_picture(file, size)
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for damaged files
            where = file if isinstance(file, Path) else f"picture {index}"
            raise UserError(f"{where}: not a picture that can be read: {error}") from None


def open_picture(file: Path | bytes, size: int | None) -> Image.Image:
    """A picture as grey or RGB, upright; a JPEG at a lower scale where only `size` pixels are wanted.

    Raises what Pillow raises (`OSError`, `ValueError`, `SyntaxError`) for what it cannot read.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
        if size is not None:
            scale = max(size * _GAP / min(image.size), 0.0)
            if scale < 1:
                image.draft(None, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        image.load()
        upright = ImageOps.exif_transpose(image)
        return as_rgb(upright)


def as_rgb(image: Image.Image) -> Image.Image:
    """8-bit grey stays grey (it becomes RGB after resizing, at a third of the work); everything else becomes RGB."""
    from PIL import Image

    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_to_bytes(np.asarray(image), 65535.0 if image.mode.startswith("I;16") else None))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def _to_bytes(values: np.ndarray, full: float | None) -> np.ndarray:
    """Grey levels of more than 8 bits, or floats, as `uint8`; `full` is white (None: the next usual one above all)."""
    values = values.astype(np.float64)
    if full is None:
        top = float(np.nanmax(values)) if values.size else 0.0
        full = 1.0 if top <= 1 else 255.0 if top <= 255 else 65535.0 if top <= 65535 else top
    return np.nan_to_num(np.clip(values * (255.0 / full), 0, 255)).round().astype(np.uint8)


def fit(image: Image.Image, size: int, interpolation: str, channels: int = 3) -> np.ndarray:
    """One picture as `(channels, size, size) uint8`: shorter side to `size`, middle cut out."""
    from PIL import Image

    if channels == 1:
        image = image.convert("L")
    width, height = image.size
    if (width, height) != (size, size):
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        method = Image.Resampling[interpolation.upper()]
        box = (left, top, left + side, top + side)
        image = image.resize((size, size), method, box=box, reducing_gap=_GAP if side > 4 * size else None)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return np.broadcast_to(pixels, (channels, size, size))
    return pixels.transpose(2, 0, 1)


def squeeze(image: Image.Image, size: int) -> np.ndarray:
    """A whole picture as `(size, size) uint8`, grey, whatever its shape."""
    from PIL import Image

    small = image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=_GAP)
    return np.asarray(small.convert("L"))


def _in_threads(one: object, indices: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    from concurrent.futures import ThreadPoolExecutor

    out = np.empty((len(indices), *shape), dtype=np.uint8)

    def place(at: int) -> None:
        out[at] = one(int(indices[at]))  # type: ignore[operator]

    if len(indices) < 4:
        for at in range(len(indices)):
            place(at)
        return out
    with ThreadPoolExecutor(workers()) as pool:
        for _ in pool.map(place, range(len(indices))):
            pass
    return out


def workers() -> int:
    """Threads for decoding: the cores this process may use (Pillow lets go of the interpreter while it decodes)."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
