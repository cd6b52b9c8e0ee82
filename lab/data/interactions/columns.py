"""Columns of Arrow tables → ids and numbers, whatever types they came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lab.data.interactions.interactions import Ids

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# What programs write for an empty cell. NA is none of them: it is Namibia.
MISSING = ("", "NULL", "null", "\\N", "NaN", "nan", "None")


def plain(value: object) -> str:
    """An id as text: 3.0 of a column with gaps is 3; None, NaN and what stands for them are ""."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return "" if text in MISSING else text


def ids_of(column: pa.ChunkedArray) -> Ids:
    """The ids of a column of any type: encoded once per distinct value, in any number of rows."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    chunks = column.unify_dictionaries().chunks
    if not chunks:
        return Ids([], np.zeros(0, dtype=np.int32))
    codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in chunks]
    return tidy_ids(chunks[0].dictionary.to_pylist(), np.concatenate(codes))


def tidy_ids(values: list[Any], codes: np.ndarray) -> Ids:
    """Ids with every name plain and unique: ` 7` and `7` are one, an empty one is none (-1)."""
    number: dict[str, int] = {}
    renumbered = np.empty(len(values) + 1, dtype=np.int32)
    renumbered[-1] = -1
    for at, value in enumerate(values):
        name = plain(value)
        renumbered[at] = number.setdefault(name, len(number)) if name else -1
    return Ids(list(number), renumbered[codes])


def numbers_of(column: pa.ChunkedArray) -> np.ndarray:
    """A column as `(n,) float64`, NaN where there is no number."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    found = pd.to_numeric(pd.Series(column.to_pandas(), dtype=object), errors="coerce")
    return found.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)


def times_of(column: pa.ChunkedArray) -> np.ndarray:
    """A column of times as `(n,) float64`: numbers as they are, dates (ISO 8601) as seconds since 1970."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_temporal(column.type):
        return _seconds(pd.to_datetime(column.to_pandas(), utc=True))
    found = numbers_of(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = np.flatnonzero(np.isnan(found))
        dates = pd.to_datetime(column.take(pa.array(texts)).to_pandas(), errors="coerce", utc=True, format="ISO8601")
        found[texts] = _seconds(dates)
    return found


def _seconds(dates: pd.Series) -> np.ndarray:
    # Microseconds reach far enough for any date; numpy's NaT would be a number.
    found = dates.dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64) / 1e6
    return np.where(dates.isna(), np.nan, found)


def typed(column: pd.Series) -> pd.Series:
    """A column of a side table: numbers where every filled cell is one, else as it is.

    Codes with leading zeros (postal codes) stay text; empty texts stay empty.
    """
    import pandas as pd

    if not all(value is None or value != value or isinstance(value, str) for value in column):
        return column
    texts = column.fillna("").astype(str).str.strip()
    filled = texts[texts != ""]
    numeric = pd.to_numeric(filled, errors="coerce")
    if not len(filled) or numeric.isna().any() or filled.str.match(r"0\d").any():
        return texts
    return pd.to_numeric(texts.replace("", None))
