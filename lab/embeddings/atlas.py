"""A space as a Parquet file that embedding-atlas shows: items, map and neighbours in its columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.atomic import replacing
from lab.embeddings.neighbors import Metric, top_k
from lab.embeddings.space import EmbeddingSpace

if TYPE_CHECKING:
    import pyarrow as pa

X, Y, NEIGHBORS = "map_x", "map_y", "neighbors"
NEAREST = 15
MOST_PAIRS = 10**9
"""Items × items: of more, neighbours would take minutes and are left out."""


def write_atlas(space: EmbeddingSpace, path: Path, coordinates: np.ndarray | None, metric: Metric = "cosine") -> None:
    """Write `id` and the metadata; `map_x` and `map_y`; and each item's exact nearest `neighbors`.

    `coordinates` (n, 2); where None the column `vector` stands for them, of which embedding-atlas makes a map itself.
    Neighbours are `{ids: row numbers from 0, distances}`, the item itself first, as embedding-atlas has them;
    distances are 1 - cosine, or Euclidean.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lab.embeddings.parquet import space_table

    table = space_table(space, path)
    if coordinates is not None:
        for name, values in zip((X, Y), np.asarray(coordinates, dtype=np.float32).T, strict=True):
            table = _with(table, name, pa.array(values))
        table = table.drop_columns(["vector"])
    if len(space) ** 2 <= MOST_PAIRS and len(space) > 1:
        table = _with(table, NEIGHBORS, _neighbors(space, metric))
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _neighbors(space: EmbeddingSpace, metric: Metric) -> pa.StructArray:
    import pyarrow as pa

    own = np.arange(len(space))[:, None]
    indices, scores = top_k(space.vectors, space.vectors, min(NEAREST, len(space) - 1), metric, exclude=own)
    distances = 1 - scores if metric == "cosine" else np.abs(scores)
    ids = np.hstack([own, indices]).astype(np.int64)
    lengths = np.hstack([np.zeros((len(space), 1)), np.maximum(distances, 0)]).astype(np.float32)
    offsets = pa.array(np.arange(0, ids.size + 1, ids.shape[1], dtype=np.int32))
    lists = [pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1))) for values in (ids, lengths)]
    return pa.StructArray.from_arrays(lists, ["ids", "distances"])


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """The table with a column, in the place of one of that name."""
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)
