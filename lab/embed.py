"""Embedding new items with what a run learned, its stored preprocessing included, or with a pretrained text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from lab.data.text import Line
    from lab.embeddings.space import EmbeddingSpace
    from lab.experiment import Encoder


def embed_items(
    model: str, data: str, column: str | None = None, encoding: str = "utf-8"
) -> tuple[EmbeddingSpace, list[str]]:
    """Embed every line or row of `data` and return the space, and the ids that could not be embedded.

    `model`: a run, a packaged text backbone or a transformers folder. `data`: a text file (an item a line), csv, tsv
    or parquet; `column`: the text of a table; `encoding`: of a text file. Ids are those of `lab.data.text.read_lines`;
    the text is kept as metadata.
    Raises `UserError` where nothing at all can be embedded.
    """
    import numpy as np

    from lab.embeddings.space import EmbeddingSpace

    lines = _read(data, column, encoding)
    texts = [line.text.strip() for line in lines]
    vectors = find_encoder(model).encode(texts)
    known = ~np.isnan(vectors).any(axis=1)
    if not known.any():
        raise UserError(f"{data}: none of the {len(lines):,} items can be embedded by {model} (no known word in any)")
    kept = np.flatnonzero(known)
    space = EmbeddingSpace(
        [lines[i].id for i in kept], vectors[kept], {"text": [texts[i] for i in kept]}, f"{data} by {model}"
    )
    return space, [lines[i].id for i in np.flatnonzero(~known)]


def _read(data: str, column: str | None, encoding: str) -> list[Line]:
    """The lines of `data`; what is wrong with them is told in the words of `lab embed`, not in keys of a config."""
    from pydantic import ValidationError

    from lab.data.config import CorpusConfig
    from lab.data.text import read_lines

    try:
        lines = list(read_lines(CorpusConfig(source=data, column=column, encoding=encoding, unit="sentence")))
    except ValidationError as error:
        raise UserError(f"--encoding {encoding}: expected {error.errors()[0]['ctx']['error']}") from error
    except UserError as error:
        text = str(error).removeprefix("data.source: ").replace("data.encoding=", "--encoding ")
        raise UserError(text.replace("data.column", "--column")) from error
    if not lines:
        raise UserError(f"{data}: holds no text to embed")
    return lines


def find_encoder(model: str) -> Encoder:
    """Return what embeds like `model`: a text backbone by name or folder, else a run."""
    from lab.spaces import find_run, is_text_backbone

    if is_text_backbone(model):
        from lab.data.backbones import locate_backbone
        from lab.models.text_backbone import load_text_backbone

        return _BackboneEncoder(load_text_backbone(locate_backbone(model, "transformers").source, model))
    return find_run(model).encoder()


class _BackboneEncoder:
    def __init__(self, backbone: object) -> None:
        self.backbone = backbone

    def encode(self, items: Sequence[str]) -> np.ndarray:
        from lab.models.text_backbone import encode_texts

        return encode_texts(self.backbone, items)  # type: ignore[arg-type]
