"""Tables (.csv, .tsv, .parquet, .jsonl) of texts or of picture paths with a label column."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.data.labelled.folders import same_encoding
from lab.data.labelled.items import RawItems
from lab.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from lab.data.labelled.config import LabelledConfig, Labels

LABELS = ("label", "labels", "class", "category", "target", "intent")
TEXTS = ("text", "sentence", "content", "document")
PICTURES = ("image", "path", "file", "filename", "file_name", "image_path")
IDS = ("id",)
_PARTS = ("split",)
# Stands for bytes that are not of the encoding, so that their row can be told: the last character of private use.
_ESCAPED = "\U0010fffd"


def read_table(
    files: Sequence[tuple[Path, str | None]], folder: Path, config: LabelledConfig, labels: Labels = "required"
) -> RawItems:
    """The rows of tables as raw items; each file comes with the part of the split that it is (None: all of it).

    Ids are the id column's values, for pictures their paths, else `file:row` from 0. Paths are relative to the
    table's folder. A `split` column says which part a row belongs to. Raises `UserError` for a column that is missing
    or cannot be told, and a file that cannot be read.
    """
    import pandas as pd

    tables = [read_frame(file, config.encoding) for file, _ in files]
    where = str(files[0][0]) if len(files) == 1 else str(folder)
    for (file, _), table in zip(files, tables, strict=True):
        if list(table.columns) != list(tables[0].columns):
            raise UserError(f"{file}: other columns than {files[0][0].name}: {', '.join(map(str, table.columns))}")
    rows = [f"{file.name}:{row}" for (file, _), table in zip(files, tables, strict=True) for row in range(len(table))]
    parts = [part for (_, part), table in zip(files, tables, strict=True) for _ in range(len(table))]
    table = pd.concat(tables, ignore_index=True)
    return items_of_frame(table, rows, parts if len(files) > 1 else None, where, folder, config, labels)


def items_of_frame(
    table: pd.DataFrame,
    rows: list[str],
    parts: list[str | None] | None,
    where: str,
    folder: Path | None,
    config: LabelledConfig,
    labels: Labels = "required",
) -> RawItems:
    """Raw items of a table; `rows` names each row, `folder` is where relative paths start."""
    columns = [str(column) for column in table.columns]
    table.columns = columns
    label = choose(columns, config.label, LABELS, where, "label", needed=labels == "required")
    others = [column for column in columns if column != label]
    kind, content = _content(table, others, where, config)
    key = choose(others, config.id, IDS, where, "id", needed=config.id is not None)
    if kind == "text":
        raw = RawItems("text", rows, [], where, "texts", texts=_texts(table[content]))
        _odd_texts(raw, config.encoding)
        same_encoding(raw, config)
    else:
        raw = _pictures(table[content], rows, where, folder, own_ids=key is not None)
    if key is not None:
        raw.ids = [_plain(value) for value in table[key]]
    raw.names = [_plain(value) for value in table[label]] if label else [""] * len(raw.ids)
    _escaped_labels(raw, config)
    part = next((name for name in others if name.lower() in _PARTS), None)
    # The label stays under its own name too, for `by: category`.
    raw.columns |= {name: list(table[name]) for name in columns if name not in (content, key)}
    raw.predefined = parts
    if parts is None and part is not None:
        raw.predefined = _parts_of(table[part])
    return raw


def _content(table: pd.DataFrame, columns: list[str], where: str, config: LabelledConfig) -> tuple[str, str]:
    """Whether the rows are texts or pictures, and the column that holds them."""
    if config.text and config.image:
        raise UserError("data.text and data.image: only one of them")
    shown = [column for column in columns if _looks_like_pictures(table[column])]
    if config.kind == "image" or config.image:
        usual = (*PICTURES, *(column.lower() for column in shown)) if len(shown) == 1 else PICTURES
        return "image", str(choose(columns, config.image, usual, where, "image"))
    if config.kind == "text" or config.text:
        return "text", str(choose(columns, config.text, TEXTS, where, "text"))
    text = choose(columns, None, TEXTS, where, "text", needed=False)
    image = choose(shown, None, PICTURES, where, "image", needed=False)
    if not text and (image or len(shown) == 1):
        return "image", image or shown[0]
    if text:
        return "text", text
    prose = [column for column in columns if _looks_like_prose(table[column])]
    if len(prose) == 1:
        return "text", prose[0]
    return "text", str(choose(columns, None, TEXTS, where, "text"))


def _looks_like_pictures(values: pd.Series) -> bool:
    from lab.data.labelled.sources import IMAGES

    first = next((value for value in values if value), "")
    return isinstance(first, bytes | dict) or str(first).lower().endswith(IMAGES)


def _looks_like_prose(values: pd.Series) -> bool:
    sample = [value for value in values[:200] if isinstance(value, str)]
    return bool(sample) and sum(" " in value.strip() for value in sample) > len(sample) / 2


def choose(
    columns: list[str], wanted: str | None, usual: Sequence[str], where: str, key: str, *, needed: bool = True
) -> str | None:
    """The column asked for, else the first of the usual names that is there (None where not `needed`).

    Raises `UserError` with the columns there are, and the nearest to the one asked for.
    """
    there = f"the columns are {', '.join(columns)}"
    if wanted is not None:
        if wanted in columns:
            return wanted
        near = nearest(wanted, columns, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"{where}: no column {wanted!r} (data.{key}); {hint}{there}")
    found = next((column for name in usual for column in columns if column.lower() == name), None)
    if found is None and needed:
        raise UserError(f"{where}: which column is the {key}? Set data.{key}; {there}")
    return found


def _plain(value: object) -> str:
    """A label or id as text: 3.0 of a column with gaps is 3, None and NaN are none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _texts(values: pd.Series) -> list[str]:
    return ["" if value is None or value != value else str(value).replace("\0", "").strip() for value in values]


