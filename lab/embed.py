"""Embedding new items with what a run learned, its stored preprocessing included, or with a pretrained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from lab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from lab.data.labelled.items import Items
    from lab.data.text import Line
    from lab.embeddings.space import EmbeddingSpace
    from lab.experiment import Encoder, PictureEncoder


def embed_items(
    model: str, data: str, column: str | None = None, encoding: str = "utf-8"
) -> tuple[EmbeddingSpace, list[str]]:
    """Embed every text or picture of `data` and return the space, and what was left out, `id: why`.

    `model`: a run, or a backbone. `data`: for texts a text file (an item a line), csv, tsv or parquet; for pictures a
    folder, one picture, a table of paths or a packaged name; for two towers also a table of what is known of one side.
    `column`: what holds the texts or paths of a table; `encoding`: of a text file. Ids are those of
    `lab.data.text.read_lines` (the text is kept as metadata), or the paths of pictures (their labels, where they have
    some, are kept).
    Raises `UserError` where nothing at all can be embedded.
    """
    from lab.data.labelled.tables import read_frame
    from lab.data.sources import table_kind
    from lab.trained_towers import TrainedTowers

    is_path = not data.startswith("hf:") and (Path(data).suffix or "/" in data)
    if is_path and not Path(data).expanduser().exists():  # told before a network is loaded
        raise UserError(f"{data}: no such file or folder (looked from {Path.cwd()})")
    encoder = find_encoder(model)
    if isinstance(encoder, TrainedTowers) and column is None and table_kind(Path(data)):
        return encoder.embed_table(read_frame(Path(data).expanduser(), encoding), Path(data).name)
    if encoder.kind == "image":
        return _embed_pictures(cast("PictureEncoder", encoder), model, data, column, encoding)
    return _embed_texts(encoder, model, data, column, encoding)


def embed_pictures(model: str, paths: Sequence[str]) -> np.ndarray:
    """Picture files as `model`, a run or a backbone, embeds them, (n, d) float32.

    Raises `UserError` where it embeds no pictures, and for pictures that cannot be read.
    """
    if Path(model).expanduser().is_file():
        raise UserError(f"{paths[0]}: a picture is embedded by a run that was trained on pictures; {model} is a file")
    encoder = find_encoder(model)
    if encoder.kind != "image":
        raise UserError(f"{paths[0]}: a picture, but {model} embeds texts")
    return encoder.encode(paths)


def _embed_texts(
    encoder: Encoder, model: str, data: str, column: str | None, encoding: str
) -> tuple[EmbeddingSpace, list[str]]:
    import numpy as np

    from lab.embeddings.space import EmbeddingSpace

    lines = _read(data, model, column, encoding)
    texts = [line.text.strip() for line in lines]
    vectors = encoder.encode(texts)
    known = ~np.isnan(vectors).any(axis=1)
    if not known.any():
        raise UserError(f"{data}: none of the {len(lines):,} items can be embedded by {model} (no known word in any)")
    kept = np.flatnonzero(known)
    space = EmbeddingSpace(
        [lines[i].id for i in kept], vectors[kept], {"text": [texts[i] for i in kept]}, f"{data} by {model}"
    )
    return space, [f"{lines[i].id}: no known word in it" for i in np.flatnonzero(~known)]


def _embed_pictures(
    encoder: PictureEncoder, model: str, data: str, column: str | None, encoding: str
) -> tuple[EmbeddingSpace, list[str]]:
    from lab.embeddings.space import EmbeddingSpace

    items = _pictures(data, model, column, encoding)
    labels = [items.classes[label] if label >= 0 else None for label in items.labels]
    metadata = {"label": labels} if items.classes else None
    space = EmbeddingSpace(items.ids, encoder.features(items), metadata, f"{data} by {model}")
    return space, [f"{broken.id}: {broken.problem}" for broken in items.broken]


def _pictures(data: str, model: str, column: str | None, encoding: str) -> Items:
    """The pictures of `data`; what is wrong with them is told in the words of `lab embed`, not in keys of a config."""
    from lab.data.labelled.new_items import load_new_items

    try:
        items = load_new_items(data, {"kind": "image", "encoding": encoding}, column)
    except UserError as error:
        text = str(error).removeprefix("data.source: ").replace("Set data.image", "Set --column")
        raise UserError(text.replace("data.image", "--column")) from error
    if items.kind != "image":
        raise UserError(
            f"{data} holds texts, but {model} embeds pictures; give a folder of them, one picture, or a table of paths"
        )
    return items


def _read(data: str, model: str, column: str | None, encoding: str) -> list[Line]:
    """The lines of `data`; what is wrong with them is told in the words of `lab embed`, not in keys of a config."""
    from pydantic import ValidationError

    from lab.data.config import CorpusConfig
    from lab.data.labelled.sources import is_picture
    from lab.data.text import read_lines

    if is_picture(data):
        raise UserError(f"{data}: a picture, but {model} embeds texts")
    try:
        lines = list(read_lines(CorpusConfig(source=data, column=column, encoding=encoding, unit="sentence")))
    except ValidationError as error:
        raise UserError(f"--encoding {encoding}: {error.errors()[0]['ctx']['error']}") from error
    except UserError as error:
        text = str(error).removeprefix("data.source: ").replace("data.encoding=", "--encoding ")
        raise UserError(text.replace("data.column", "--column")) from error
    if not lines:
        raise UserError(f"{data}: holds no text to embed")
    return lines


def find_encoder(model: str) -> Encoder:
    """Return what embeds like `model`: a backbone by name or folder, else a run."""
    from lab.spaces import find_run, is_backbone

    if is_backbone(model):
        return _backbone_encoder(model)
    return find_run(model).encoder()


def _backbone_encoder(name: str) -> Encoder:
    from lab.data.backbones import locate_backbone
    from lab.encoders import BackboneEncoder, TextEncoder

    location = locate_backbone(name)
    if location.kind == "image":
        from lab.models.backbone import load_backbone

        return BackboneEncoder(load_backbone(location))
    from lab.models.text_backbone import load_text_backbone

    return TextEncoder(load_text_backbone(location.source, name))
