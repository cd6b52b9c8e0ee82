"""Folders: one folder of pictures (or of text files) a class, or one text file a class, with split folders or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.data.labelled.items import Broken, RawItems
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.config import LabelledConfig, Labels

LAYOUTS = (
    "pictures (a folder a class, or anywhere if they need no labels), a text file a class, a table, or idx files; "
    "in train, val and test or not"
)
_UNLABELLED = {"unlabelled", "unlabeled", "unsup", "unlabelled_data"}


def read_image_folder(folder: Path, pictures: list[Path], found: list[Path], labels: Labels = "required") -> RawItems:
    """Pictures below a folder: its folders are the classes, or train, val and test with the classes in each.

    Ids are paths relative to `folder`. Pictures in no class folder, or in one called `unlabelled`, have no label.
    Raises `UserError` where none has one, unless `labels` are optional.
    """
    from lab.data.labelled.image_facts import picture_files

    places = _places(folder, pictures)
    if labels == "required" and not any(name for _, name, _ in places):
        raise UserError(
            f"data.source: {folder}: {len(pictures):,} pictures but no class folders; expected {folder.name}/CLASS/…"
        )
    raw = picture_files([file.relative_to(folder).as_posix() for file in pictures], pictures, str(folder))
    raw.names = [name for _, name, _ in places]
    raw.columns["folder"] = [file.parent.relative_to(folder).as_posix() for file in pictures]
    if any(part for part, _, _ in places):
        raw.predefined = [part for part, _, _ in places]
    known = set(pictures)
    raw.strays = [
        Broken(file.relative_to(folder).as_posix(), f"not a picture ({file.suffix or 'no ending'}), passed over")
        for file in found
        if file not in known and file.parent != folder
    ]
    return raw


def _places(folder: Path, files: Sequence[Path]) -> list[tuple[str | None, str, Path]]:
    """For each file the part of the split and the class that its folders say ("" for none), and its relative path."""
    from lab.data.labelled.sources import part_of

    relative = [file.relative_to(folder) for file in files]
    top = {path.parts[0] for path in relative if len(path.parts) > 1}
    split = bool(top) and all(part_of(name) or name.lower() in _UNLABELLED for name in top)
    split = split and any(part_of(name) == "train" for name in top)
    places: list[tuple[str | None, str, Path]] = []
    for path in relative:
        parts = list(path.parts[:-1])
        part = part_of(parts.pop(0)) if split and parts and parts[0].lower() not in _UNLABELLED else None
        name = parts[0] if parts and parts[0].lower() not in _UNLABELLED else ""
        places.append((part, name, path))
    return places


def read_text_folder(folder: Path, files: list[Path], config: LabelledConfig) -> RawItems:
    """Text files below a folder: one file a class (an example a line), or one folder a class (an example a file).

    The class of a file is its name without its ending (`spam.txt`), or its ending where the names are the same
    (`rt-polarity.pos`, `rt-polarity.neg`). Ids are `file:line` (from 1), or the file's path.
    """
    from lab.data.labelled.sources import part_of

    if not files:
        raise UserError(f"data.source: {folder}: nothing in this folder that is known; expected {LAYOUTS}")
    relative = [file.relative_to(folder) for file in files]
    deep = [path for path in relative if len(path.parts) > 1 and not (len(path.parts) == 2 and part_of(path.parts[0]))]
    if deep:
        return _one_text_a_file(folder, files, config)
    names = _classes_of(relative)
    raw = RawItems("text", [], [], str(folder), "texts", texts=[])
    predefined: list[str | None] = []
    for file, path, name in zip(files, relative, names, strict=True):
        part = part_of(path.parts[0]) if len(path.parts) == 2 else None
        for number, text, problem in lines_of(file, config.encoding):
            if problem:
                raw.problems[len(raw.ids)] = problem
            raw.ids.append(f"{path.as_posix()}:{number}")
            raw.names.append(name)
            assert raw.texts is not None
            raw.texts.append(text)
            predefined.append(part)
    if any(predefined):
        raw.predefined = predefined
    same_encoding(raw, config)
    return raw


def _classes_of(paths: list[Path]) -> list[str]:
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    if all(len({path.stem for path in group}) == 1 and len(group) > 1 for group in by_folder.values()):
        return [path.suffix.lstrip(".") for path in paths]
    return ["" if path.stem.lower() in _UNLABELLED else path.stem for path in paths]


def lines_of(file: Path, encoding: str) -> list[tuple[int, str, str]]:
    """The lines of a text file as `(number from 1, text, problem)`; a line with bytes not of the encoding is a problem.

    Empty lines are passed over. Compressed files (.gz, .bz2, .xz) and byte-order marks are understood. Raises
    `UserError` for a file that cannot be read.
    """
    from lab.data.decoding import effective_encoding, read_text_lines

    if file.suffix.lower() in (".gz", ".bz2", ".xz") or _wide(effective_encoding(file, encoding)):
        return [(number, text.strip(), "") for number, _, text in read_text_lines(file, encoding) if text.strip()]
    encoding = effective_encoding(file, encoding)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), start=1):
        text, problem = decode(line, encoding)
        if problem or text:
            found.append((number, text, problem))
    return found


def decode(line: bytes, encoding: str) -> tuple[str, str]:
    """A line's text without blanks around it, and what is wrong with its bytes ("" for nothing)."""
    try:
        return line.decode(encoding).replace("\0", "").strip(), ""
    except UnicodeDecodeError as error:
        return "", f"not {encoding} (byte 0x{line[error.start]:02x})"


def _wide(encoding: str) -> bool:
    """Whether a line feed is more than one byte in an encoding."""
    return len("\n".encode(encoding)) != 1


def _one_text_a_file(folder: Path, files: list[Path], config: LabelledConfig) -> RawItems:
    from lab.data.decoding import read_text_lines

    places = _places(folder, files)
    raw = RawItems("text", [], [], str(folder), "texts", texts=[])
    assert raw.texts is not None
    for at, (file, (_, name, path)) in enumerate(zip(files, places, strict=True)):
        raw.ids.append(path.as_posix())
        raw.names.append(name)
        try:
            text = "\n".join(line for _, _, line in read_text_lines(file, config.encoding)).strip()
        except UserError as error:
            text, raw.problems[at] = "", str(error).removeprefix(f"{file}: ")
        if not text and at not in raw.problems:
            raw.problems[at] = "empty"
        raw.texts.append(text)
    if any(part for part, _, _ in places):
        raw.predefined = [part for part, _, _ in places]
    same_encoding(raw, config)
    return raw


def same_encoding(raw: RawItems, config: LabelledConfig) -> None:
    """Where many items are not of the encoding, it is the setting that is wrong. Raises `UserError`."""
    wrong = [problem for problem in raw.problems.values() if problem.startswith("not ")]
    if len(wrong) > max(10, len(raw.ids) // 1000):
        other = "latin-1 or cp1252" if config.encoding.lower().startswith("utf") else "utf-8"
        raise UserError(
            f"{raw.where}: {len(wrong):,} of {len(raw.ids):,} texts are {wrong[0]}; set data.encoding, such as {other}"
        )
