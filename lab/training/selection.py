"""What training may see: the items it learns from and the items it chooses by. There is no place for test items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Selection:
    """`train`, `validation`: positions in the data, int64; `labels` (of all the data, -1 where there is none), int64.

    Early stopping looks at `validation`, which may be empty. Labels of all other items are hidden (-1) on the way in,
    so that nothing that receives a `Selection` can look at those of test items.
    """

    train: np.ndarray
    validation: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        seen = np.concatenate([self.train, self.validation]).astype(np.int64)
        hidden = np.full(len(self.labels), -1, dtype=np.int64)
        hidden[seen] = self.labels[seen]
        object.__setattr__(self, "labels", hidden)
        if not len(self.train):
            raise ValueError("no training items")
        if len(seen) and hidden[seen].min() < 0:
            raise ValueError("training and validation items need labels")
