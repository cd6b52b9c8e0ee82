"""Kind by kind: what is learned from the entities that training knows, and what a tower reads of any others by it.

Levels, scales and words are those of known entities; what only others have is unknown. What is learned is plain data
and arrays, so that a run keeps it and reads new entities the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import UserError, nearest
from lab.training.two_tower_config import FeatureConfig

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from scipy.sparse import csr_array

    from lab.data.labelled.items import Items
    from lab.models.towers.features import Table

Side = Literal["user", "item"]
Learned = Mapping[str, Any]


@dataclass(frozen=True)
class Entities:
    """Some entities of one side and what is known of them.

    `ids` (n,): their names. `table`: a row an entity, or None. `history` (n, items): which of `items` users had; None:
    as a column `history` of the table says. `pictures`: themselves, in place of a column of paths. `new`: a column that
    is not in the table is missing for all of them; else it is an error. `say` takes a line of what takes time.
    """

    side: Side
    ids: Sequence[str]
    table: pd.DataFrame | None = None
    history: csr_array | None = None
    items: Sequence[str] = ()
    pictures: Items | None = None
    new: bool = False
    say: Callable[[str], None] | None = None

    def column(self, name: str) -> pd.Series:
        """A column of the table. Raises `UserError` where it is not there, of entities that are not new."""
        import pandas as pd

        if self.table is not None and name in self.table.columns:
            return self.table[name]
        if self.new:
            return pd.Series([None] * len(self.ids), dtype=object)
        if self.table is None:
            side = self.side
            raise UserError(f"{side}.features: column {name!r}: nothing is known of the {side}s but their ids")
        names = [str(column) for column in self.table.columns]
        near = nearest(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(
            f"{self.side}.features: no column {name!r} of the {self.side}s; {hint}there is {', '.join(names)}"
        )

    def texts(self, feature: FeatureConfig) -> list[str]:
        """The texts of a feature's column, "" where there is none."""
        return [text if isinstance(text, str) else "" for text in self.column(column_of(feature))]


def column_of(feature: FeatureConfig) -> str:
    """The column that a feature reads; of texts and pictures by default `text`."""
    return feature.column or {"id": "id", "history": "history"}.get(feature.kind, "text")


