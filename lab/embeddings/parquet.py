"""An `EmbeddingSpace` as a Parquet file: id, vector as fixed-size list of float32, metadata columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.atomic import replacing
from lab.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from lab.embeddings.space import EmbeddingSpace

FORMAT_VERSION = 1


def write_space(space: EmbeddingSpace, path: Path) -> None:
    """Write `space` whole or not at all; pandas, DuckDB, polars and `datasets` read the file as it is."""
    import pyarrow.parquet as pq

    table = space_table(space, path)
    table = table.replace_schema_metadata({"format_version": str(FORMAT_VERSION), "name": space.name})
    # Float bits hardly compress, and plain pages load several times faster.
    compression = {leaf: "none" if leaf.startswith("vector.") else "zstd" for leaf in _leaves(table)}
    others = [name for name in table.column_names if name != "vector"]
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression=compression, use_dictionary=others)


def space_table(space: EmbeddingSpace, path: Path) -> pa.Table:
    """The columns `id`, `vector` and metadata as an Arrow table; raises `UserError` for what Parquet cannot hold."""
    import pyarrow as pa

    columns = {
        "id": pa.array(space.ids, pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(space.vectors.reshape(-1)), space.dim),
    }
    if len(space.metadata.columns):
        try:
            metadata = pa.Table.from_pandas(space.metadata, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(f"{path}: metadata that Parquet cannot hold: {' '.join(str(error).split())}") from None
        columns |= {name: metadata.column(name) for name in metadata.column_names}
    return pa.table(columns)


def read_space(path: Path) -> EmbeddingSpace:
    """Read a space, bit for bit; also a Parquet file of another tool that has the columns `id` and `vector`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lab.embeddings.space import EmbeddingSpace

    try:
        schema = pq.read_schema(path)
        kept = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items() if key in _KEYS}
        version = kept.get("format_version", "1")
        if not version.isdecimal() or int(version) > FORMAT_VERSION:
            raise UserError(f"{path}: written in format {version}; this `lab` reads up to {FORMAT_VERSION}: upgrade it")
        missing = {"id", "vector"} - set(schema.names)
        if missing:
            raise UserError(f"{path}: no column {' or '.join(map(repr, sorted(missing)))}; it has {schema.names}")
        table = pq.read_table(path, memory_map=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file: {' '.join(str(error).split())}") from None
    ids = table.column("id").cast(pa.string()).to_numpy()
    vectors = _matrix(table.column("vector"), path)
    metadata = table.drop_columns(["id", "vector"])
    frame = metadata.to_pandas() if metadata.num_columns else None
    try:
        return EmbeddingSpace(ids, vectors, frame, kept.get("name", ""))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


_KEYS = (b"format_version", b"name")


def _matrix(column: Any, path: Path) -> np.ndarray:
    """(n, d) view of a list column: without a copy where it is a fixed-size list of float32 with no gaps."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or _fixed(column.type)):
        raise UserError(f"{path}: column 'vector' holds {column.type}, not lists of numbers")
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or lengths[0] is None:
        raise UserError(
            f"{path}: column 'vector' has missing vectors or several lengths: {sorted(map(str, lengths))[:4]}"
        )
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), lengths[0])


def _fixed(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_fixed_size_list(kind)


def _leaves(table: Any) -> list[str]:
    """Names of the Parquet leaf columns of a table, e.g. 'vector.list.element'."""
    import io

    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table.slice(0, 0), sink)
    schema = pq.read_metadata(sink).schema
    return [schema.column(index).path for index in range(len(schema))]
