"""Vectors in the formats of other tools, in and out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lab.atomic import replacing
from lab.embeddings.space import EmbeddingSpace
from lab.embeddings.text_formats import read_text_or_binary, refusal_of_pickle, write_binary, write_text
from lab.errors import UserError, nearest

PICKLES = (".kv", ".model", ".pkl", ".pickle", ".joblib")


def read_vectors(path: str | Path, ids_file: str | Path | None = None) -> EmbeddingSpace:
    """Read vectors of any of these formats, known by ending and content; each is checked in full.

    Parquet (`id`, `vector`); `.npz` with `ids` and `vectors`; `.npy` with `ids_file`, UTF-8, an id a line; word2vec
    text and binary; GloVe text; fastText `.vec`; the text ones also as `.gz` or `.bz2`. Raises `UserError` in one
    line that names the file and the line, row or byte. Pickles (gensim's `.kv`) are refused, with the line of gensim
    that converts them.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if ids_file is not None and path.suffix != ".npy":
        raise UserError(f"{path}: a file of ids is for .npy; this format holds its ids itself")
    if path.suffix in PICKLES:
        raise UserError(refusal_of_pickle(path))
    if path.suffix == ".parquet":
        return EmbeddingSpace.load(path)
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix == ".npy":
        return _read_npy(path, ids_file)
    return read_text_or_binary(path)


def write_vectors(space: EmbeddingSpace, path: str | Path, format: str) -> None:
    """Write a space as one of `WRITERS`, whole or not at all; the folder is made where it is missing.

    Only Parquet keeps the metadata; gensim keeps a `count`. Raises `UserError` for an unknown format, and for ids
    that the format cannot hold.
    """
    if format not in WRITERS:
        alike = nearest(format, list(WRITERS), n=1)
        hint = f"; did you mean {alike[0]}?" if alike else ""
        raise UserError(f"unknown format {format!r}: use one of {', '.join(WRITERS)}{hint}")
    try:
        WRITERS[format](space, Path(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


# --- NumPy


def _read_npz(path: Path) -> EmbeddingSpace:
    with _numpy_errors(path), np.load(path, allow_pickle=False) as archive:
        missing = {"ids", "vectors"} - set(archive.files)
        if missing:
            raise UserError(
                f"{path}: no array {' or '.join(map(repr, sorted(missing)))} in it, only {', '.join(archive.files)}"
            )
        ids, vectors = archive["ids"], archive["vectors"]
    if ids.ndim != 1 or ids.dtype.kind not in "Uiu":
        raise UserError(f"{path}: 'ids' must be a list of strings, not {ids.dtype} of shape {ids.shape}")
    return _space(path, list(ids.astype(str)), vectors)


def _read_npy(path: Path, ids_file: str | Path | None) -> EmbeddingSpace:
    if ids_file is None:
        raise UserError(f"{path}: a .npy has no names for its rows; give a file of ids, one a line (--ids FILE)")
    with _numpy_errors(path):
        vectors = np.load(path, allow_pickle=False)
    ids = _read_ids(Path(ids_file))
    if vectors.ndim == 2 and len(ids) != len(vectors):
        raise UserError(f"{ids_file}: {len(ids):,} ids for the {len(vectors):,} vectors of {path}")
    return _space(path, ids, vectors)


def _read_ids(path: Path) -> list[str]:
    lines: dict[str, int] = {}
    try:
        with open(path, "rb") as file:
            for count, line in enumerate(file, start=1):
                item = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8-sig" if count == 1 else "utf-8")
                if not item:
                    raise UserError(f"{path}: line {count:,}: empty; each line holds one id")
                if lines.setdefault(item, count) != count:
                    raise UserError(f"{path}: line {count:,}: {item!r} stands already in line {lines[item]:,}")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: line {count:,}: not valid UTF-8 (byte 0x{error.object[error.start]:02x})") from None
    return list(lines)


@contextmanager
def _numpy_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        if str(error).startswith("Object arrays"):
            raise UserError(
                f"{path}: holds Python objects (a pickle), which are never read; save ids as np.array(ids, dtype=str)"
            ) from None
        raise UserError(f"{path}: not a readable NumPy file: {' '.join(str(error).split())}") from None


def _space(path: Path, ids: list[str], vectors: np.ndarray) -> EmbeddingSpace:
    try:
        return EmbeddingSpace(ids, vectors, name=path.stem)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _write_npz(space: EmbeddingSpace, path: Path) -> None:
    ids = space.ids.astype(str)
    if (ids.astype(object) != space.ids).any():  # NumPy's strings end at their last character that is not NUL
        raise UserError(f"{path}: an id ends in a NUL character, which npz cannot hold; use parquet")
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, ids=ids, vectors=space.vectors)


# --- gensim


def _write_gensim(space: EmbeddingSpace, path: Path) -> None:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(space.dim)
    keyed.add_vectors(list(space.ids), space.vectors)
    counts = space.metadata.get("count")
    if counts is not None and counts.dtype.kind in "iu":
        for item, count in zip(space.ids, counts, strict=True):
            keyed.set_vecattr(item, "count", int(count))
    with replacing(path) as temporary:
        keyed.save(str(temporary), sep_limit=2**63)  # all in one file, large arrays too


WRITERS: dict[str, Callable[[EmbeddingSpace, Path], None]] = {
    "word2vec": lambda space, path: write_text(space, path, header=True),
    "word2vec-binary": write_binary,
    "glove": lambda space, path: write_text(space, path, header=False),
    "npz": _write_npz,
    "parquet": lambda space, path: space.save(path),
    "gensim": _write_gensim,
}
