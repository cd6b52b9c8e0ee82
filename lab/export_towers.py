"""Two towers as plain networks: what their readers make of a row goes in, side by side a vector comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from lab.errors import UserError
from lab.models.towers.features import Bags, Codes, Numbers, Table
from lab.models.towers.towers import Tower, comparable
from lab.tower_readers import Entities, Side, column_of
from lab.trained_towers import TrainedTowers

if TYPE_CHECKING:
    from lab.export_networks import Network

EXAMPLES = 2


def tower_network(towers: TrainedTowers, side: Side) -> Network:
    """The tower of one side; an input for each feature, named `FEATURE_NUMBER` by its column.

    Codes (an id, a category) are int64 (n,), -1 for one that is not known; bags (categories, words, a history) float32
    weights (n, levels); numbers float32 (n, width), NaN where one is missing. What the levels are, and how a number is
    scaled, stands in `preprocessing`. Raises `UserError` for a tower with a pretrained network in it.
    """
    from lab.export_networks import Network

    tables = [reader.read(Entities(side, [""] * EXAMPLES, new=True)) for reader in towers.readers[side]]
    inputs, features = {}, []
    for number, (reader, table) in enumerate(zip(towers.readers[side], tables, strict=True)):
        if not isinstance(table, Codes | Bags | Numbers):
            raise UserError(
                f"run {towers.name}: a tower with a pretrained network in it is not exported; --to faiss writes the "
                "vectors, and lab embed embeds new rows"
            )
        name = f"{column_of(reader.feature)}_{number}"
        inputs[name] = torch.from_numpy(dense(table, np.arange(EXAMPLES)))
        learned = {key: v.tolist() if isinstance(v, np.ndarray) else v for key, v in reader.learned.items()}
        about = {"input": name, "feature": reader.feature.model_dump(mode="json"), "learned": learned}
        features.append({**about, "takes": type(table).__name__.lower()})
    told = {
        "kind": f"{side} row",
        "inputs": "codes: int64 (batch,), -1 where unknown; bags: float32 weights (batch, levels); numbers: float32 "
        "(batch, width), scaled as learned, NaN where missing",
        "output": "of length 1" if towers.config.similarity.kind == "cosine" else "compared by inner product",
        "features": features,
    }
    module = _Tower(towers.tower(side, tables), tables, towers.config.similarity.kind)
    return Network(module, inputs, ["vectors"], {name: {0: "batch"} for name in inputs}, told)


def dense(table: Table, index: np.ndarray) -> np.ndarray:
    """What the network takes of some entities (m,) of a table."""
    if isinstance(table, Codes):
        return table.values[index]
    if isinstance(table, Numbers):
        return table.values[index]
    assert isinstance(table, Bags)
    found = np.zeros((len(index), max(1, table.levels)), dtype=np.float32)
    for row, entity in enumerate(index):
        places = slice(table.offsets[entity], table.offsets[entity + 1])
        np.add.at(found[row], table.indices[places], table.weights[places])
    return found


class _Tower(nn.Module):
    """A tower that is given what its tables hold, in place of the numbers of entities."""

    def __init__(self, tower: Tower, tables: Sequence[Table], similarity: Any) -> None:
        super().__init__()
        self.tower, self.similarity = tower, similarity
        self.means = [isinstance(table, Bags) and table.mean for table in tables]
        self.told = [list(table.told or ()) if isinstance(table, Numbers) else None for table in tables]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        parts = [self._part(number, x) for number, x in enumerate(inputs)]
        joined = torch.cat(parts, dim=1) if self.tower.combine == "concat" else torch.stack(parts).sum(0)
        return (comparable(self.tower.perceptron(joined), self.similarity),)

    def _part(self, number: int, x: Tensor) -> Tensor:
        encoder: Any = self.tower.encoders[number]
        if x.dtype == torch.int64:
            return encoder.vectors(x + 1)
        told = self.told[number]
        if told is not None:
            missing = torch.isnan(x)
            whole = torch.cat([torch.where(missing, 0.0, x), missing[:, told].float()], dim=1)
            return nn.functional.linear(whole, encoder.linear.weight)
        if self.means[number]:
            total = x.sum(dim=1, keepdim=True)
            x = x / torch.where(total == 0, 1.0, total)
        return x @ encoder.vectors.weight


def sides_of(towers: TrainedTowers) -> Mapping[str, Network]:
    """The networks of both sides."""
    sides: tuple[Side, Side] = ("user", "item")
    return {side: tower_network(towers, side) for side in sides}
