"""From what a table says of entities to what a tower reads: categories, numbers, words, vectors, an own history.

Levels, scales and words are learned from entities that the training part knows; what only others have is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import UserError, nearest
from lab.training.two_tower_config import FeatureConfig, TowerConfig

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from scipy.sparse import csr_array

    from lab.models.towers.features import Table

Side = Literal["user", "item"]
FEW_LEVELS = 1000
LONG_TEXT = 25.0  # characters on average: more is text, not the name of a category


def tower_tables(
    config: TowerConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> list[Table]:
    """The features of all entities of one side, in the order of the config.

    `table`: a row an entity, or None. `known` (n,) bool: entities of the training part. `history` (users, items): the
    training part. Raises `UserError` for a column that is not there or holds nothing that the kind can read.
    """
    features = config.features or found_features(table)
    return [_MAKERS[feature.kind](feature, side, table, known, history) for feature in features]


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


def _column(feature: FeatureConfig, side: Side, table: pd.DataFrame | None) -> pd.Series:
    name = feature.column or "text"
    if table is None:
        raise UserError(f"{side}.features: column {name!r}: nothing is known of the {side}s but their ids")
    if name not in table.columns:
        near = nearest(name, [str(column) for column in table.columns], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(
            f"{side}.features: no column {name!r} of the {side}s; {hint}there is {', '.join(map(str, table.columns))}"
        )
    return table[name]


def _texts(feature: FeatureConfig, side: Side, table: pd.DataFrame | None) -> list[str]:
    return [text if isinstance(text, str) else "" for text in _column(feature, side, table)]


def _ids(feature: FeatureConfig, side: Side, table: Any, known: np.ndarray, history: csr_array) -> Table:
    from lab.models.towers.features import Ids

    return Ids("id", known)


def _category(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    import numpy as np
    import pandas as pd

    from lab.models.towers.features import Codes

    values = _column(feature, side, table)
    texts = values.astype(str).where(values.notna())
    levels = sorted(texts[known].dropna().unique())
    codes = pd.Categorical(texts, categories=levels).codes
    return Codes(str(feature.column), codes.astype(np.int64), len(levels))


def _categories(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    values = _column(feature, side, table)
    cells = [_parts(cell, feature.separator) for cell in values]
    seen = {level for cell, is_known in zip(cells, known, strict=True) if is_known for level in cell}
    levels = {level: at for at, level in enumerate(sorted(seen))}
    return _bags(str(feature.column), [[levels[x] for x in cell if x in levels] for cell in cells], len(levels))


def _parts(cell: Any, separator: str) -> list[str]:
    if isinstance(cell, str):
        return sorted({part.strip() for part in cell.split(separator)} - {""})
    is_list = isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) == 1
    return sorted({str(part) for part in cell}) if is_list else []


def _bags(name: str, rows: Sequence[Sequence[int]], levels: int) -> Table:
    import numpy as np

    from lab.models.towers.features import Bags

    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    indices = np.fromiter((x for row in rows for x in row), dtype=np.int64, count=int(lengths.sum()))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Bags(name, offsets, indices, np.ones(len(indices), dtype=np.float32), levels)


def _number(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    import numpy as np
    import pandas as pd

    from lab.models.towers.features import Numbers

    column = _column(feature, side, table)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    strange = np.isnan(values) & column.notna().to_numpy()
    if strange.any():
        first = column[strange].iloc[0]
        raise UserError(
            f"{side}.features: column {feature.column!r} holds {first!r}, which is no number; kind: category?"
        )
    if feature.scale == "rank":
        order = np.sort(values[known & ~np.isnan(values)])
        scaled = np.searchsorted(order, values) / max(1, len(order))
        scaled = np.where(np.isnan(values), np.nan, scaled - 0.5)
    else:
        values = np.log1p(np.maximum(values, 0)) if feature.scale == "log" else values
        seen = values[known & ~np.isnan(values)]
        spread = seen.std() if len(seen) else 0.0
        scaled = (values - (seen.mean() if len(seen) else 0.0)) / (spread or 1.0)
    return Numbers(str(feature.column), scaled[:, None].astype(np.float32))


def _words(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    """Words and n-grams, hashed, each row weighted by TF-IDF with the frequencies of the known entities."""
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    from lab.models.towers.features import Bags

    texts = _texts(feature, side, table)
    hashed = HashingVectorizer(
        n_features=feature.buckets,
        ngram_range=(1, feature.ngrams),
        alternate_sign=False,
        norm=None,
        token_pattern=r"(?u)\b\w+\b",
    ).transform(texts)
    weighted = TfidfTransformer(sublinear_tf=True).fit(hashed[np.flatnonzero(known)]).transform(hashed).tocsr()
    return Bags(
        feature.column or "text",
        weighted.indptr.astype(np.int64),
        weighted.indices.astype(np.int64),
        weighted.data.astype(np.float32),
        feature.buckets,
        mean=False,
    )


def _vectors(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    from lab.models.towers.features import Numbers

    texts = _texts(feature, side, table)
    return Numbers(feature.column or "text", word_means(feature.model or "minilm-l6", texts))


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


def _backbone(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    from lab.models.towers.features import Numbers

    contents = ["" if value != value or value is None else str(value) for value in _column(feature, side, table)]
    return Numbers(
        feature.column or "text", backbone_features(feature.model or "minilm-l6", contents, feature.max_length)
    )


def backbone_features(name: str, contents: Sequence[str], max_length: int = 128) -> np.ndarray:
    """Features (n, d) float32 of texts, or of pictures by their paths, by a frozen network; kept in its cache."""
    import numpy as np

    from lab.data.labelled.new_items import items_of
    from lab.frozen import open_backbone, open_cache
    from lab.training.config import BackboneConfig, TrainConfig

    backbone = open_backbone(BackboneConfig(name=name, max_length=max_length))
    cache = open_cache(backbone, items_of(list(contents), backbone.kind), TrainConfig())
    return cache.pooled(None, np.arange(len(contents)))


def _history(
    feature: FeatureConfig, side: Side, table: pd.DataFrame | None, known: np.ndarray, history: csr_array
) -> Table:
    import numpy as np

    from lab.models.towers.features import Bags

    if side == "item":
        raise UserError("item.features: kind: history is of users: the items they had")
    ones = np.ones(history.nnz, dtype=np.float32)
    return Bags("history", history.indptr.astype(np.int64), history.indices.astype(np.int64), ones, history.shape[1])


_MAKERS: dict[str, Callable[..., Table]] = {
    "id": _ids,
    "category": _category,
    "categories": _categories,
    "number": _number,
    "words": _words,
    "vectors": _vectors,
    "backbone": _backbone,
    "history": _history,
}
