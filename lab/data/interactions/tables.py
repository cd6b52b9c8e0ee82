"""Tables of interactions (.csv, .tsv, .parquet, .jsonl, hub data sets), millions of rows, and side tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.data.interactions.columns import MISSING, ids_of, numbers_of, plain, times_of, typed
from lab.data.interactions.interactions import RawInteractions, row_words
from lab.data.labelled.tables import choose, read_frame
from lab.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lab.data.interactions.config import InteractionsConfig

USERS = (
    *("user_id", "userid", "user", "query-id", "query_id", "qid", "query", "customer_id", "visitorid", "reviewerid"),
    *("member_id", "session_id", "author_id", "mention_id", "left"),
)
ITEMS = (
    *("item_id", "itemid", "item", "movieid", "movie_id", "corpus-id", "corpus_id", "doc_id", "docid", "document_id"),
    *("product_id", "productid", "article_id", "artistid", "artist_id", "track_id", "book_id", "isbn", "asin"),
    *("parent_asin", "business_id", "entity_id", "page_id", "right"),
)
VALUES = ("rating", "value", "score", "stars", "overall", "plays", "count")
TIMES = ("timestamp", "time", "datetime", "date", "unixreviewtime", "ts")
WEIGHTS = ("weight",)
_USUAL = {"user": USERS, "item": ITEMS, "value": VALUES, "timestamp": TIMES, "weight": WEIGHTS}
_NUMBERS = ("value", "timestamp", "weight")


def choose_columns(
    columns: Sequence[str], config: InteractionsConfig, where: str, *, with_types: bool = False
) -> dict[str, str]:
    """The column of each role (user, item, and those of value, timestamp, weight that are there).

    `with_types`: names end in RecBole's types (`user_id:token`), which nobody has to write.
    Raises `UserError` for one that is missing or cannot be told, with the nearest, and for one with two roles.
    """
    written = {(name.partition(":")[0] if with_types else name).strip(): name for name in columns}
    names = list(written)
    chosen = {}
    for role, usual in _USUAL.items():
        needed = role in ("user", "item")
        found = choose(names, getattr(config, role), usual, where, role, needed=needed)
        if found is not None:
            chosen[role] = found
    for role, name in chosen.items():
        twice = [other for other, same in chosen.items() if same == name and other != role]
        if twice:
            raise UserError(f"{where}: the column {name!r} is both data.{role} and data.{twice[0]}; name another")
    return {role: written[name] for role, name in chosen.items()}


def read_csv(
    file: Path, roles: dict[str, str], *, separator: str, encoding: str, names: list[str] | None = None
) -> tuple[pa.Table, np.ndarray]:
    """The columns of some roles of a delimited file, ids encoded, and the rows that are malformed.

    `names`: the columns of a file without a header. Numbers come as text where some are none. Raises `UserError` for
    a file that cannot be read.
    """
    import lzma
    import zlib

    import pyarrow as pa

    malformed: list[int] = []

    def note(row: Any) -> str:
        malformed.append(row.number - (1 if names else 2))  # Arrow counts rows from 1, the header included
        return "skip"

    try:
        try:
            table = _parsed(file, roles, separator, encoding, names, numeric=True)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error).lower() and "columns, got" not in str(error):
                raise
            table = _parsed(file, roles, separator, encoding, names, numeric=False, malformed=note)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:  # ArrowInvalid is a ValueError
        said = " ".join(str(error).split())[:200]
        if "utf8" in said.lower():
            said = f"not {encoding}; name the file's encoding, such as data.encoding=latin-1"
        raise UserError(f"{file}: cannot be read: {said}") from None
    return table, np.array(malformed, dtype=np.int64)


def _parsed(
    file: Path,
    roles: dict[str, str],
    separator: str,
    encoding: str,
    names: list[str] | None,
    *,
    numeric: bool,
    malformed: Any = None,
) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    from lab.data.decoding import effective_encoding

    types: dict[str, Any] = {roles[role]: pa.dictionary(pa.int32(), pa.string()) for role in ("user", "item")}
    types |= {roles[role]: pa.float64() if numeric else pa.string() for role in _NUMBERS if role in roles}
    with opened(file) as stream:
        return csv.read_csv(
            stream,
            read_options=csv.ReadOptions(
                column_names=names,
                use_threads=malformed is None,  # rows are numbered by one thread only
                encoding=effective_encoding(file, encoding),
                block_size=1 << 22,
            ),
            parse_options=csv.ParseOptions(
                delimiter=separator, newlines_in_values=separator != "\t", invalid_row_handler=malformed
            ),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=list(MISSING),
                strings_can_be_null=True,
                decimal_point="," if separator == ";" else ".",  # as spreadsheets of half of Europe write
                quoted_strings_can_be_null=True,
            ),
        )


def opened(file: Path) -> Any:
    """A file as a stream of bytes, decompressed (.gz, .bz2, .xz)."""
    import bz2
    import gzip
    import lzma

    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers.get(file.suffix.lower(), open)(file, "rb")  # type: ignore[operator]


def header_of(file: Path, encoding: str) -> tuple[list[str], str]:
    """The column names of a delimited file and the character between them. Raises `UserError` for an empty file."""
    import csv

    from lab.data.decoding import read_text_lines

    line = next((text for _, _, text in read_text_lines(file, encoding) if text.strip()), None)
    if line is None:
        raise UserError(f"{file}: an empty file")
    separator = max(",\t;|", key=line.count)
    columns = next(csv.reader([line], delimiter=separator))
    if all(name.replace(".", "").strip().isdigit() for name in columns):
        raise UserError(f"{file}: its first line ({line[:60]}) is no header; put the column names on top")
    return columns, separator


def columns_of(file: Path, encoding: str = "utf-8") -> list[str]:
    """The names of the columns of a table (.csv, .tsv, .parquet, .jsonl). Raises `UserError` where there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lab.data.sources import table_kind

    kind = table_kind(file)
    if kind == "csv":
        return [name.strip() for name in header_of(file, encoding)[0]]
    if kind == "json":
        return [str(name) for name in read_frame(file, encoding).columns]
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())[:200]}") from None


