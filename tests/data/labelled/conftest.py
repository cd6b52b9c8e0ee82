from __future__ import annotations

import numpy as np
import pytest
from pictures_made import picture

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import RawItems, make_items


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes with ten pictures each."""
    folder = tmp_path / "photos"
    for number in range(20):
        place = folder / ("cat" if number % 2 else "dog") / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(place)
    return folder


@pytest.fixture
def texts():
    """Make items of texts, all different, from their labels and columns."""

    def make(labels, columns=None, predefined=None, group=None):
        words = np.random.default_rng(0).integers(0, 10**6, (len(labels), 12))
        raw = RawItems(
            "text",
            [f"row:{i}" for i in range(len(labels))],
            [str(label) for label in labels],
            "made",
            "texts",
            texts=[" ".join(map(str, row)) for row in words],
            columns=dict(columns or {}),
            predefined=predefined,
            group=group,
        )
        return make_items(raw, single=False)

    return make


@pytest.fixture
def config():
    """A data config whose split has these keys."""

    def make(keys=None, **split):
        return LabelledConfig(**{"source": "made", **(keys or {}), "split": split})

    return make
