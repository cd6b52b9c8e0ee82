"""From what a table says of entities to what a tower reads: which features there are, learned once and kept with a run.

`lab.tower_readers` says what each kind learns and reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.tower_readers import Entities, Learned, Side, backbone_config, learn, read
from lab.training.two_tower_config import FeatureConfig, TowerConfig

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lab.models.towers.features import Table
    from lab.models.towers.towers import Tower

FEW_LEVELS = 1000
LONG_TEXT = 25.0  # characters on average: more is text, not the name of a category


@dataclass(frozen=True)
class Reader:
    """A feature and what it learned from the entities that training knows: it reads any others the same way."""

    feature: FeatureConfig
    learned: Learned

    def read(self, entities: Entities) -> Table:
        """The feature of some entities. Raises `UserError` where a column holds no such thing."""
        return read(self.feature, self.learned, entities)


def learn_features(config: TowerConfig, entities: Entities, known: np.ndarray) -> tuple[list[Reader], list[Table]]:
    """The readers of one side's features, in the order of the config, and what they read of the same entities.

    `known` (n,) bool: entities of the training part, from which alone is learned. Raises `UserError` for a column that
    is not there or holds nothing that the kind can read.
    """
    from lab.models.towers.features import Numbers, told_missing

    readers, tables = [], []
    for feature in config.features or found_features(entities.table):
        learned = learn(feature, entities, known)
        table = read(feature, learned, entities)
        if isinstance(table, Numbers):
            learned["told"] = list(told_missing(table.values))
        readers.append(Reader(feature, learned))
        tables.append(table)
    return readers, tables


def build_tower(config: TowerConfig, tables: Sequence[Table], dimension: int, sparse_from: int) -> Tower:
    """The tower of one side over what was read of some entities."""
    from lab.models.towers.towers import Tower

    return Tower(
        tables,
        dimension,
        combine=config.combine,
        hidden=config.hidden,
        dropout=config.dropout,
        sparse_from=sparse_from,
    )


def block_rates(readers: Mapping[Side, Sequence[Reader]]) -> dict[str, float]:
    """Learning rates of the networks that are trained with their tower, by the beginning of their parameters' names."""
    return {
        f"{side}.encoders.{number}.backbone.": reader.feature.learning_rate
        for side, own in readers.items()
        for number, reader in enumerate(own)
        if reader.feature.kind == "backbone" and reader.feature.frozen_depth != "all"
    }


def check_networks(config: TowerConfig, side: Side) -> dict[str, str]:
    """Digests of the weights of the networks that a side reads by, by name: none of them is loaded.

    Raises `UserError` for a network that is not there, and for a frozen depth that it does not have.
    """
    from lab.backbones import block_names, find_backbone
    from lab.training.depth import resolve_depth

    found = {}
    for feature in config.features or ():
        if feature.kind == "backbone":
            network = backbone_config(feature)
            found[network.name] = find_backbone(network.name).fingerprint
            if feature.frozen_depth != "all":
                resolve_depth(feature.frozen_depth, block_names(network), f"{side}.features: frozen_depth")
    return found


# --- what a run keeps


def kept_readers(readers: Mapping[Side, Sequence[Reader]]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Readers as plain data, and their arrays by name (`user.0.idf`)."""
    import numpy as np

    plain: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for side, own in readers.items():
        plain[side] = []
        for number, reader in enumerate(own):
            large = {key: value for key, value in reader.learned.items() if isinstance(value, np.ndarray)}
            arrays |= {f"{side}.{number}.{key}": value for key, value in large.items()}
            learned = {key: value for key, value in reader.learned.items() if key not in large}
            feature = reader.feature.model_dump(mode="json", exclude_defaults=True)
            plain[side].append({"feature": feature, "learned": learned})
    return plain, arrays


def read_back(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[Side, list[Reader]]:
    """The readers that `kept_readers` told of."""
    sides: tuple[Side, ...] = ("user", "item")
    readers: dict[Side, list[Reader]] = {side: [] for side in sides}
    for side in sides:
        for number, kept in enumerate(plain[side]):
            own = f"{side}.{number}."
            large = {name.removeprefix(own): array for name, array in arrays.items() if name.startswith(own)}
            readers[side].append(Reader(FeatureConfig.model_validate(kept["feature"]), {**kept["learned"], **large}))
    return readers


# --- features where none are named


def found_features(table: pd.DataFrame | None) -> list[FeatureConfig]:
    """The id and what each column of a table seems to hold; a column of too many different values is left out."""
    found = [FeatureConfig(kind="id")]
    for column in [] if table is None else table.columns:
        kind = _kind_of(table[column])  # type: ignore[index]
        if kind:
            found.append(FeatureConfig(kind=kind, column=str(column)))
    return found


def _kind_of(values: pd.Series) -> Any:
    import pandas as pd

    present = values.dropna()
    if not len(present):
        return None
    if pd.api.types.is_numeric_dtype(present):
        return "number"
    texts = present.astype(str)
    if texts.str.contains("|", regex=False).any():
        return "categories"
    if texts.str.len().mean() > LONG_TEXT or (values.name == "text"):
        return "words"
    return "category" if texts.nunique() <= min(FEW_LEVELS, max(2, len(texts) // 2)) else None
