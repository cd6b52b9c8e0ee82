"""Cleaning of interactions: each step counted, nothing dropped in silence. Pure functions of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lab.data.interactions.interactions import NAMED_ROWS, CleaningStep, RawInteractions, row_words
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.interactions.config import InteractionsConfig


def clean(raw: RawInteractions, config: InteractionsConfig) -> tuple[np.ndarray, list[CleaningStep]]:
    """Positions `(m,) int64`, ascending, of the interactions that stay, and what each step found, in the order of
    the steps: broken rows, duplicates, values below `positive_from`, bots, k-core.

    Raises `UserError`, listing their rows, for broken rows (unless `skip_broken`) and for duplicates that the config
    forbids; for a threshold where there are no values; and where nothing is left.
    """
    kept, steps = _unbroken(raw, config)
    kept = _no_duplicates(raw, kept, config, steps)
    if config.positive_from is not None:
        kept = _positives(raw, kept, config.positive_from, steps)
    if config.bots is not None:
        kept = _no_bots(raw, kept, config.bots, steps)
    if config.k_core > 1:
        kept = _core(raw, kept, config.k_core, steps)
    if not len(kept):
        told = "; ".join(f"{step.what}: {step.count:,}" for step in steps if step.count) or "the source is empty"
        raise UserError(f"{raw.where}: no {raw.noun} left ({told})")
    return kept, steps


def _step(raw: RawInteractions, name: str, dropped: np.ndarray, what: str) -> CleaningStep:
    return CleaningStep(name, len(dropped), [int(row) for row in raw.rows[dropped[:NAMED_ROWS]]], what)


def _unbroken(raw: RawInteractions, config: InteractionsConfig) -> tuple[np.ndarray, list[CleaningStep]]:
    broken: list[tuple[str, np.ndarray, str]] = [
        ("missing user", raw.user.codes < 0, "no user"),
        ("missing item", raw.item.codes < 0, "no item"),
    ]
    if raw.timestamp is not None:
        broken.append(("missing timestamp", np.isnan(raw.timestamp), "no time, or none that can be read"))
        impossible = np.isinf(raw.timestamp) | (raw.timestamp < 0)
        broken.append(("impossible timestamp", impossible, "time infinite or below 0"))
    if raw.value is not None:
        broken.append(("impossible value", ~np.isfinite(raw.value), "value missing, infinite or no number"))
    if raw.weight is not None:
        impossible = ~np.isfinite(raw.weight) | ~(raw.weight >= 0)
        broken.append(("impossible weight", impossible, "weight missing, infinite, below 0 or no number"))
    steps = [CleaningStep("malformed", len(raw.malformed), raw.malformed[:NAMED_ROWS].tolist(), "not as many cells")]
    keep = np.ones(len(raw), dtype=bool)
    for name, wrong, what in broken:
        steps.append(_step(raw, name, np.flatnonzero(wrong), what))
        keep &= ~wrong
    found = [step for step in steps if step.count]
    if found and not config.skip_broken:
        listed = "; ".join(f"{step.what} in {row_words(step.rows, step.count)}" for step in found)
        raise UserError(
            f"{raw.where}: broken rows (counted from 0 after the header): {listed}. Mend them or set "
            "data.skip_broken=true to go on without them"
        )
    return np.flatnonzero(keep), steps


def _pairs(raw: RawInteractions, kept: np.ndarray) -> np.ndarray:
    return raw.user.codes[kept].astype(np.int64) * max(1, len(raw.item.names)) + raw.item.codes[kept]


def _no_duplicates(
    raw: RawInteractions, kept: np.ndarray, config: InteractionsConfig, steps: list[CleaningStep]
) -> np.ndarray:
    import pandas as pd

    pairs = _pairs(raw, kept)
    again = np.flatnonzero(pd.Series(pairs).duplicated(keep=False).to_numpy())
    if len(again) and config.duplicates == "error":
        raise UserError(
            f"{raw.where}: pairs that stand more than once: {row_words(raw.rows[kept[again]])}; set "
            "data.duplicates to first or last to keep one of each"
        )
    # Only the few that come again are sorted: by pair, then time, then row.
    time = np.zeros(len(again)) if raw.timestamp is None else raw.timestamp[kept[again]]
    order = np.lexsort((again, time, pairs[again]))
    ends = np.ones(len(again), dtype=bool)
    changes = np.diff(pairs[again[order]]) != 0
    if config.duplicates == "first":
        ends[1:] = changes
    else:
        ends[:-1] = changes
    dropped = np.sort(again[order[~ends]])
    which = "first" if config.duplicates == "first" else "last"
    steps.append(_step(raw, "duplicates", kept[dropped], f"the pair again; the {which} stays"))
    return np.delete(kept, dropped)


def _positives(raw: RawInteractions, kept: np.ndarray, threshold: float, steps: list[CleaningStep]) -> np.ndarray:
    if raw.value is None:
        raise UserError(
            f"data.positive_from: {raw.where} has no column of values; name it (data.value) or leave it out"
        )
    positive = raw.value[kept] >= threshold
    steps.append(_step(raw, "implicit threshold", kept[~positive], f"value below {threshold:g}, no positive"))
    return kept[positive]


def _no_bots(raw: RawInteractions, kept: np.ndarray, quantile: float, steps: list[CleaningStep]) -> np.ndarray:
    activity = np.bincount(raw.user.codes[kept], minlength=len(raw.user.names))
    present = activity[activity > 0]
    limit = np.quantile(present, quantile) if len(present) else 0
    bots = activity > limit
    from_bots = bots[raw.user.codes[kept]]
    what = f"of {bots.sum():,} users with more than {limit:,.6g} interactions (quantile {quantile:g})"
    steps.append(_step(raw, "bots", kept[from_bots], what))
    return kept[~from_bots]


def _core(raw: RawInteractions, kept: np.ndarray, k: int, steps: list[CleaningStep]) -> np.ndarray:
    core = k_core(raw.user.codes[kept], raw.item.codes[kept], k)
    dropped = np.ones(len(kept), dtype=bool)
    dropped[core] = False
    users, items = (
        len(np.unique(ids.codes[kept])) - len(np.unique(ids.codes[kept[core]])) for ids in (raw.user, raw.item)
    )
    what = f"of {users:,} users and {items:,} items with fewer than {k} interactions, until none was left"
    steps.append(_step(raw, "k-core", kept[dropped], what))
    return kept[core]


def k_core(user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """Positions `(m,) int64`, ascending, of the largest set of pairs in which every user and item has at least `k`.

    `user`, `item`: `(n,)` integers from 0. Peeled until nothing changes (Seidman 1983, Network structure and minimum
    degree); the fixed point does not depend on the order.
    """
    kept = np.arange(len(user), dtype=np.int64)
    of_user, of_item = np.bincount(user), np.bincount(item)
    while True:
        goes = (of_user < k)[user] | (of_item < k)[item]
        if not goes.any():
            return kept
        of_user -= np.bincount(user[goes], minlength=len(of_user))
        of_item -= np.bincount(item[goes], minlength=len(of_item))
        kept, user, item = kept[~goes], user[~goes], item[~goes]
