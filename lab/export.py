"""`lab export`: a space, or the network behind it, in the form that another tool reads.

`FORMATS` is the one place where a format is known: what writes it, and which endings its files have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab.atomic import check_writable
from lab.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np

    from lab.embeddings.projector import Sprite
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.run import Run

MOST_MAPPED = 20_000
"""Of more items no map is made for embedding-atlas, which would take minutes; it makes one itself."""
MOST_PICTURES = 10_000
"""Of more items no sprite is made: pictures of so few pixels show nothing."""


@dataclass(frozen=True)
class Source:
    """What is exported, by what a person types: a run, a vector file (`ids`: of a `.npy`) or a backbone."""

    reference: str
    ids: str | None = None

    @cached_property
    def run(self) -> Run | None:
        """The run; None for a file or a backbone. Raises `UserError` where it is none of these."""
        from lab.spaces import find_run, is_backbone

        if is_backbone(self.reference) or Path(self.reference).expanduser().is_file():
            return None
        return find_run(self.reference)

    @cached_property
    def space(self) -> EmbeddingSpace:
        """Its space: the run's default one, a file's vectors, a backbone's token table. Raises `UserError`."""
        from lab.spaces import vectors_from

        return self.run.space() if self.run else vectors_from(self.reference, self.ids)


@dataclass(frozen=True)
class Format:
    """`write(source, path)` writes it and says in words what it wrote; `endings` of its files, none: a folder."""

    write: Callable[[Source, Path], str]
    endings: tuple[str, ...] = ()


def export(source: str, to: str, output: Path, ids: str | None = None) -> str:
    """Write `source` in the format `to`, and say in words what was written.

    Raises `UserError` for an unknown format or a wrong ending, before anything is read, and for what the format cannot
    hold.
    """
    known = format_named(to)
    if known.endings:
        check_writable(output)
    check_ending(output, to, known)
    try:
        return known.write(Source(source, ids), output)
    except OSError as error:
        raise UserError(f"{output}: cannot be written: {error.strerror or error}") from None


def format_named(to: str) -> Format:
    """The format of a name. Raises `UserError`, naming the nearest."""
    if to not in FORMATS:
        alike = nearest(to, list(FORMATS), n=1)
        hint = f"; did you mean {alike[0]}?" if alike else ""
        raise UserError(f"unknown format {to!r}: use one of {', '.join(FORMATS)}{hint}")
    return FORMATS[to]


def check_ending(output: Path, to: str, known: Format) -> None:
    """Raise `UserError` where readers that go by the ending would take the file for something else."""
    if not known.endings:
        if output.is_file():
            raise UserError(f"{output}: is a file, and {to} is written into a folder; name one")
    elif not output.name.endswith(known.endings):
        better = output.with_suffix(known.endings[0])
        *others, last = known.endings
        endings = f"{', '.join(others)} or {last}" if others else last
        raise UserError(f"{output}: files of {to} end in {endings}; name the file {better}")


# --- the formats


def _vectors(name: str, *endings: str) -> Format:
    def write(source: Source, path: Path) -> str:
        from lab.embeddings.formats import write_vectors

        write_vectors(source.space, path, name)
        return f"{_counted(source.space)} as {name}"

    return Format(write, endings)


def _write_projector(source: Source, folder: Path) -> str:
    from lab.embeddings.projector import FILES, write_projector

    strange = sorted({path.name for path in folder.iterdir()} - set(FILES)) if folder.is_dir() else []
    if strange:
        raise UserError(f"{folder}: holds {strange[0]!r}, which is not the projector's; name an empty or a new folder")
    sprite = _sprite(source)
    write_projector(source.space, folder, sprite)
    pictures = ", with pictures" if sprite else ""
    return f"{_counted(source.space)}{pictures}; look at them with: tensorboard --logdir {folder}"


def _write_atlas(source: Source, path: Path) -> str:
    from lab.embeddings.atlas import write_atlas

    coordinates = _coordinates(source)
    write_atlas(source.space, path, coordinates)
    return f"{_counted(source.space)}{'' if coordinates is None else ' and their map'} for embedding-atlas"


def _write_onnx(source: Source, path: Path) -> str:
    from lab.export_onnx import write_onnx

    return write_onnx(source, path)


def _index(name: str) -> Format:
    def write(source: Source, folder: Path) -> str:
        from lab.serving.bundle import export_index, told_export

        return told_export(export_index(source.reference, folder, name, source.ids))

    return Format(write)


_TEXT = (".txt", ".vec", ".txt.gz", ".vec.gz")

FORMATS: dict[str, Format] = {
    "projector": Format(_write_projector),
    "atlas": Format(_write_atlas, (".parquet",)),
    "parquet": _vectors("parquet", ".parquet"),
    "word2vec": _vectors("word2vec", *_TEXT),
    "word2vec-binary": _vectors("word2vec-binary", ".bin", ".bin.gz"),
    "glove": _vectors("glove", *_TEXT),
    "npz": _vectors("npz", ".npz"),
    "gensim": _vectors("gensim", ".kv"),
    "onnx": Format(_write_onnx, (".onnx",)),
    **{name: _index(name) for name in ("faiss", "faiss-flat", "faiss-ivf", "faiss-hnsw")},
}


# --- what goes with a space


def _counted(space: EmbeddingSpace) -> str:
    return f"{len(space):,} vectors of {space.dim} dimensions"


def _coordinates(source: Source) -> np.ndarray | None:
    """The map of all items, (n, 2): the run's own where it is kept, else a new one; None where they are too many."""
    from lab.config.base import MapConfig
    from lab.embeddings.projection import MapSettings, cached, project

    run, space = source.run, source.space
    how = MapConfig.model_validate((run.config.get("report") or {}).get("map") or {}) if run else MapConfig()
    settings = MapSettings(how.method, how.metric, how.neighbors, how.min_dist, how.seed)
    if len(space) > MOST_MAPPED:
        return None
    return (cached(space, settings, run.path / "maps") if run else project(space, settings)).coordinates


def _sprite(source: Source) -> Sprite | None:
    """Small pictures of all items, where the run's items are pictures that are still what it read."""
    from lab.embeddings.projector import make_sprite
    from lab.report.thumbnails import pictures_of

    run, space = source.run, source.space
    if run is None or len(space) > MOST_PICTURES or "text" in space.metadata.columns:
        return None
    items = pictures_of(run)
    if items is None or items.images is None:
        return None
    places = {item: place for place, item in enumerate(items.ids)}
    if not places.keys() >= {*space.ids}:
        return None
    return make_sprite([items.images.picture(places[item]) for item in space.ids])
