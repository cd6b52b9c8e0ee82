"""What a network reads, item by item: decoded images or token ids, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from lab.data.labelled.items import Items


@dataclass(frozen=True)
class ItemInputs:
    """The items as a backbone takes them.

    `load(index)`: for images (m, C, H, W) uint8; for texts m arrays of token ids, each as long as its text.
    `fingerprints` name the items' content and `preprocessing_key` what `load` does to it: together they are the key
    of the cache.
    """

    kind: Literal["image", "text"]
    fingerprints: list[str]
    preprocessing_key: str
    load: Callable[[np.ndarray], Sequence[np.ndarray] | np.ndarray]
    pad_id: int = 0
    """The token id that stands where a text of a batch has ended."""

    def __len__(self) -> int:
        return len(self.fingerprints)


def item_inputs(items: Items, preprocessing: Any) -> ItemInputs:
    """The inputs of `items` for a backbone with this `ImagePreprocessing` or `TextPreprocessing`.

    Texts are cut at `max_length` tokens and never padded here; an empty one becomes a single padding token where
    the tokenizer adds none of its own.
    """
    if items.kind == "image":
        images, size, channels = items.images, preprocessing.size, preprocessing.channels
        assert images is not None
        return ItemInputs(
            kind="image",
            fingerprints=items.fingerprints,
            preprocessing_key=preprocessing.key,
            load=lambda index: images.decode(index, size, preprocessing.interpolation, channels),
        )
    texts, pad_id = items.texts, int(preprocessing.pad_id or 0)
    assert texts is not None

    def tokenize(index: np.ndarray) -> list[np.ndarray]:
        chosen = [texts[i] for i in index]
        encoded = preprocessing.tokenizer(chosen, truncation=True, max_length=preprocessing.max_length, padding=False)
        return [np.asarray(ids or [pad_id], dtype=np.int32) for ids in encoded["input_ids"]]

    return ItemInputs(
        kind="text",
        fingerprints=items.fingerprints,
        preprocessing_key=preprocessing.key,
        load=tokenize,
        pad_id=pad_id,
    )
