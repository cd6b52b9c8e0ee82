"""For whom ranked lists are good, and what a few of them look like: slices and examples, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lab.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lab.data.interactions.interactions import Interactions
    from lab.recommend import Judged, RankingConfig, RankingTask

HEAD_SHARE = 0.2
# Of a column with many values, numbers are cut into quarters and the commonest texts are kept.
MOST_VALUES = 20
EXAMPLES, EXAMPLE_LENGTH, LONGEST_TEXT = 5, 5, 300


def check_slices(pairs: Interactions, columns: Sequence[str]) -> None:
    """Raises `UserError` for a column of `ranking.slices` that neither side's table has."""
    there = [str(name) for table in (pairs.user_table, pairs.item_table) if table is not None for name in table.columns]
    for column in columns:
        if column not in there:
            near = nearest(column, there, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            known = f"the columns are {', '.join(there)}" if there else "nothing is known of users and items"
            raise UserError(f"ranking.slices: no column {column!r} of users or items; {hint}{known}")


def slices(task: RankingTask, config: RankingConfig, judged: Judged) -> list[dict[str, Any]]:
    """Means by slice: `{"by", "slice", "users", metric: mean …}`, one each.

    Over users that training knows and does not, and by columns of the users; over popular items (the most popular
    fifth of the training part) and rare ones, and by columns of the items: the lists are the same, and only items of
    the slice count as to be found. `users`: those who are judged. Raises `UserError` as `check_slices` does.
    """
    import numpy as np

    check_slices(task.interactions, config.slices)
    known = task.known_users[judged.users]
    rows = [
        _of_users(judged, by, name, mask)
        for by, name, mask in [("user", "warm", known), ("user", "cold", ~known)]
        if mask.any()
    ]
    head = np.zeros(task.items, dtype=bool)
    head[np.argsort(-task.popularity, kind="stable")[: max(1, round(HEAD_SHARE * task.items))]] = True
    rows += filter(None, (_of_items(judged, config, "item", *part) for part in (("head", head), ("tail", ~head))))
    pairs = task.interactions
    for column in config.slices:
        if pairs.user_table is not None and column in pairs.user_table:
            for name, mask in values_of(pairs.user_table[column]):
                if mask[judged.users].any():
                    rows.append(_of_users(judged, column, name, mask[judged.users]))
        else:
            parts = values_of(pairs.item_table[column])  # type: ignore[index]  # else check_slices has said so
            rows += filter(None, (_of_items(judged, config, column, name, mask) for name, mask in parts))
    return rows


def _of_users(judged: Judged, by: str, name: str, mask: np.ndarray) -> dict[str, Any]:
    means = {metric: float(values[mask].mean()) for metric, values in judged.values.items()}
    return {"by": by, "slice": name, "users": int(mask.sum()), **means}


def _of_items(judged: Judged, config: RankingConfig, by: str, name: str, mask: np.ndarray) -> dict[str, Any] | None:
    import numpy as np

    from lab.evaluation.ranking_metrics import user_metrics
    from lab.recommend import to_be_found

    relevant = to_be_found(judged.relevant, mask)
    having = np.flatnonzero(np.diff(relevant.indptr))
    if not len(having):
        return None
    found = user_metrics(judged.ranking.items[having], relevant[having], config.at[:1])
    means = {metric: float(values.mean()) for metric, values in found.items()}
    return {"by": by, "slice": name, "users": len(having), **means}


def values_of(column: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """The values of a column and which rows have each, (n,) bool: numbers of many values in quarters, of lists every
    member, of many texts the commonest. Rows without a value are in none.
    """
    import numpy as np
    import pandas as pd

    if column.dtype.kind in "fiu" and column.nunique() > MOST_VALUES:
        edges = np.unique(np.nanquantile(column, [0, 0.25, 0.5, 0.75, 1]))
        place = np.clip(np.searchsorted(edges, column, side="right"), 1, len(edges) - 1)
        for at in range(1, len(edges)):
            own = ((place == at) & column.notna()).to_numpy()
            if own.any():
                yield f"{column[own].min():g} to {column[own].max():g}", own
        return
    several = (list, tuple, np.ndarray)
    lists = [[*value] if isinstance(value, several) else [] if pd.isna(value) else [value] for value in column]
    counts = pd.Series([value for own in lists for value in own if value != ""], dtype=object).value_counts()
    common = counts.index[:MOST_VALUES]
    for value in sorted(common, key=str):
        name = f"{value:g}" if isinstance(value, float) else str(value)
        yield name, np.array([value in own for own in lists])


def examples(task: RankingTask, judged: Judged) -> list[dict[str, Any]]:
    """The first items of a few users' lists, names as a reader knows them; the same users for every method.

    `user`: what she is known by (her text, else three of the items she had before); `list`: names of the first items,
    best first, and whether each is one to be found; `missed`: names of some of those that are not among them.
    """
    import numpy as np

    from lab.both_sides import shown_names

    pairs = task.interactions
    names = shown_names("item", pairs.items, _plain_table(pairs.item_table))
    drawn = np.random.default_rng(0).choice(len(judged.users), min(EXAMPLES, len(judged.users)), replace=False)
    rows = []
    for place in sorted(drawn.tolist()):
        to_find = judged.relevant.indices[judged.relevant.indptr[place] : judged.relevant.indptr[place + 1]]
        shown = [item for item in judged.ranking.items[place, :EXAMPLE_LENGTH].tolist() if item >= 0]
        missed = [names[item] for item in to_find.tolist() if item not in shown]
        more = [f"{len(missed) - EXAMPLE_LENGTH:,} more"] if len(missed) > EXAMPLE_LENGTH else []
        rows.append(
            {
                "user": _called(task, int(judged.users[place]), names),
                "list": [(names[item], bool(item in to_find)) for item in shown],
                "missed": [*missed[:EXAMPLE_LENGTH], *more],
            }
        )
    return rows


def _plain_table(table: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if table is None else table.reset_index(drop=True).astype(object)


def _called(task: RankingTask, user: int, names: Sequence[str]) -> str:
    """A user by her text, else by her id and three of the items she had in training."""
    pairs = task.interactions
    if pairs.user_table is not None and "text" in pairs.user_table:
        text = " ".join(str(pairs.user_table["text"].iloc[user]).split())
        return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    had = task.train.indices[task.train.indptr[user] : task.train.indptr[user + 1]]
    known = f", who had {', '.join(names[item] for item in had[:3])}" if len(had) else ", of whom nothing is known"
    return f"user {pairs.users[user]}{known}"
