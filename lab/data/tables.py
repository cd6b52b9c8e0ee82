"""A text column of csv, parquet and json-lines files and of hub data sets, streamed through `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.data.config import CorpusConfig
from lab.data.fingerprint import file_fingerprint, remembered
from lab.data.sources import Source, table_kind
from lab.errors import LabError, UserError, nearest

_DEFAULT_COLUMNS = ("text", "sentence", "content", "document")
_SAMPLE = 200


def read_rows(source: Source, column: str | None, subset: str | None, hub_split: str) -> Iterator[tuple[str, str]]:
    """Rows as `(id, text)`, empty cells passed over; ids are `file:row` or, for a hub data set, `row`, from 0.

    Raises `UserError` for a column that is missing (naming the nearest) or holds no text, and a file that cannot be
    read as what its ending says.
    """
    parts = [(f"{name}:", [path]) for name, path in zip(source.names, source.files, strict=True)] or [("", [])]
    for prefix, files in parts:
        where = str(files[0]) if files else source.name
        rows = _open_hub(source.hub, subset, hub_split) if source.kind == "hub" else _open_file(files[0])
        yield from _texts(rows, where, prefix, column)


def _texts(rows: Any, where: str, prefix: str, column: str | None) -> Iterator[tuple[str, str]]:
    iterator = enumerate(_guarded(rows, where))
    chosen: str | None = None
    for number, row in iterator:
        if chosen is None:
            chosen = choose_column(list(row), column, where)
        value = row[chosen]
        if value is None:
            continue
        if not isinstance(value, str):
            raise UserError(
                f"{where}: column {chosen!r} holds {type(value).__name__}, not text (row {number}: {value!r})"
            )
        yield f"{prefix}{number}", value


def choose_column(columns: list[str], wanted: str | None, where: str) -> str:
    """The text column: the one asked for, else `text` or another usual name, else the only one there is.

    Raises `UserError` where it is missing or cannot be told.
    """
    if wanted is not None:
        if wanted in columns:
            return wanted
        near = nearest(wanted, columns, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(f"{where}: no column {wanted!r}{hint} The columns are {', '.join(columns)}")
    for usual in _DEFAULT_COLUMNS:
        if usual in columns:
            return usual
    if len(columns) == 1:
        return columns[0]
    raise UserError(f"{where}: which column is the text? Set data.column to one of {', '.join(columns)}")


def _open_file(path: Path) -> Any:
    """Rows of one file as dictionaries, streamed."""
    from datasets import load_dataset

    kind = table_kind(path)
    options: dict[str, Any] = {}
    if kind == "csv":
        options["sep"] = "\t" if ".tsv" in path.suffixes else ","
        options["keep_default_na"] = False  # "None" and "NA" are words
    return load_dataset(kind, data_files=str(path), split="train", streaming=True, **options)


def _open_hub(name: str, subset: str | None, split: str) -> Any:
    from datasets import load_dataset

    try:
        return load_dataset(name, subset, split=split, streaming=True)
    except Exception as error:
        raise hub_error(name, error) from None


def hub_error(name: str, error: Exception) -> LabError:
    """One line for whatever went wrong with a hub data set."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UserError(f"hf:{name}: cannot be read from the hub ({text}); check the name and the network, or give a path")


def _guarded(rows: Any, where: str) -> Iterator[dict[str, Any]]:
    """Rows, with what the readers below raise said in one line."""
    try:
        yield from rows
    except LabError:
        raise
    except Exception as error:
        text = str(error.__cause__ or error).strip().splitlines()
        raise UserError(f"{where}: cannot be read: {text[0] if text else type(error).__name__}") from None


def describe_table(source: Source, config: CorpusConfig) -> tuple[dict[str, int], list[str]]:
    """Counts of a table or hub data set, and the parts of its fingerprint. Raises as `read_rows` does."""
    settings = [str(config.column), str(config.subset), config.hub_split if source.kind == "hub" else ""]
    if source.kind == "hub":
        counts, revision = _describe_hub(config)
        return counts, [*settings, *revision]
    rows = 0
    parts = []

    def count(path: Path) -> int:
        single = Source("table", source.name, (path,), (path.name,))
        return sum(1 for _, text in read_rows(single, config.column, None, "") if text and not text.isspace())

    for name, path in zip(source.names, source.files, strict=True):
        parts += [name, file_fingerprint(path)]
        rows += remembered(path, f"rows of {config.column}", count)
    return {"rows": rows}, [*settings, *parts]


def _describe_hub(config: CorpusConfig) -> tuple[dict[str, int], list[str]]:
    """Rows as far as the hub's metadata tell, and the revision."""
    from datasets import load_dataset_builder
    from huggingface_hub import HfApi

    name = config.source[3:]
    try:
        revision = str(HfApi().dataset_info(name).sha)
        splits = load_dataset_builder(name, config.subset).info.splits or {}
    except Exception as error:
        raise hub_error(name, error) from None
    rows = splits[config.hub_split].num_examples if config.hub_split in splits else 0
    return {"rows": rows}, [revision]
