"""What may not stand on two sides of a split: groups, and near-duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import Items
    from lab.data.labelled.split import Split


def check_split(items: Items, split: Split, config: LabelledConfig) -> Split:
    """The split, as the config wants it where something stands on two sides of it."""
    return split
