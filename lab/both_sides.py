"""Both sides of a two-tower run as one embedding space: its items called as a reader calls them, new ones searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace
    from lab.experiment import Encoder
    from lab.recommend import RankingTask

LONGEST_TITLE = 80


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

    A title is a cell of at most 80 characters in a column `title`, `name` or `text` where most cells are so short.
    """
    plain = [name if name.startswith(f"{side} ") else f"{side} {name}" for name in ids]
    column = None if table is None else next((c for c in ("title", "name", "text") if c in table.columns), None)
    if table is None or column is None:
        return plain
    titles = [value.strip() if isinstance(value, str) else "" for value in table[column]]
    if sum(len(title) > LONGEST_TITLE for title in titles) > len(titles) / 2:
        return plain  # these are texts
    titles = [title if len(title) <= LONGEST_TITLE else "" for title in titles]
    seen: dict[str, int] = {}
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
    taken = set(plain)
    unique = [bool(title) and seen[title] == 1 and title not in taken for title in titles]
    return [
        title if alone else f"{title} ({name})" if title else name
        for title, alone, name in zip(titles, unique, plain, strict=True)
    ]


@dataclass(frozen=True)
class NewEntity:
    """A vector (d,) of an entity that a space does not hold, the other side, `among` which it is searched, and how."""

    vector: np.ndarray
    among: EmbeddingSpace
    told: str


def new_entities(space: EmbeddingSpace, reference: str, queries: Sequence[str]) -> dict[str, NewEntity]:
    """The queries that a space does not hold, as its run embeds them.

    They are texts, or pictures by their paths, where the space is of both sides; words, where the run makes them of
    n-grams; other spaces have none. An item, and a sum of items, is no new entity. Raises `UserError` for a query that
    is not in the space where its run cannot embed it, and for one with no word that the run knows.
    """
    from lab.embeddings.expression import query_vector

    if Path(reference).expanduser().is_file():
        return {}
    found: dict[str, NewEntity] = {}
    encoder, embed = None, _new_entity if "side" in space.metadata else _new_word
    for query in queries:
        try:
            query_vector(space, query)
        except UserError as error:
            try:
                encoder = encoder or _encoder_of_the_new(space, reference)
                if encoder is None:
                    return {}
                found[query] = embed(space, encoder, query)
            except UserError as reason:
                raise UserError(f"{error}; {reason}") from reason
    return found


def _encoder_of_the_new(space: EmbeddingSpace, reference: str) -> Encoder | None:
    """What embeds queries that a space does not hold, None where nothing does."""
    from lab.spaces import find_run

    if "side" in space.metadata:
        return find_run(reference).encoder()
    try:
        run = find_run(reference)
    except UserError:  # a backbone's name
        return None
    of_ngrams = run.experiment == "word2vec" and run.config["model"].get("subwords") is not None
    return run.encoder() if of_ngrams else None


def _new_entity(space: EmbeddingSpace, towers: Encoder, query: str) -> NewEntity:
    import numpy as np

    from lab.data.labelled.sources import is_picture
    from lab.trained_towers import TrainedTowers

    assert isinstance(towers, TrainedTowers)
    picture = is_picture(query)
    side = towers.side_of("image" if picture else "text")
    vector = towers.encode([query], "image" if picture else "text")[0]
    if np.isnan(vector).any():
        raise UserError("as a new text it holds nothing that the run knows")
    other = "item" if side == "user" else "user"
    what, whose = "picture" if picture else "text", "a user" if side == "user" else "an item"
    among = space.subset(np.asarray(space.metadata["side"] == other))
    return NewEntity(vector, among, f"new {what}, as {whose}; nearest {other}s")


def _new_word(space: EmbeddingSpace, encoder: Encoder, query: str) -> NewEntity:
    import numpy as np

    from lab.embeddings.expression import parse_expression

    if len(parse_expression(query)) > 1:
        raise UserError("a sum is of words that are there")
    vector = encoder.encode([query])[0]
    if np.isnan(vector).any():
        raise UserError("none of its n-grams is known, either")
    return NewEntity(vector, space, "not in the text: put together of n-grams")
