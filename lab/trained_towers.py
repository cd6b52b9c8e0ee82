"""Two towers read back from their run: they embed new entities of either side as they embedded those of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import UserError
from lab.tower_features import Reader, build_tower, kept_readers, read_back
from lab.tower_readers import Entities, Side, backbone_config, column_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from lab.data.labelled.items import Items
    from lab.embeddings.space import EmbeddingSpace
    from lab.models.towers.features import Table
    from lab.models.towers.towers import Tower
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter

Kind = Literal["image", "text"]
SIDES: tuple[Side, Side] = ("user", "item")


def save_towers(run: RunWriter, readers: Mapping[Side, Sequence[Reader]], tensors: Mapping[str, Tensor]) -> None:
    """Keep what was trained (`towers`), and what the features learned from the training part (`tower_features`)."""
    plain, arrays = kept_readers(readers)
    run.save_tensors("towers", {name: tensor.numpy() for name, tensor in tensors.items()})
    run.save_tensors("tower_features", arrays)
    run.save_json("tower_features", plain)


class TrainedTowers:
    """The towers of a finished run, for entities that it may never have seen.

    `config`: the run's, with sections `user`, `item`, `similarity` and `train`. Raises `UserError` where the run kept
    no weights, and where pairs are not compared by vectors.
    """

    def __init__(self, run: Run, config: Any) -> None:
        if config.similarity.kind == "mlp":
            raise UserError(f"run {run.id} scores pairs by a perceptron; its vectors alone say nothing")
        if "towers.safetensors" not in run.contents().get("model", []):
            raise UserError(f"run {run.id} kept no weights; do it again with train.save_weights=true and --rerun")
        self.config, self.name, self.tensors = config, run.id, run.tensors("towers")
        self.readers = read_back(run.json("tower_features"), run.tensors("tower_features"))

    def vectors(self, entities: Entities) -> np.ndarray:
        """Vectors (n, d) float32 of entities of one side, of length 1 where they are compared by cosine.

        NaN where nothing at all is known of one. Raises `UserError` where a column holds no such thing.
        """
        import numpy as np

        from lab.models.towers.features import something_known
        from lab.models.towers.towers import comparable, in_chunks

        tables = [reader.read(entities) for reader in self.readers[entities.side]]
        tower = self.tower(entities.side, tables)
        found = in_chunks(lambda index: comparable(tower(index), self.config.similarity.kind), len(entities.ids))
        known = np.any([something_known(table, len(found)) for table in tables], axis=0)
        return np.where(known[:, None], found, np.float32("nan"))

    def tower(self, side: Side, tables: Sequence[Table]) -> Tower:
        """The trained tower of one side over what its readers read of some entities, in evaluation mode."""
        import torch

        section = self.config.user if side == "user" else self.config.item
        tower = build_tower(section, tables, self.config.dimension, self.config.train.sparse_from).eval()
        own = {name: parameter for name, parameter in tower.named_parameters() if parameter.requires_grad}
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(torch.from_numpy(self.tensors[f"{side}.{name}"]))
        return tower

    # --- texts and pictures alone

    @cached_property
    def _columns(self) -> dict[Kind, dict[Side, str]]:
        """The column of each side that is read as texts or as pictures, where there is one."""
        from lab.backbones import find_backbone

        found: dict[Kind, dict[Side, str]] = {"text": {}, "image": {}}
        for side in SIDES:
            for feature in (reader.feature for reader in self.readers[side]):
                kind: Kind = "text"
                if feature.kind == "backbone":
                    kind = find_backbone(backbone_config(feature).name).kind
                elif feature.kind not in ("words", "vectors"):
                    continue
                if column_of(feature) == "text" or side not in found[kind]:
                    found[kind][side] = column_of(feature)
        return found

    @property
    def kind(self) -> Kind:
        """What a new entity may be given as: pictures only where neither side reads texts."""
        return "image" if self._columns["image"] and not self._columns["text"] else "text"

    def side_of(self, kind: Kind) -> Side:
        """The side by which a text, or a picture, is read: users where they have such a column, else items.

        Raises `UserError` where neither has.
        """
        sides = self._columns[kind]
        if not sides:
            told = "; ".join(f"{side}s by {', '.join(self.columns(side)) or 'ids'}" for side in SIDES)
            raise UserError(f"run {self.name} reads no {'texts' if kind == 'text' else 'pictures'} ({told})")
        return "user" if "user" in sides else "item"

    def encode(self, items: Sequence[str], kind: Kind | None = None) -> np.ndarray:
        """Texts, or pictures by their paths, as (n, d) float32; NaN where there is no known word in a text."""
        import pandas as pd

        kind = kind or self.kind
        side = self.side_of(kind)
        table = pd.DataFrame({self._columns[kind][side]: list(items)}, dtype=object)
        return self.vectors(Entities(side, [""] * len(items), table, new=True))

    def features(self, items: Items) -> np.ndarray:
        """Pictures, wherever they are, as (n, d) float32."""
        return self.vectors(Entities(self.side_of("image"), items.ids, pictures=items, new=True))

    # --- rows of a table

    def columns(self, side: Side) -> list[str]:
        """The columns of a table that a side reads, beside the ids."""
        return list(dict.fromkeys(column_of(r.feature) for r in self.readers[side] if r.feature.kind != "id"))

    def embed_table(self, frame: pd.DataFrame, name: str) -> tuple[EmbeddingSpace, list[str]]:
        """The rows of a table of one side as a space, and what was left out, `id: why`.

        Which side: the one whose ids it has, else whose columns. Rows without an id are called by their number. What
        the run does not know of a row counts as missing. Raises `UserError` for a table of neither side.
        """
        import numpy as np
        import pandas as pd

        from lab.data.interactions.columns import typed
        from lab.embeddings.space import EmbeddingSpace

        side, id_column = self._side_of(frame, name)
        ids = [f"{name}:{row}" for row in range(len(frame))]
        if id_column is not None:
            from lab.data.interactions.tables import side_table

            ids = list(side_table(frame, id_column, name).index)
        table = pd.DataFrame({str(column): typed(frame[column]).to_numpy() for column in frame}, dtype=object)
        table = table.replace("", None)
        vectors = self.vectors(Entities(side, ids, table, new=True))
        unknown = np.isnan(vectors).any(axis=1)
        kept = np.flatnonzero(~unknown)
        if not len(kept):
            raise UserError(f"{name}: nothing that run {self.name} reads of {side}s is known of any of its rows")
        metadata = table.iloc[kept].reset_index(drop=True).drop(columns=["id", "vector", "side"], errors="ignore")
        space = EmbeddingSpace(
            [ids[i] for i in kept], vectors[kept], metadata.assign(side=side), f"{side}s of {name} by {self.name}"
        )
        lacking = [
            f"column {column} of all rows: not in {name}" for column in self.columns(side) if column not in table
        ]
        return space, lacking + [f"{ids[i]}: nothing that the run reads is known" for i in np.flatnonzero(unknown)]

    def _side_of(self, frame: pd.DataFrame, name: str) -> tuple[Side, str | None]:
        """Whose rows these are, and the column of their ids, if any."""
        from lab.data.interactions.tables import ITEMS, USERS

        given = [str(column) for column in frame.columns]
        lower = {column.lower(): column for column in given}
        data = self.config.data
        named = {"user": (data.user_id, data.user, *USERS), "item": (data.item_id, data.item, *ITEMS)}
        ids = {
            side: next((lower[str(usual).lower()] for usual in named[side] if str(usual).lower() in lower), None)
            for side in SIDES
        }
        shared = {side: len(set(self.columns(side)) & set(given)) for side in SIDES}
        sides = [side for side in SIDES if ids[side] is not None] or [side for side in SIDES if shared[side]]
        if not sides:
            told = "; ".join(f"{side}s by {', '.join(['id', *self.columns(side)])}" for side in SIDES)
            raise UserError(f"{name}: no column that run {self.name} reads ({told}); there is {', '.join(given)}")
        side = max(sides, key=lambda side: shared[side])
        return side, ids[side] or lower.get("id")
