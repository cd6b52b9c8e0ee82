"""A text column of csv, parquet and json-lines files and of hub data sets, streamed through `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from lab.data.config import CorpusConfig
from lab.data.decoding import count_lines, effective_encoding
from lab.data.fingerprint import file_fingerprint, remembered
from lab.data.sources import Source, table_kind
from lab.errors import LabError, UserError, nearest

_USUAL_COLUMNS = ("text", "sentence", "content", "document")
# Rows looked at to tell text from numbers in a csv, where everything is written in characters.
_SAMPLE = 100


def read_rows(source: Source, config: CorpusConfig) -> Iterator[tuple[str, str]]:
    """Rows as `(id, text)`, empty cells passed over; ids are `file:row` or, for a hub data set, `row`, from 0.

    Raises `UserError` for a column that is missing (naming the nearest) or holds no text, and a file or hub data set
    that cannot be read.
    """
    if source.kind == "hub":
        with _one_line_errors(source.name, source.hub):
            yield from _texts(_open_hub(source.hub, config), config.column, source.name, "")
    for name, path in zip(source.names, source.files, strict=True):
        with _one_line_errors(str(path), None, path, config.encoding):
            yield from _texts(_open_file(path, config), config.column, str(path), f"{name}:")


def _texts(rows: Any, column: str | None, where: str, prefix: str) -> Iterator[tuple[str, str]]:
    chosen: str | None = None
    for number, row in enumerate(rows):
        chosen = chosen or choose_column(list(row), column, where)
        value = row[chosen]
        if value is None:
            continue
        if not isinstance(value, str):
            raise _not_text(where, chosen, number, value)
        yield f"{prefix}{number}", value


def choose_column(columns: list[str], wanted: str | None, where: str) -> str:
    """The text column: the one asked for, else `text` or another usual name, else the only one there is.

    Raises `UserError` where it is missing or cannot be told.
    """
    if wanted is not None:
        if wanted in columns:
            return wanted
        near = nearest(wanted, columns, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"{where}: no column {wanted!r}; {hint}the columns are {', '.join(columns)}")
    for usual in _USUAL_COLUMNS:
        if usual in columns:
            return usual
    if len(columns) == 1:
        return columns[0]
    raise UserError(f"{where}: which column is the text? Set data.column to one of {', '.join(columns)}")


def _not_text(where: str, column: str, row: int, value: object) -> UserError:
    return UserError(
        f"{where}: column {column!r} holds {type(value).__name__}, not text (row {row}: {str(value)[:40]!r})"
    )


def _open_file(path: Path, config: CorpusConfig) -> Any:
    """Rows of one file as dictionaries, streamed."""
    from datasets import Features, Value, load_dataset

    if path.stat().st_size == 0:
        return []
    kind = table_kind(path)
    if kind != "csv":
        return load_dataset(kind, data_files=str(path), split="train", streaming=True)
    options: dict[str, Any] = {
        "sep": "\t" if ".tsv" in path.suffixes else ",",
        "keep_default_na": False,  # "None" and "NA" are words
        "encoding": effective_encoding(path, config.encoding),
    }
    rows = load_dataset("csv", data_files=str(path), split="train", streaming=True, **options)
    # Types are guessed anew every 10,000 rows, so the column is read as text, and told from numbers here.
    first = list(islice(rows, _SAMPLE))
    if not first:
        return []
    column = choose_column(list(first[0]), config.column, str(path))
    if all(not isinstance(row[column], str) for row in first):
        raise _not_text(str(path), column, 0, first[0][column])
    text = Features({column: Value("string")})
    return load_dataset(
        "csv", data_files=str(path), split="train", streaming=True, features=text, usecols=[column], **options
    )


def _open_hub(name: str, config: CorpusConfig) -> Any:
    from datasets import load_dataset

    return load_dataset(name, config.subset, split=config.hub_split, streaming=True)


def describe_table(source: Source, config: CorpusConfig) -> tuple[dict[str, int], list[str]]:
    """Counts of a table or hub data set, and the parts of its fingerprint. Raises as `read_rows` does."""
    if source.kind == "hub":
        counts, revision = _describe_hub(source, config)
        return counts, [str(config.column), str(config.subset), config.hub_split, revision]
    rows = 0
    parts = [str(config.column)]

    def count(path: Path) -> int:
        single = Source("table", source.name, (path,), (path.name,))
        return sum(1 for _, text in read_rows(single, config) if text and not text.isspace())

    for name, path in zip(source.names, source.files, strict=True):
        try:
            parts += [name, file_fingerprint(path)]
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        rows += remembered(path, f"rows of {config.column} in {config.encoding}", count)
    return {"rows": rows}, parts


def _describe_hub(source: Source, config: CorpusConfig) -> tuple[dict[str, int], str]:
    """Rows and columns as far as the hub's metadata tell, and the revision."""
    from datasets import load_dataset_builder
    from huggingface_hub import HfApi

    with _one_line_errors(source.name, source.hub):
        revision = str(HfApi().dataset_info(source.hub).sha)
        info = load_dataset_builder(source.hub, config.subset).info
    if info.features:
        choose_column(list(info.features), config.column, source.name)
    splits = info.splits or {}
    if splits and config.hub_split not in splits:
        raise UserError(f"{source.name}: no split {config.hub_split!r}; there is {', '.join(splits)}")
    return ({"rows": splits[config.hub_split].num_examples} if splits else {}), revision


@contextmanager
def _one_line_errors(where: str, hub: str | None, path: Path | None = None, encoding: str = "utf-8") -> Iterator[None]:
    """Say in one line what the readers below raise (any class they like), and keep their own logging quiet."""
    from datasets.utils import logging

    from lab.hub import unreachable

    away = unreachable() if hub is not None else ""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    except (LabError, GeneratorExit):
        raise
    except Exception as error:
        cause = error.__cause__ or error
        if path is not None and isinstance(cause, UnicodeDecodeError | EOFError):
            count_lines(path, encoding)  # says it better: which byte, or that the file is cut short
        said = re.sub(r"\s+", " ", str(cause)).strip()[:200] or type(cause).__name__
        if hub is not None:
            said = away or said
            said = f"cannot be read from the hub ({said}); check the name and the network, or give a local path"
        raise UserError(f"{where}: {said if hub else 'cannot be read: ' + said}") from None
    finally:
        logging.set_verbosity(verbosity)
