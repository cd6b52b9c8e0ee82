"""Finding an embedding space by what a person types: a run, a vector file, or a pretrained backbone's token table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError, nearest

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.run import Run


def find_space(reference: str, ids: str | None = None) -> EmbeddingSpace:
    """Return the space that `reference` names: as `vectors_from` does, else a run's default space.

    Raises `UserError` where nothing is found.
    """
    if is_text_backbone(reference) or Path(reference).expanduser().is_file():
        return vectors_from(reference, ids)
    return find_run(reference).space()


def find_run(reference: str) -> Run:
    """Return the run that `reference` names, where a vector file or a text backbone might have been meant as well.

    Raises `UserError` as `load_run` does, and says so where a file or a backbone was misspelt.
    """
    from lab.runs.refs import load_run

    if Path(reference).suffix and ":" not in reference and not Path(reference).expanduser().exists():
        raise UserError(f"{reference}: no such file (looked from {Path.cwd()})")
    try:
        return load_run(reference)
    except UserError as error:
        alike = nearest(reference, _backbones(), 1)
        raise UserError(f"{error}{f'; or did you mean {alike[0]}?' if alike else ''}") from error


def vectors_from(source: str, ids: str | None = None) -> EmbeddingSpace:
    """Return the static token table of a packaged backbone or transformers folder, or the vectors of a file.

    The file is read by its format (`ids`: the file that names the rows of a `.npy`).
    Raises `UserError` where it cannot be read.
    """
    if is_text_backbone(source):
        return token_space(source)
    from lab.embeddings.formats import read_vectors

    return read_vectors(Path(source).expanduser(), ids_file=Path(ids).expanduser() if ids else None)


def is_text_backbone(reference: str) -> bool:
    """Whether `reference` names a packaged text encoder or a local transformers folder."""
    return reference in _backbones() or (Path(reference).expanduser() / "config.json").is_file()


def is_backbone(reference: str) -> bool:
    """Whether `reference` names a pretrained network: packaged, a local folder, `timm:NAME` or `torchvision:NAME`."""
    return is_text_backbone(reference) or reference.startswith(("timm:", "torchvision:"))


def _backbones() -> list[str]:
    from lab.data.packaged import packaged

    return [entry.name for entry in packaged("backbone")]


def token_space(name: str) -> EmbeddingSpace:
    """Return a backbone's static token table as a space; `kind` says word, piece (`##ing`) or special (`[CLS]`).

    Placeholders that no text produces (`[unused1]`) are left out.
    """
    import numpy as np
    import pandas as pd

    from lab.data.backbones import locate_backbone
    from lab.embeddings.space import EmbeddingSpace
    from lab.models.text_backbone import read_token_table, token_kind

    tokens, vectors = read_token_table(Path(locate_backbone(name, "transformers").source))
    kinds = np.array([token_kind(token) for token in tokens])
    kept = kinds != "unused"
    metadata = pd.DataFrame({"kind": kinds[kept]})
    return EmbeddingSpace(np.array(tokens)[kept], vectors[kept], metadata, name=f"{name} tokens")