def learn(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    """What a feature has to learn from the entities that are `known` (n,) bool: plain data and arrays."""
    return _LEARN[feature.kind](feature, entities, known)


def read(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    """What a tower reads of a feature of these entities. Raises `UserError` where a column holds no such thing."""
    return _READ[feature.kind](feature, learned, entities)


# --- ids and what a user had


def _learn_ids(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    return {"ids": [str(name) for name, is_known in zip(entities.ids, known, strict=True) if is_known]}


def _ids(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    from lab.models.towers.features import Codes

    return Codes("id", _codes(entities.ids, learned["ids"]), len(learned["ids"]))


def _codes(values: Sequence[Any], levels: Sequence[str]) -> np.ndarray:
    import numpy as np

    place = {level: at for at, level in enumerate(levels)}
    return np.array([place.get(value, -1) for value in values], dtype=np.int64)


def _learn_history(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    if entities.side == "item":
        raise UserError("item.features: kind: history is of users: the items they had")
    return {"items": list(entities.items)}


def _history(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    import numpy as np

    from lab.models.towers.features import Bags

    history = entities.history
    if history is None:
        cells = [parts_of(cell, feature.separator) for cell in entities.column("history")]
        return bags("history", cells, learned["items"], feature.dropout)
    return Bags(
        "history",
        history.indptr.astype(np.int64),
        history.indices.astype(np.int64),
        np.ones(history.nnz, dtype=np.float32),
        history.shape[1],
        dropout=feature.dropout,
    )


# --- categories


def _learn_category(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    values = _categories_as_text(entities.column(column_of(feature)))
    return {"levels": sorted({x for x, is_known in zip(values, known, strict=True) if is_known and x is not None})}


def _category(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    from lab.models.towers.features import Codes

    values = _categories_as_text(entities.column(column_of(feature)))
    return Codes(column_of(feature), _codes(values, learned["levels"]), len(learned["levels"]))


def _categories_as_text(values: pd.Series) -> list[str | None]:
    """3.0 of a column with gaps is 3."""
    from lab.data.interactions.columns import plain

    return [plain(value) or None for value in values]


def _learn_categories(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    cells = zip(entities.column(column_of(feature)), known, strict=True)
    seen = {level for cell, is_known in cells if is_known for level in parts_of(cell, feature.separator)}
    return {"levels": sorted(seen)}


def _categories(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    column = entities.column(column_of(feature))
    return bags(column_of(feature), [parts_of(cell, feature.separator) for cell in column], learned["levels"])


def parts_of(cell: Any, separator: str) -> list[str]:
    """The categories in a cell, text with separators or a list, each once."""
    if isinstance(cell, str):
        return sorted({part.strip() for part in cell.split(separator)} - {""})
    is_list = isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) == 1
    return sorted({str(part) for part in cell}) if is_list else []


def bags(name: str, rows: Sequence[Sequence[str]], levels: Sequence[str], dropout: float = 0.0) -> Table:
    """Rows of levels as `Bags`; what is no level is left out."""
    import numpy as np

    from lab.models.towers.features import Bags

    place = {level: at for at, level in enumerate(levels)}
    found = [[place[level] for level in row if level in place] for row in rows]
    indices = np.fromiter((x for row in found for x in row), dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in found], dtype=np.int64)])
    ones = np.ones(len(indices), dtype=np.float32)
    return Bags(name, offsets, indices, ones, len(levels), dropout=dropout)


# --- numbers


def _numbers_in(feature: FeatureConfig, entities: Entities) -> np.ndarray:
    """The column as (n,) float64, its logarithm where that is asked for."""
    import numpy as np
    import pandas as pd

    column = entities.column(column_of(feature))
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    strange = np.isnan(values) & column.notna().to_numpy()
    if strange.any():
        first = column[strange].iloc[0]
        raise UserError(
            f"{entities.side}.features: column {feature.column!r} holds {first!r}, which is no number; kind: category?"
        )
    return np.log1p(np.maximum(values, 0)) if feature.scale == "log" else values


def _learn_number(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    import numpy as np

    values = _numbers_in(feature, entities)
    seen = values[known & ~np.isnan(values)]
    if feature.scale == "rank":
        return {"order": np.sort(seen)}
    mean, spread = (float(seen.mean()), float(seen.std())) if len(seen) else (0.0, 0.0)
    return {"mean": mean, "spread": spread or 1.0}


def _number(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    import numpy as np

    from lab.models.towers.features import Numbers

    values = _numbers_in(feature, entities)
    if feature.scale == "rank":
        order = learned["order"]
        scaled = np.where(np.isnan(values), np.nan, np.searchsorted(order, values) / max(1, len(order)) - 0.5)
    else:
        scaled = (values - learned["mean"]) / learned["spread"]
    return Numbers(column_of(feature), scaled[:, None].astype(np.float32), _told(learned))


def _told(learned: Learned) -> tuple[int, ...] | None:
    return tuple(learned["told"]) if "told" in learned else None


# --- texts


def _hashed(feature: FeatureConfig, entities: Entities) -> Any:
    """Words and n-grams, hashed and counted: a sparse matrix (n, buckets)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        n_features=feature.buckets,
        ngram_range=(1, feature.ngrams),
        alternate_sign=False,
        norm=None,
        token_pattern=r"(?u)\b\w+\b",
    ).transform(entities.texts(feature))


def _learn_words(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfTransformer

    return {"idf": TfidfTransformer().fit(_hashed(feature, entities)[np.flatnonzero(known)]).idf_}


def _words(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    """Each row weighted by TF-IDF with the frequencies of the known entities, of length 1."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfTransformer

    from lab.models.towers.features import Bags

    transformer = TfidfTransformer(sublinear_tf=True)
    transformer.idf_ = learned["idf"]
    weighted = transformer.transform(_hashed(feature, entities)).tocsr()
    return Bags(
        column_of(feature),
        weighted.indptr.astype(np.int64),
        weighted.indices.astype(np.int64),
        weighted.data.astype(np.float32),
        feature.buckets,
        mean=False,
        alike=True,
    )


def _learn_vectors(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    """Which run it was, where `model` may name another one tomorrow (`last`)."""
    from pathlib import Path

    from lab.spaces import find_run, is_text_backbone

    model = feature.model or "minilm-l6"
    lasting = is_text_backbone(model) or Path(model).expanduser().is_file()
    return {"model": model if lasting else find_run(model).id}


def _vectors(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    from lab.models.towers.features import Numbers

    vectors = word_means(learned["model"], entities.texts(feature))
    return Numbers(column_of(feature), vectors, _told(learned), alike=True)


def word_means(model: str, texts: Sequence[str]) -> np.ndarray:
    """The mean word vector of each text, (n, d) float32, NaN where no word is known.

    `model`: a word2vec run, a file of vectors, or the token table of a packaged backbone.
    """
    from pathlib import Path

    from lab.models.word2vec.encoder import MeanOfWords
    from lab.spaces import find_run, is_text_backbone, vectors_from

    if is_text_backbone(model) or Path(model).expanduser().is_file():
        from lab.data.tokenizer import TokenizerConfig, tokenize

        return MeanOfWords(vectors_from(model), lambda text: tokenize(text, TokenizerConfig())).encode(texts)
    return find_run(model).encoder().encode(texts)


# --- pretrained networks


def _learn_backbone(feature: FeatureConfig, entities: Entities, known: np.ndarray) -> dict[str, Any]:
    from lab.backbones import find_backbone

    return {"weights": find_backbone(backbone_config(feature).name).fingerprint}


def _backbone(feature: FeatureConfig, learned: Learned, entities: Entities) -> Table:
    """Features of a frozen network, or the activations behind its frozen blocks; of known entities from the cache."""
    import numpy as np

    from lab.backbones import find_backbone
    from lab.frozen import open_backbone, open_cache
    from lab.models.towers.features import Activations, Numbers
    from lab.training.config import TrainConfig
    from lab.training.depth import resolve_depth

    network = backbone_config(feature)
    if learned["weights"] != find_backbone(network.name).fingerprint:
        raise UserError(
            f"backbone {network.name!r} has other weights now than those that the run was trained with; do that run "
            "again with --rerun"
        )
    backbone, column, count = open_backbone(network), column_of(feature), len(entities.ids)
    items, there = _contents(column, backbone.kind, entities)
    cache = open_cache(backbone, items, TrainConfig(), enabled=not entities.new)
    key = f"{entities.side}.features: frozen_depth"
    depth = resolve_depth(feature.frozen_depth, backbone.block_names, key)
    if depth == len(backbone.block_names):
        values = np.full((count, backbone.feature_dim), np.nan, dtype=np.float32)
        values[there] = cache.pooled(None, np.arange(len(there)))
        return Numbers(column, values, _told(learned), alike=True)
    if len(there) < count:
        raise UserError(
            f"{key}: {feature.frozen_depth}: {count - len(there)} of the {entities.side}s have no picture in column "
            f"{column!r}, which only frozen_depth: all can do without"
        )
    cache.fill([depth], there, progress=entities.say)
    activations = cache.activations(depth)
    return Activations(column, backbone, depth, activations.batch, activations.lengths)


def _contents(column: str, kind: Literal["image", "text"], entities: Entities) -> tuple[Items, np.ndarray]:
    """The texts or pictures of a column, and of which entities (m,): of all where texts may be empty."""
    import numpy as np

    from lab.data.labelled.new_items import items_of

    if kind == "image" and entities.pictures is not None:
        return entities.pictures, np.arange(len(entities.pictures))
    cells = ["" if value != value or value is None else str(value) for value in entities.column(column)]
    there = np.array([at for at, cell in enumerate(cells) if cell or kind == "text"], dtype=np.int64)
    return items_of([cells[at] for at in there], kind), there


def backbone_config(feature: FeatureConfig) -> Any:
    """The network that a feature names."""
    from lab.training.config import BackboneConfig

    return BackboneConfig(name=feature.model or "minilm-l6", max_length=feature.max_length)


_LEARN: dict[str, Callable[[FeatureConfig, Entities, np.ndarray], dict[str, Any]]] = {
    "id": _learn_ids,
    "history": _learn_history,
    "category": _learn_category,
    "categories": _learn_categories,
    "number": _learn_number,
    "words": _learn_words,
    "vectors": _learn_vectors,
    "backbone": _learn_backbone,
}
_READ: dict[str, Callable[[FeatureConfig, Learned, Entities], Table]] = {
    "id": _ids,
    "history": _history,
    "category": _category,
    "categories": _categories,
    "number": _number,
    "words": _words,
    "vectors": _vectors,
    "backbone": _backbone,
}
