"""Both sides of a two-tower run as one embedding space: its items called as a reader calls them, new ones searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace
    from lab.recommend import RankingTask


def both_sides(task: RankingTask, users: np.ndarray, items: np.ndarray) -> EmbeddingSpace:
    """Users and items in one space, by name where the tables give one, with what else the tables say.

    `users` (users, d), `items` (items, d) float32. Metadata: `side`, `id`, `interactions` in training, the columns.
    """
    import numpy as np
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace

    pairs = task.interactions
    counts = {"user": np.diff(task.train.indptr), "item": task.popularity}
    names, tables = [], []
    for side, ids, table in (("user", pairs.users, pairs.user_table), ("item", pairs.items, pairs.item_table)):
        frame = pd.DataFrame({"side": side, "item_id": ids, "interactions": counts[side].astype(np.int64)})
        own = None if table is None else table.reset_index(drop=True).drop(columns=["id", "vector"], errors="ignore")
        if own is not None:
            own = own.drop(columns=frame.columns.intersection(own.columns)).astype(object)
        names += shown_names(side, ids, own)
        tables.append(frame if own is None else frame.join(own))
    metadata = pd.concat(tables, ignore_index=True)
    return EmbeddingSpace(names, np.concatenate([users, items]), metadata, name="pairs")


def shown_names(side: str, ids: list[str], table: pd.DataFrame | None) -> list[str]:
    """What a reader calls the entities of a side: their titles, the id behind where two have the same; else `user ID`.

    A title is a column `title` or `name`, or a `text` of at most 80 characters.
    """
    plain = [name if name.startswith(f"{side} ") else f"{side} {name}" for name in ids]
    column = None if table is None else next((c for c in ("title", "name", "text") if c in table.columns), None)
    if table is None or column is None:
        return plain
    titles = [value.strip() if isinstance(value, str) else "" for value in table[column]]
    if max(map(len, titles), default=0) > 80:
        return plain
    seen: dict[str, int] = {}
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
    taken = set(plain)
    unique = [bool(title) and seen[title] == 1 and title not in taken for title in titles]
    return [
        title if alone else f"{title} ({name})".strip()
        for title, alone, name in zip(titles, unique, plain, strict=True)
    ]


@dataclass(frozen=True)
class NewEntities:
    """Vectors (d,) of entities that a space does not hold, those `among` which they are searched, and `told` how."""

    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    among: EmbeddingSpace | None = None
    told: str = ""


def new_entities(space: EmbeddingSpace, reference: str, queries: Sequence[str]) -> NewEntities:
    """The queries that a space of both sides does not hold, embedded by its run, with the other side to be searched.

    An item, and a sum of items, is no new entity. Empty where the space is of one side only. Raises `UserError` for a
    query that is not in the space where its run cannot embed it, and for one with no word that the run knows.
    """
    import numpy as np

    from lab.embeddings.expression import query_vector
    from lab.spaces import find_run
    from lab.trained_towers import TrainedTowers

    if "side" not in space.metadata or Path(reference).expanduser().is_file():
        return NewEntities()
    unknown: dict[str, UserError] = {}
    for query in queries:
        try:
            query_vector(space, query)
        except UserError as error:
            unknown[query] = error
    if not unknown:
        return NewEntities()
    try:
        towers = find_run(reference).encoder()
        assert isinstance(towers, TrainedTowers)
        side, vectors = towers.side, towers.encode(list(unknown))
    except UserError as error:
        raise UserError(f"{next(iter(unknown.values()))}; {error}") from error
    if nothing := [query for query, vector in zip(unknown, vectors, strict=True) if np.isnan(vector).any()]:
        raise UserError(f"{unknown[nothing[0]]}; as a new {towers.kind} it holds nothing that the run knows")
    other = "item" if side == "user" else "user"
    among = space.subset(np.asarray(space.metadata["side"] == other))
    kind = {"text": "text", "image": "picture"}[towers.kind]
    told = f"new {kind}, as {'a user' if side == 'user' else 'an item'}; nearest {other}s"
    return NewEntities(dict(zip(unknown, vectors, strict=True)), among, told)
