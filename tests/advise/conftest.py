from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from workshop import Workshop

WORDS = {"good": ["fine", "lovely", "bright", "warm", "clever"], "bad": ["dull", "poor", "grey", "cold", "clumsy"]}


@pytest.fixture
def sentences(home) -> Callable[..., Path]:
    """Write a csv of short sentences of two classes; more of them have no label."""

    def write(each: int = 24, unlabelled: int = 0, name: str = "films.csv", parts: bool = False) -> Path:
        random = np.random.default_rng(0)
        rows = []
        for number in range(each):
            for label, words in WORDS.items():
                two = " and ".join(random.choice(words, 2, replace=False))
                text = f"take {number} was {two} from the start, no {number * 7}"
                rows.append([text, label, ["train", "validation", "test"][number % 3]])
        for number in range(unlabelled):
            rows.append([f"take {900 + number} was {random.choice(WORDS['bad'])}, said {number}", "", ""])
        columns = 3 if parts else 2
        with open(home / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows(row[:columns] for row in [["sentence", "label", "split"], *rows])
        return Path(name)

    return write


@pytest.fixture
def photos(home) -> Callable[..., Path]:
    """Write a folder of small noisy pictures, one folder a class."""

    def write(each: int = 12, side: int = 40) -> Path:
        from PIL import Image

        random = np.random.default_rng(1)
        for label, base in (("dark", 60), ("light", 190)):
            folder = home / "photos" / label
            folder.mkdir(parents=True)
            for number in range(each):
                pixels = np.clip(random.normal(base, 50, (side, side, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
        return Path("photos")

    return write


@pytest.fixture
def workshop(home) -> Workshop:
    """Writes run directories and studies as the launcher would leave them."""
    return Workshop(home)
