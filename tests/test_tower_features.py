from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from lab.errors import UserError
from lab.tower_features import found_features, learn_features
from lab.tower_readers import Entities
from lab.training.two_tower_config import FeatureConfig, TowerConfig

TABLE = pd.DataFrame(
    {
        "genres": ["Drama|War", None, "War", "Comedy"],
        "year": [1990.0, 2000, np.nan, 2020],
        "country": ["fr", "de", "fr", "it"],
        "text": ["a war far away", "love and war", None, "they laugh"],
    },
    index=["a", "b", "c", "d"],
)
KNOWN = np.array([True, True, True, False])
HISTORY = csr_array(np.array([[1, 0, 1, 0], [0, 1, 0, 0]], dtype=np.float32))


def tables(*features, side="item"):
    config = TowerConfig(features=[FeatureConfig(**feature) for feature in features] or None)
    return learn_features(config, Entities(side, list(TABLE.index), TABLE, HISTORY, list("wxyz")), KNOWN)[1]


def test_by_default_all_columns_by_what_they_hold():
    kinds = {feature.column: feature.kind for feature in found_features(pd.concat([TABLE] * 2))}
    assert kinds == {None: "id", "genres": "categories", "year": "number", "country": "category", "text": "words"}
    assert "country" not in [feature.column for feature in found_features(TABLE)]  # as good as an id
    assert [feature.kind for feature in found_features(None)] == ["id"]
    assert len(tables()) == len(found_features(TABLE))


def test_levels_are_those_of_known_entities():
    (country,) = tables({"kind": "category", "column": "country"})
    assert country.levels == 2
    assert country.values.tolist() == [1, 0, 1, -1]
    (genres,) = tables({"kind": "categories", "column": "genres"})
    assert genres.levels == 2
    assert np.diff(genres.offsets).tolist() == [2, 0, 1, 0]
    assert genres.indices.tolist() == [0, 1, 1]


def test_numbers_are_scaled_by_known_entities_and_missing_ones_stay_missing():
    (year,) = tables({"kind": "number", "column": "year"})
    assert year.values[:2, 0].tolist() == [-1, 1]
    assert np.isnan(year.values[2, 0])
    assert year.values[3, 0] == 5
    (rank,) = tables({"kind": "number", "column": "year", "scale": "rank"})
    assert rank.values[[0, 1, 3], 0].tolist() == [-0.5, 0, 0.5]
    (log,) = tables({"kind": "number", "column": "year", "scale": "log"})
    assert log.values[0, 0] == pytest.approx(-1)


def test_words_weigh_by_their_rarity_and_rows_have_length_one():
    (words,) = tables({"kind": "words", "ngrams": 2})
    assert np.diff(words.offsets)[2] == 0
    for row in (0, 1, 3):
        own = words.weights[words.offsets[row] : words.offsets[row + 1]]
        assert np.square(own).sum() == pytest.approx(1, rel=1e-5)


def test_a_history_is_the_training_part():
    (had,) = tables({"kind": "history"}, side="user")
    assert had.indices.tolist() == [0, 2, 1]
    with pytest.raises(UserError, match="kind: history is of users"):
        tables({"kind": "history"})


def test_what_cannot_be_read_is_told_in_one_line():
    with pytest.raises(UserError, match="no column 'yaer' of the items; did you mean 'year'"):
        tables({"kind": "number", "column": "yaer"})
    with pytest.raises(UserError, match="'fr', which is no number"):
        tables({"kind": "number", "column": "country"})
    with pytest.raises(UserError, match="nothing is known of the users but their ids"):
        learn_features(TowerConfig(features=[FeatureConfig(kind="words")]), Entities("user", list("abcd")), KNOWN)


def test_keys_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="scale: means nothing with kind: category"):
        FeatureConfig(kind="category", column="x", scale="log")
    with pytest.raises(ValueError, match="needs a column"):
        FeatureConfig(kind="number")