def _odd_texts(raw: RawItems, encoding: str) -> None:
    assert raw.texts is not None
    for at, text in enumerate(raw.texts):
        if is_escaped(text):
            raw.problems[at] = f"not {encoding}"
            raw.texts[at] = text.replace(_ESCAPED, "?")
        elif not text:
            raw.problems[at] = "empty text"


def is_escaped(text: str) -> bool:
    """Whether a text holds bytes that were not of the encoding it was read in."""
    return _ESCAPED in text


def _escaped_labels(raw: RawItems, config: LabelledConfig) -> None:
    for at, name in enumerate(raw.names):
        if is_escaped(name):
            raw.problems[at] = f"label not {config.encoding} (set data.encoding)"
            raw.names[at] = ""


def _pictures(values: pd.Series, rows: list[str], where: str, folder: Path | None, *, own_ids: bool) -> RawItems:
    from lab.data.labelled.image_facts import picture_bytes, picture_files

    first = next((value for value in values if value is not None and value == value), None)
    if isinstance(first, bytes | dict):  # pictures inside a Parquet file
        contents = [value.get("bytes") or b"" if isinstance(value, dict) else value or b"" for value in values]
        return picture_bytes(rows, contents, where)
    named = ["" if value is None or value != value else str(value).strip() for value in values]
    files = [(folder or Path()) / Path(name).expanduser() for name in named]
    ids = named if not own_ids and len(set(named)) == len(named) and all(named) else rows
    raw = picture_files(ids, files, where)
    for at, name in enumerate(named):
        if not name:
            raw.problems[at] = "no path"
    return raw


def _parts_of(values: pd.Series) -> list[str | None] | None:
    from lab.data.labelled.sources import part_of

    parts = [part_of(_plain(value)) for value in values]
    return parts if any(parts) else None


def read_frame(file: Path, encoding: str) -> pd.DataFrame:
    """A table, every cell of a csv or tsv as text. Raises `UserError` for a file that cannot be read.

    Bytes that are not of the encoding come as a character that no text holds (see `is_escaped`).
    """
    import pandas as pd

    from lab.data.decoding import effective_encoding
    from lab.data.sources import table_kind

    try:
        if file.stat().st_size == 0:
            raise UserError(f"{file}: an empty file")
        kind = table_kind(file)
        if kind == "parquet":
            return pd.read_parquet(file)
        content = _opened(file)
        text = re.sub(
            "[\udc80-\udcff]", _ESCAPED, content.decode(effective_encoding(file, encoding), "surrogateescape")
        )
        if kind == "json":
            return _json_lines(text, file)
        separator = "\t" if ".tsv" in [suffix.lower() for suffix in file.suffixes] else _separator(text)
        table = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, sep=separator, encoding_errors="ignore"
        )
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:  # pandas' ParserError, ArrowInvalid and UnicodeError are ValueErrors
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{file}: cannot be read: {said}") from None
    return table


def _opened(file: Path) -> bytes:
    import bz2
    import gzip
    import lzma

    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    with openers.get(file.suffix.lower(), open)(file, "rb") as stream:  # type: ignore[operator]
        return bytes(stream.read())


def _separator(text: str) -> str:
    """Comma, or semicolon where the header has those and no comma (as spreadsheets of half of Europe write)."""
    header = text.split("\n", 1)[0]
    return ";" if ";" in header and "," not in header else "\t" if "\t" in header and "," not in header else ","


def _json_lines(text: str, file: Path) -> pd.DataFrame:
    import json

    import pandas as pd

    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{file}: line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise UserError(f'{file}: line {number}: expected an object such as {{"text": …, "label": …}}')
        rows.append(row)
    return pd.DataFrame(rows)


def read_labelled_lines(file: Path, config: LabelledConfig) -> RawItems | None:
    """The lines of a text file that are all `label TAB text`, or begin with fastText's `__label__NAME`; else None.

    Ids are `file:line` from 1.
    """
    from lab.data.labelled.folders import lines_of

    lines = lines_of(file, config.encoding)
    sound = [text for _, text, problem in lines if not problem]
    if sound and all(text.startswith("__label__") for text in sound):
        parted = [text.removeprefix("__label__").partition(" ") for _, text, _ in lines]
    elif sound and all("\t" in text for text in sound):
        parted = [text.partition("\t") for _, text, _ in lines]
        if len({label for label, _, _ in parted}) > max(2, len(lines) // 5):
            return None
    else:
        return None
    ids = [f"{file.name}:{number}" for number, _, _ in lines]
    raw = RawItems("text", ids, [label for label, _, _ in parted], str(file), "texts")
    raw.texts = [text.strip() for _, _, text in parted]
    raw.problems = {at: "empty text" for at, text in enumerate(raw.texts) if not text}
    raw.problems |= {at: problem for at, (_, _, problem) in enumerate(lines) if problem}
    return raw


def read_unlabelled_lines(file: Path, encoding: str) -> RawItems:
    """The lines of a text file, a text each. Ids are `file:line` from 1."""
    from lab.data.labelled.folders import lines_of

    lines = lines_of(file, encoding)
    raw = RawItems("text", [f"{file.name}:{number}" for number, _, _ in lines], [""] * len(lines), str(file), "texts")
    raw.texts = [text for _, text, _ in lines]
    raw.problems = {at: problem for at, (_, _, problem) in enumerate(lines) if problem}
    return raw
