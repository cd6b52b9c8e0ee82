"""From `data.source` to raw items: which layout it is, and which module reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.data.show import PACKAGED
from lab.data.sources import TABLES, missing, table_kind
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.config import LabelledConfig, Labels
    from lab.data.labelled.items import RawItems

_READ = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".avif")
IMAGES = (*_READ, ".heic", ".heif")  # the last two cannot be read, and are told of
_PARTS = {
    "train": ("train", "training", "trainset"),
    "validation": ("val", "valid", "validation", "dev", "eval"),
    "test": ("test", "testing", "testset", "holdout"),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}
# Files that stand beside data and are none.
_PAPERS = {"readme", "license", "licence", "source", "notice", "copying", "changelog", "citation", "authors", "sources"}


def part_of(name: str) -> str | None:
    """`train`, `validation` or `test` for what people call them (val, valid, dev, …), else None."""
    return _PART_OF.get(name.strip().lower())


def read_source(config: LabelledConfig, labels: Labels = "required") -> RawItems:
    """The raw items of a source. Raises `UserError` for one that is not there or of no known layout.

    Where `labels` are `optional`, also a folder of pictures in no class folders, a table without a label column, idx
    files without those of labels, and a text file of one text a line.
    """
    from lab.data.labelled import arrays, folders, tables

    name = config.source
    if config.subset and not name.startswith("hf:"):
        raise UserError(f"data.subset: {config.subset!r}: only a hub data set (hf:NAME) has subsets; remove the key")
    if name in PACKAGED:
        without_columns(config, "packaged")
        if name == "wikipedia-topics":
            from lab.data.labelled.topics import wikipedia_topics

            return wikipedia_topics()
        return arrays.packaged_digits(name)
    if name.startswith("hf:"):
        from lab.data.labelled.hub import read_hub

        return read_hub(config, labels)
    path = Path(name).expanduser()
    if path.is_dir():
        return _read_folder(path, config, labels)
    if not path.exists():
        raise UserError(f"data.source: {missing(name, path, list(PACKAGED))}")
    if table_kind(path):
        return tables.read_table([(path, None)], path.parent, config, labels)
    if is_picture(name):
        raise UserError(f"data.source: {name}: one picture; name a folder of them")
    lines = tables.read_labelled_lines(path, config)
    without_columns(config, "a text file")
    if lines is not None:
        return lines
    if labels == "optional":
        return tables.read_unlabelled_lines(path, config.encoding)
    known = ", ".join([*TABLES, "text of lines `label TAB text`"])
    raise UserError(
        f"data.source: {name}: a file of no known kind; expected {known} or a folder (in it: {folders.LAYOUTS})"
    )


def _read_folder(path: Path, config: LabelledConfig, labels: Labels) -> RawItems:
    from lab.data.labelled import arrays, folders, tables

    found = visible_files(path)
    if any(arrays.is_idx(file) for file in found):
        without_columns(config, "a folder of idx files")
        return arrays.read_idx(path, found, labels)
    listed = [file for file in found if table_kind(file)]
    pictures = [file for file in found if is_picture(file)]
    if pictures and config.kind != "text" and not _table_of_pictures(path, listed):
        without_columns(config, "a folder of pictures")
        return folders.read_image_folder(path, pictures, found, labels)
    texts = [file for file in found if not table_kind(file) and file not in pictures]
    if listed:
        return tables.read_table(_tables_of(path, listed), path, config, labels)
    without_columns(config, "a folder of texts" if texts else "a folder")
    if len(texts) == 1 and (lines := tables.read_labelled_lines(texts[0], config)) is not None:
        return lines
    return folders.read_text_folder(path, texts, config)


def without_columns(config: LabelledConfig, what: str) -> None:
    """Raise `UserError` where a column is named of a source that has none."""
    for key in ("text", "image", "label", "id"):
        if (named := getattr(config, key)) is not None:
            raise UserError(
                f"data.{key}: {named!r}: {config.source} is {what}, without columns; remove the key, or name a table"
            )


def _table_of_pictures(path: Path, tables: list[Path]) -> bool:
    """Whether one table stands at the top of a folder of pictures that are in no class folders."""
    at_top = [file for file in tables if file.parent == path]
    if len(at_top) != 1:
        return False
    import json

    start = at_top[0].open("rb").read(4096)
    header = start.split(b"\n", 1)[0].lower()
    if at_top[0].suffix.lower() == ".jsonl":
        try:
            header = " ".join(json.loads(header)).encode()
        except ValueError:
            return False
    return b"label" in header or b"class" in header


def _tables_of(path: Path, tables: list[Path]) -> list[tuple[Path, str | None]]:
    """The tables of a folder, each with the part of the split it is named after."""
    parts = [(file, part_of(file.name.split(".", 1)[0].split("-", 1)[0])) for file in tables]
    if len(parts) == 1:
        return [(parts[0][0], None)]
    if all(part for _, part in parts):
        return parts
    names = ", ".join(file.relative_to(path).as_posix() for file in tables[:5])
    raise UserError(
        f"data.source: {path}: several tables ({names}); name one of them, or call them train, validation and test"
    )


def is_picture(name: str | Path) -> bool:
    """Whether a file's name is that of a picture."""
    return Path(name).suffix.lower() in IMAGES


def visible_files(folder: Path) -> list[Path]:
    """The files below a folder, sorted; hidden ones and papers (README, LICENSE, …) left out."""
    import os

    found = []
    for parent, inner, files in os.walk(folder, followlinks=True):
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__MACOSX")))
        found += [Path(parent, name) for name in files if not name.startswith(".") and not is_paper(name)]
    return sorted(found)


def is_paper(name: str) -> bool:
    """Whether a file's name is that of a README, a licence and the like."""
    stem, _, ending = name.partition(".")
    return (stem.lower() in _PAPERS and ending.lower() in ("", "txt", "md", "rst", "html")) or name == "Thumbs.db"
