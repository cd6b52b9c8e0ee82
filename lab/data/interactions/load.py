"""From a config to clean interactions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.data.fingerprint import digest
from lab.data.interactions.cleaning import clean
from lab.data.interactions.interactions import NAMED_ROWS, CleaningStep, Ids, Interactions, RawInteractions
from lab.data.interactions.kept import cleaned_once
from lab.data.interactions.sources import add_side_tables, read_pairs, source_file

if TYPE_CHECKING:
    import pandas as pd

    from lab.data.interactions.config import InteractionsConfig


def load_interactions(config: InteractionsConfig) -> Interactions:
    """The clean interactions of `config.source`, each step of the cleaning counted.

    Large files are parsed and cleaned once and then read from the cache. Raises `UserError` for a source that is not
    there or of no known layout, for columns that cannot be told, and, listing their rows, for broken rows (unless
    `skip_broken`).
    """
    file = source_file(config)
    raw, steps = cleaned_once(file, config, lambda: cleaned(read_pairs(config, file), config))
    add_side_tables(raw, config, file)
    return finished(raw, steps, config)


def cleaned(raw: RawInteractions, config: InteractionsConfig) -> tuple[RawInteractions, list[CleaningStep]]:
    """The interactions that the cleaning leaves, and its steps. Raises `UserError` as `clean` does."""
    kept, steps = clean(raw, config)
    columns: dict[str, Any] = {
        name: None if (column := getattr(raw, name)) is None else column[kept]
        for name in ("value", "timestamp", "weight")
    }
    user, item = _used(raw.user, kept), _used(raw.item, kept)
    return replace(raw, user=user, item=item, rows=raw.rows[kept], **columns), steps


def _used(ids: Ids, kept: np.ndarray) -> Ids:
    """The ids that the kept interactions use, sorted, and the positions in them."""
    used = np.flatnonzero(np.bincount(ids.codes[kept], minlength=len(ids.names)))
    order = sorted(used.tolist(), key=ids.names.__getitem__)
    position = np.zeros(len(ids.names), dtype=np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    return Ids([ids.names[code] for code in order], position[ids.codes[kept]])


def finished(raw: RawInteractions, steps: list[CleaningStep], config: InteractionsConfig) -> Interactions:
    """Interactions of what the cleaning left: side tables aligned with the ids, and a fingerprint of it all."""
    users, items = raw.user, raw.item
    if config.catalogue == "all" and raw.item_table is not None:
        items = _with_catalogue(items, raw.item_table)
    steps = steps + _known(raw.user_table, "users", users, raw.rows) + _known(raw.item_table, "items", items, raw.rows)
    user_table, item_table = (
        None if table is None else table.reindex(ids.names)
        for table, ids in ((raw.user_table, users), (raw.item_table, items))
    )
    tables = [table.to_csv() for table in (user_table, item_table) if table is not None]
    arrays = [_array_fingerprint(array) for array in (users.codes, items.codes, raw.value, raw.timestamp, raw.weight)]
    counts = f"{len(raw):,} {raw.noun} of {len(users.names):,} users and {len(items.names):,} items"
    return Interactions(
        users=users.names,
        items=items.names,
        user=users.codes,
        item=items.codes,
        value=raw.value,
        timestamp=raw.timestamp,
        weight=raw.weight,
        rows=raw.rows,
        user_table=user_table,
        item_table=item_table,
        cleaning=steps,
        fingerprint=digest(digest(*users.names), digest(*items.names), *arrays, *tables),
        description=f"{counts} from {raw.where}",
    )


def _with_catalogue(items: Ids, table: pd.DataFrame) -> Ids:
    names = sorted({*items.names, *table.index})
    position = {name: at for at, name in enumerate(names)}
    return Ids(names, np.array([position[name] for name in items.names], dtype=np.int32)[items.codes])


def _known(table: pd.DataFrame | None, side: str, ids: Ids, rows: np.ndarray) -> list[CleaningStep]:
    """What a side table lacks and what it has too much: neither changes the interactions, both are told."""
    import pandas as pd

    if table is None:
        return []
    lacking = table.index.get_indexer(pd.Index(ids.names, dtype=object)) < 0
    unknown = np.flatnonzero(lacking[ids.codes])
    what = f"of {lacking.sum():,} {side} that the table of {side} lacks: kept, nothing is known of them"
    steps = [CleaningStep(f"{side} without features", len(unknown), rows[unknown[:NAMED_ROWS]].tolist(), what, False)]
    left_out = len(table) - int((~lacking).sum())
    if left_out:
        what = f"{left_out:,} {side} of the table of {side} that no interaction is left of: not ranked"
        steps.append(CleaningStep(f"{side} without interactions", 0, [], what, False))
    return steps


def _array_fingerprint(array: np.ndarray | None) -> str:
    if array is None:
        return "none"
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest()