def read_table(file: Path, config: InteractionsConfig) -> tuple[pa.Table, dict[str, str], np.ndarray]:
    """The columns that matter of a table, their roles, and its malformed rows. Raises `UserError`, see above."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lab.data.sources import table_kind

    kind = table_kind(file)
    whole = np.zeros(0, dtype=np.int64)
    if kind == "parquet":
        try:
            roles = choose_columns(pq.read_schema(file).names, config, str(file))
            return pq.read_table(file, columns=list(roles.values())), roles, whole
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    if kind == "json":
        frame = read_frame(file, config.encoding)
        roles = choose_columns([str(name) for name in frame.columns], config, str(file))
        cells = {name: [plain(value) or None for value in frame[name]] for name in roles.values()}
        return pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()}), roles, whole
    columns, separator = header_of(file, config.encoding)
    roles = choose_columns(columns, config, str(file))
    table, malformed = read_csv(file, roles, separator=separator, encoding=config.encoding)
    return table, roles, malformed


def read_hub(config: InteractionsConfig) -> tuple[pa.Table, dict[str, str]]:
    """The columns that matter of one split of `hf:NAME`, and their roles. Raises `UserError` where it cannot be had."""
    from lab.data.labelled.hub import load_hub

    name = config.source.removeprefix("hf:")
    if not name.strip("/"):
        raise UserError("data.source: hf: needs the name of a hub data set after it, such as hf:owner/name")
    splits = load_hub(name, config.subset)
    if config.hub_split not in splits:
        raise UserError(
            f"{config.source}: no split {config.hub_split!r} (data.hub_split); there is {', '.join(splits)}"
        )
    data = splits[config.hub_split]
    roles = choose_columns(data.column_names, config, config.source)
    return data.select_columns(list(roles.values())).with_format("arrow")[:], roles


def raw_of(table: pa.Table, roles: dict[str, str], where: str, malformed: np.ndarray | None = None) -> RawInteractions:
    """Raw interactions of the columns of a table, the rows numbered as in the source.

    Raises `UserError` for columns of lists.
    """
    import pyarrow as pa

    malformed = np.zeros(0, dtype=np.int64) if malformed is None else malformed
    rows = np.arange(len(table) + len(malformed), dtype=np.int64)
    nested = [role for role, name in roles.items() if pa.types.is_nested(table[name].type)]
    if nested:
        raise UserError(f"{where}: the column {roles[nested[0]]!r} (data.{nested[0]}) holds lists; one value a row")
    readers = {"value": numbers_of, "timestamp": times_of, "weight": numbers_of}
    numbers = {role: read(table[roles[role]]) for role, read in readers.items() if role in roles}
    return RawInteractions(
        ids_of(table[roles["user"]]),
        ids_of(table[roles["item"]]),
        np.delete(rows, malformed),
        where,
        malformed=malformed,
        value=numbers.get("value"),
        timestamp=numbers.get("timestamp"),
        weight=numbers.get("weight"),
        columns=roles,
    )


def read_side_table(source: str, key: str, wanted: str | None, usual: Sequence[str], encoding: str) -> pd.DataFrame:
    """A table of what is known of users or items, indexed by id as text, its columns as numbers where they are.

    `key` is the config key (`users` or `items`) that names it, `wanted` its id column. Raises `UserError` for a file
    that is missing, is no table, or holds an id twice or an empty one.
    """
    from lab.data.sources import TABLES, table_kind

    file = Path(source).expanduser()
    if not file.is_file():
        raise UserError(f"data.{key}: {source}: no such file")
    if table_kind(file) is None:
        raise UserError(f"data.{key}: {source}: a file of no known kind; expected {', '.join(TABLES)}")
    frame = read_frame(file, encoding)
    frame.columns = [str(name) for name in frame.columns]
    column = choose(list(frame.columns), wanted, [*usual, "id", "_id"], source, f"{key[:-1]}_id")
    return side_table(frame, str(column), f"data.{key}: {source}")


def side_table(frame: pd.DataFrame, column: str, where: str) -> pd.DataFrame:
    """A table indexed by its column of ids. Raises `UserError` for an id that stands twice or is empty."""
    import pandas as pd

    ids = pd.Index([plain(value) for value in frame[column]], name="id", dtype=object)
    empty = np.flatnonzero(ids == "")
    if len(empty):
        raise UserError(f"{where}: no id in {row_words(empty)} (counted from 0 after the header)")
    if not ids.is_unique:
        again = np.flatnonzero(ids.duplicated(keep=False))
        raise UserError(f"{where}: ids that stand more than once, such as {ids[again[0]]!r}: {row_words(again)}")
    others = [name for name in frame.columns if name != column]
    return pd.DataFrame({name: typed(frame[name]).to_numpy() for name in others}, index=ids)
