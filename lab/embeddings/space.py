"""`EmbeddingSpace`: ids, a float32 matrix and one row of metadata per item. What every run leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lab.embeddings.neighbors import METRICS, Metric, row_norms, top_k
from lab.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd


class Neighbors(NamedTuple):
    """Nearest items of m queries, best first: each field (m, w); id None, index -1, score NaN where none is left."""

    ids: np.ndarray
    scores: np.ndarray
    indices: np.ndarray


class EmbeddingSpace:
    """Items with a vector each. It never changes: methods that would change it return another.

    `ids` (n,) unique strings; `vectors` (n, d) finite float32, C-contiguous, read-only; `metadata` a data frame of n
    rows whose columns may be anything but `id` and `vector`. Raises `UserError` in one line that gives how many
    items are wrong and the first of them.
    """

    ids: np.ndarray
    vectors: np.ndarray
    name: str

    def __init__(
        self,
        ids: Sequence[str] | np.ndarray,
        vectors: np.ndarray,
        metadata: pd.DataFrame | dict[str, Any] | None = None,
        name: str = "",
    ) -> None:
        matrix = np.asarray(vectors)
        what = f"embedding space {name!r}" if name else "embedding space"
        if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
            raise UserError(
                f"{what}: vectors must be a matrix of numbers with at least one item and one dimension, "
                f"not {matrix.dtype} of shape {matrix.shape}"
            )
        self.ids = _checked_ids(ids, len(matrix), what)
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused below
            self.vectors = np.ascontiguousarray(matrix, dtype=np.float32).view()
        self.vectors.flags.writeable = False
        self.ids.flags.writeable = False
        broken = np.asarray(~np.isfinite(self.vectors).all(axis=1))
        if broken.any():
            raise UserError(f"{what}: {offenders(self.ids, broken)} NaN or infinity in the vector")
        self.name = name
        self._metadata = _checked_metadata(metadata, len(matrix), what)
        self._positions: dict[str, int] | None = None

    # --- what is in it

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.vectors.shape[1]

    @property
    def metadata(self) -> pd.DataFrame:
        """One row per item, in the order of `ids`, index 0 to n - 1 (no columns where nothing is known)."""
        if self._metadata is None:
            import pandas as pd

            self._metadata = pd.DataFrame(index=pd.RangeIndex(len(self)))
        return self._metadata

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, item: object) -> bool:
        return item in self._lookup()

    def __getitem__(self, item: str) -> np.ndarray:
        """Return the vector (d,) of one id."""
        return self.vectors[self.index([item])[0]]

    def index(self, items: Sequence[str]) -> np.ndarray:
        """Return the row number of each id, (m,) int64; an unknown id raises `UserError` with the nearest."""
        lookup = self._lookup()
        missing = [item for item in items if item not in lookup]
        if missing:
            alike = self._alike(missing[0])
            of = f" of {self.name!r}" if self.name else ""
            hint = f"; nearest: {', '.join(alike)}" if alike else ""
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UserError(f"{missing[0]!r}{more} not among the {len(self):,} items{of}{hint}")
        return np.fromiter((lookup[item] for item in items), dtype=np.int64, count=len(items))

    def _alike(self, text: str) -> list[str]:
        """Up to three ids that begin with a text, or else look like it."""
        begun = [known for known in self.ids if len(text) > 2 and known.lower().startswith(text.lower())]
        return begun[:3] or nearest(text, [known for known in self.ids if abs(len(known) - len(text)) < 3][:50_000])

    # --- other spaces made from it

    def subset(self, items: Sequence[str] | np.ndarray) -> EmbeddingSpace:
        """Keep the items of a boolean mask (n,), of row numbers (m,) int, or of ids, in the order given."""
        chosen = np.asarray(items)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise UserError(f"the mask has shape {chosen.shape}, the space {len(self):,} items")
            rows = np.flatnonzero(chosen)
        elif chosen.dtype.kind in "iu":
            rows = chosen
        else:
            rows = self.index(list(items))
        metadata = None if self._metadata is None else self._metadata.iloc[rows].reset_index(drop=True)
        return EmbeddingSpace(self.ids[rows], self.vectors[rows], metadata, self.name)

    def normalized(self) -> EmbeddingSpace:
        """Divide each vector by its length (float64 inside); a zero vector has no direction and raises `UserError`."""
        norms = row_norms(self.vectors)
        if (norms == 0).any():
            raise UserError(
                f"embedding space{self._of_name()}: {offenders(self.ids, norms == 0)} a zero vector, which has no "
                "direction; leave them out with subset()"
            )
        vectors = (self.vectors / norms[:, None]).astype(np.float32)
        return EmbeddingSpace(self.ids, vectors, self._metadata, self.name)

    def join(self, table: pd.DataFrame, on: str = "id") -> EmbeddingSpace:
        """Add the columns of `table` by id (its column `on`, else its index); items not in it get missing values.

        Raises `UserError` where the table has an id twice, knows none of the items, or brings a column that is
        already there.
        """
        import pandas as pd

        table = table.set_index(on) if on in table.columns else table
        if table.index.has_duplicates:
            twice = table.index[table.index.duplicated()].unique()
            raise UserError(f"the table to join must hold an id once; repeated: {len(twice)}, first {twice[0]!r}")
        if not table.index.isin(self.ids).any():
            raise UserError(f"the table to join knows none of the {len(self):,} items")
        if len(double := self.metadata.columns.intersection(table.columns)):
            raise UserError(f"the table to join brings columns that are already there: {', '.join(double)}")
        added = table.reindex(self.ids).reset_index(drop=True)
        return EmbeddingSpace(self.ids, self.vectors, pd.concat([self.metadata, added], axis=1), self.name)

    # --- search

    def neighbors(
        self,
        queries: str | Sequence[str] | np.ndarray,
        k: int = 10,
        metric: Metric = "cosine",
        exclude: Sequence[str] = (),
    ) -> Neighbors:
        """Find the k nearest items of each query, exactly; see `lab.embeddings.neighbors.top_k` for order and ties.

        `queries`: an id, several ids (an item is never its own neighbour) or vectors (m, d). `exclude`: ids that no
        answer may hold. Raises `UserError` for unknown ids, and for the cosine of a zero vector.
        """
        if isinstance(queries, np.ndarray) and queries.dtype.kind in "fiu":
            points, own = np.atleast_2d(queries), np.full((len(np.atleast_2d(queries)), 1), -1)
        else:
            names = [queries] if isinstance(queries, str) else list(queries)
            own = self.index(names)[:, None]
            points = self.vectors[own[:, 0]]
        if metric == "cosine" and (zero := row_norms(np.asarray(points, dtype=np.float32)) == 0).any():
            labels = np.where(own[:, 0] >= 0, self.ids[own[:, 0]], np.arange(len(own)).astype(str))
            others = " or ".join(name for name in METRICS if name != "cosine")
            raise UserError(f"query: {offenders(labels, zero)} a zero vector, with no direction; use metric {others}")
        barred = np.broadcast_to(self.index(list(exclude)), (len(own), len(exclude)))
        indices, scores = top_k(points, self.vectors, k, metric, exclude=np.hstack([own, barred]))
        ids = self.ids[indices]
        ids[indices < 0] = None
        return Neighbors(ids, scores, indices)

    # --- files

    def save(self, path: str | Path) -> None:
        """Write Parquet: columns `id`, `vector` (fixed-size list of float32) and the metadata; whole or not at all."""
        from lab.embeddings.parquet import write_space

        write_space(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> EmbeddingSpace:
        """Read what `save` wrote, bit for bit; raises `UserError` for a newer format or a file that is not one."""
        from lab.embeddings.parquet import read_space

        return read_space(Path(path))

    # --- how it looks

    def __repr__(self) -> str:
        columns = "" if self._metadata is None else f", metadata: {', '.join(map(str, self._metadata.columns))}"
        return f"EmbeddingSpace{self._of_name()}: {len(self):,} items × {self.dim} dimensions{columns}"

    def _repr_html_(self) -> str:
        head = self.metadata.head(5).copy()
        head.insert(0, "id", self.ids[:5])
        head["vector"] = [f"[{', '.join(f'{value:.3f}' for value in row[:4])}, …]" for row in self.vectors[:5]]
        return f"<p>{escape(repr(self))}</p>{head.to_html(index=False, escape=True)}"

    def _of_name(self) -> str:
        return f" {self.name!r}" if self.name else ""

    def _lookup(self) -> dict[str, int]:
        if self._positions is None:
            self._positions = {item: row for row, item in enumerate(self.ids)}
        return self._positions


def offenders(ids: np.ndarray, wrong: np.ndarray) -> str:
    """Say who is wrong: '1 item has', '12 items have', with the first three by name ("'a', 'b', 'c', …")."""
    first = ", ".join(repr(str(item)) for item in ids[wrong][:3])
    count = int(wrong.sum())
    return f"{count:,} {'item has' if count == 1 else 'items have'} ({first}{', …' if count > 3 else ''})"


def _checked_ids(ids: Sequence[str] | np.ndarray, n: int, what: str) -> np.ndarray:
    checked = np.empty(len(ids), dtype=object)
    checked[:] = [str(item) if isinstance(item, np.str_) else item for item in ids]
    if len(checked) != n:
        raise UserError(f"{what}: {len(checked):,} ids for {n:,} vectors")
    odd = np.fromiter((not isinstance(item, str) for item in checked), dtype=bool, count=n)
    if odd.any():
        raise UserError(f"{what}: ids must be strings; {int(odd.sum()):,} of {n:,} are not, first {checked[odd][0]!r}")
    if len(set(checked)) < n:
        first = {item: row for row, item in reversed(list(enumerate(checked)))}
        again = np.array([first[item] < row for row, item in enumerate(checked)])
        raise UserError(f"{what}: {offenders(checked, again)} an id that stands there before; ids must be unique")
    return checked


def _checked_metadata(metadata: pd.DataFrame | dict[str, Any] | None, n: int, what: str) -> pd.DataFrame | None:
    if metadata is None:
        return None
    import pandas as pd

    try:
        frame = pd.DataFrame(metadata).reset_index(drop=True)
    except ValueError as error:
        raise UserError(f"{what}: metadata is not a table: {error}") from None
    if len(frame) != n:
        raise UserError(f"{what}: {len(frame):,} rows of metadata for {n:,} items")
    taken = [str(column) for column in frame.columns if column in ("id", "vector")]
    if taken or frame.columns.has_duplicates or not all(isinstance(column, str) for column in frame.columns):
        raise UserError(f"{what}: metadata columns must be unique strings other than 'id' and 'vector'")
    return frame
