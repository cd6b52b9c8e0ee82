"""Pictures that come as arrays: the packaged digits, and idx files (the format of MNIST)."""

from __future__ import annotations

import gzip
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.data.labelled.images import ArrayImages
from lab.data.labelled.items import RawItems
from lab.data.packaged import packaged_path
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.config import Labels

_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def packaged_digits(name: str) -> RawItems:
    """`digits` (8×8, grey levels 0 to 16 spread over 0 to 255) or `mnist-5k` (28×28), ids `name:row` from 0."""
    import pandas as pd

    table = pd.read_csv(packaged_path(name), header=None, dtype=np.int16).to_numpy()
    side = math.isqrt(table.shape[1] - 1)
    pixels = table[:, :-1]
    if name == "digits":
        pixels = np.round(pixels * (255 / 16))
    return _raw(name, pixels.reshape(-1, side, side).astype(np.uint8), [str(label) for label in table[:, -1]])


def _raw(where: str, pixels: np.ndarray, names: list[str], ids: list[str] | None = None) -> RawItems:
    return RawItems(
        "image",
        ids or [f"{where}:{row}" for row in range(len(pixels))],
        names,
        where,
        "images",
        images=ArrayImages(pixels),
        fingerprints=array_fingerprints(pixels),
    )


def array_fingerprints(pixels: np.ndarray) -> list[str]:
    """A digest of each picture's shape and pixels."""
    shape = str(pixels.shape[1:]).encode()
    pixels = np.ascontiguousarray(pixels)
    return [hashlib.blake2b(shape + picture.tobytes(), digest_size=16).hexdigest() for picture in pixels]


def is_idx(file: Path) -> bool:
    """Whether a file's name is that of an idx file (`train-images-idx3-ubyte`, `.gz` or not; `.idx3-ubyte` too)."""
    return "idx1-" in file.name or "idx3-" in file.name or "idx4-" in file.name


def read_idx(folder: Path, files: list[Path], need: Labels = "required") -> RawItems:
    """The idx files of a folder: `*images-idx3-ubyte` with `*labels-idx1-ubyte` beside each, `.gz` or not.

    Names that begin with `train` or `t10k`/`test` are the parts of the split where both are there. Raises
    `UserError` for a file without its partner (of labels: unless they are optional), of another length, or cut short.
    """
    from lab.data.labelled.sources import part_of

    pictures = [file for file in files if is_idx(file) and "idx1-" not in file.name]
    labels = {_stem(file): file for file in files if "idx1-" in file.name}
    parts: list[tuple[str, np.ndarray, list[str], str | None]] = []
    for file in pictures:
        stem = _stem(file)
        if stem not in labels and need == "required":
            raise UserError(f"{file}: no file of labels beside it (expected {stem}labels-idx1-ubyte)")
        pixels = read_idx_file(file)
        marks = list(map(str, read_idx_file(labels[stem]))) if stem in labels else [""] * len(pixels)
        if len(pixels) != len(marks):
            raise UserError(f"{file}: {len(pixels):,} pictures, but {len(marks):,} labels in {labels[stem].name}")
        word = stem.split("-")[0].split("_")[0]
        parts.append((stem.strip("-_.") or "idx", pixels, marks, "test" if word == "t10k" else part_of(word)))
    if not parts:
        raise UserError(f"{folder}: idx files of labels, but none of pictures (…-images-idx3-ubyte)")
    if len({pixels.shape[1:] for _, pixels, _, _ in parts}) > 1:
        raise UserError(f"{folder}: idx files of pictures of different sizes; name folders of one size")
    pixels = np.concatenate([part[1] for part in parts])
    names = [name for part in parts for name in part[2]]
    ids = [f"{stem}:{row}" for stem, part, _, _ in parts for row in range(len(part))]
    raw = _raw(folder.name, pixels.astype(np.uint8), names, ids)
    raw.where = str(folder)
    if len(parts) > 1:
        raw.predefined = [part for _, pixels, _, part in parts for _ in range(len(pixels))]
    return raw


def _stem(file: Path) -> str:
    for word in ("images", "labels", "image", "label"):
        if word in file.name:
            return file.name.split(word)[0]
    return file.name.split("idx")[0]


def read_idx_file(file: Path) -> np.ndarray:
    """An idx file as an array of its own shape and type. Raises `UserError` for what is not whole or not idx."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as stream:
            content = stream.read()
    except (OSError, EOFError) as error:
        raise UserError(f"{file}: cannot be read: {error}") from None
    if len(content) < 8 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise UserError(f"{file}: not an idx file, whatever its name says")
    kind, dimensions = np.dtype(_IDX_TYPES[content[2]]), content[3]
    shape = tuple(int(size) for size in np.frombuffer(content, ">i4", dimensions, 4))
    start = 4 + 4 * dimensions
    if len(content) - start != math.prod(shape) * kind.itemsize:
        raise UserError(f"{file}: cut short: {len(content) - start:,} bytes for a shape of {shape}")
    return np.frombuffer(content, kind, offset=start).reshape(shape)
