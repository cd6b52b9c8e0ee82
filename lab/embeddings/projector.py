"""A space as a folder that TensorBoard's embedding projector and projector.tensorflow.org read."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.atomic import replacing
from lab.embeddings.space import EmbeddingSpace

if TYPE_CHECKING:
    from PIL import Image

VECTORS, METADATA, SPRITE, CONFIG, STANDALONE = (
    *("vectors.tsv", "metadata.tsv", "sprite.png"),
    *("projector_config.pbtxt", "projector_config.json"),
)
FILES = (VECTORS, METADATA, SPRITE, CONFIG, STANDALONE)
LARGEST_SPRITE = 8192
"""Pixels a side that browsers can be relied on to show."""
_BREAKS = re.compile(r"[\t\n\r\v\f\x00\x1c-\x1e\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Sprite:
    """Small pictures of all items in one: row by row, as many rows as columns. `size`: pixels a side of one."""

    png: bytes
    size: int


def write_projector(space: EmbeddingSpace, folder: Path, sprite: Sprite | None = None) -> None:
    """Write vectors, metadata, the sprite and both ways to name them into a folder, each file whole or not at all.

    A tab or line break in the metadata becomes a space. Metadata of one column has no header, as the projector wants
    it. `projector_config.pbtxt` is for `tensorboard --logdir FOLDER`, `projector_config.json` for the website's
    `?config=`, where the files are served.
    """
    line = "\t".join(["%.9g"] * space.dim)
    _write(folder / VECTORS, (line % tuple(vector.tolist()) for vector in space.vectors))
    _write(folder / METADATA, metadata_lines(space))
    (folder / SPRITE).unlink(missing_ok=True)
    if sprite:
        with replacing(folder / SPRITE) as temporary:
            temporary.write_bytes(sprite.png)
    name = _cell(space.name) or "embedding"
    _write(folder / CONFIG, _config(name, sprite))
    _write(folder / STANDALONE, [json.dumps(_standalone(space, name, sprite), indent=1, ensure_ascii=False)])


def metadata_lines(space: EmbeddingSpace) -> Iterable[str]:
    """A line an item: its id, then its metadata; a header before them where there is more than the id."""
    columns = [space.metadata[name] for name in space.metadata.columns]
    if not columns:
        yield from (_cell(item) or "(empty)" for item in space.ids)  # an empty line would be passed over
        return
    yield "\t".join(["id", *(_cell(column.name) or "(empty)" for column in columns)])
    known = [column.notna().to_numpy() for column in columns]
    values = [column.to_numpy(dtype=object) for column in columns]
    for row, item in enumerate(space.ids):
        cells = [_cell(value[row]) if there[row] else "" for value, there in zip(values, known, strict=True)]
        yield "\t".join([_cell(item), *cells])


def make_sprite(pictures: Sequence[Image.Image], largest: int = 64) -> Sprite:
    """One picture of all pictures, each as large as it can be in `largest` pixels a side, on white where no square.

    One of fewer pixels is made larger with its pixels as squares.
    """
    from PIL import Image, ImageOps

    across = int(np.ceil(np.sqrt(len(pictures))))
    size = max(1, min(largest, LARGEST_SPRITE // across))
    whole = Image.new("RGB", (across * size, across * size), "white")
    for place, picture in enumerate(pictures):
        how = Image.Resampling.NEAREST if max(picture.size) < size else Image.Resampling.BICUBIC
        small = ImageOps.contain(picture.convert("RGB"), (size, size), how)
        left, top = (place % across) * size, (place // across) * size
        whole.paste(small, (left + (size - small.width) // 2, top + (size - small.height) // 2))
    buffer = io.BytesIO()
    whole.save(buffer, format="PNG")
    return Sprite(buffer.getvalue(), size)


def _cell(value: Any) -> str:
    return _BREAKS.sub(" ", str(value)).encode("utf-8", "replace").decode("utf-8")


def _config(name: str, sprite: Sprite | None) -> list[str]:
    quoted = json.dumps(name)  # text of a protocol buffer is quoted as JSON is
    lines = [f"  tensor_name: {quoted}", f'  tensor_path: "{VECTORS}"', f'  metadata_path: "{METADATA}"']
    if sprite:
        side = f"    single_image_dim: {sprite.size}"
        lines += ["  sprite {", f'    image_path: "{SPRITE}"', side, side, "  }"]
    return ["embeddings {", *lines, "}"]


def _standalone(space: EmbeddingSpace, name: str, sprite: Sprite | None) -> dict[str, Any]:
    files: dict[str, Any] = {"tensorName": name, "tensorShape": [len(space), space.dim]}
    files |= {"tensorPath": VECTORS, "metadataPath": METADATA}
    if sprite:
        files["sprite"] = {"imagePath": SPRITE, "singleImageDim": [sprite.size, sprite.size]}
    return {"embeddings": [files]}


def _write(path: Path, lines: Iterable[str]) -> None:
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
