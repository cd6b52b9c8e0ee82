"""Interactions made from pairs, for tests."""

from __future__ import annotations

import numpy as np

from lab.data.interactions.columns import tidy_ids
from lab.data.interactions.config import InteractionsConfig
from lab.data.interactions.interactions import RawInteractions
from lab.data.interactions.load import cleaned, finished


def raw_pairs(pairs, **columns):
    """Raw interactions of `(user, item)` pairs, ids any values, None for a missing one."""
    codes = np.arange(len(pairs), dtype=np.int32)
    return RawInteractions(
        tidy_ids([user for user, _ in pairs], codes),
        tidy_ids([item for _, item in pairs], codes),
        np.arange(len(pairs), dtype=np.int64),
        "made",
        **{name: None if values is None else np.array(values, dtype=float) for name, values in columns.items()},
    )


def made(pairs, keys=None, **columns):
    """Clean interactions of pairs, cleaned as `keys` of the config say."""
    config = InteractionsConfig(source="made", **(keys or {}))
    return finished(*cleaned(raw_pairs(pairs, **columns), config), config)
