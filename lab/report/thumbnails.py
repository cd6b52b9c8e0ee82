"""Small pictures of the items on the maps, as sheets that the page decodes only when one of them is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import UserError
from lab.report.text import data_uri

if TYPE_CHECKING:
    from lab.data.labelled.items import Items
    from lab.report.map_data import MapSource
    from lab.runs.run import Run

MOST_BYTES = 450_000  # of all sheets, a third less than they take up in the page
MOST_PICTURES = 2000  # read for one page
ACROSS = 16  # pictures in a row of a sheet, and rows of a sheet
_TRIES = ((32, 60), (32, 35), (24, 35))  # pixels a side, quality


@dataclass(frozen=True)
class Thumbnails:
    """`ids`: whose pictures these are, in the order of the sheets; `size`: pixels a side; `sheets`: WebP, 16 × 16."""

    ids: list[str]
    size: int
    sheets: list[bytes]

    def in_page(self, number_of: Mapping[str, int]) -> dict[str, Any]:
        """For the viewer: which item each picture belongs to (-1: none of the page's)."""
        return {
            "size": self.size,
            "across": ACROSS,
            "items": [number_of.get(item, -1) for item in self.ids],
            "sheets": [data_uri(sheet, "image/webp") for sheet in self.sheets],
        }


def thumbnails(sources: Sequence[MapSource], most_bytes: int = MOST_BYTES) -> Thumbnails | None:
    """Pictures of the items on these maps, most frequent first, as many as fit; None where items are no pictures.

    They are read again from the runs' data, where these are still what the runs read.
    """
    wanted: dict[str, tuple[Items, int]] = {}
    known: dict[str, dict[str, tuple[Items, int]]] = {}
    for source in sources:
        if "text" in source.space.metadata.columns:
            continue
        key = json.dumps(source.run.config.get("data"), sort_keys=True, default=str)
        if key not in known:
            items = pictures_of(source.run)
            known[key] = {item: (items, place) for place, item in enumerate(items.ids)} if items else {}
        wanted |= {item: known[key][item] for item in source.ids if item in known[key] and item not in wanted}
    ids = list(wanted)[:MOST_PICTURES]
    while ids:
        for size, quality in _TRIES:
            sheets = _sheets([wanted[item] for item in ids], size, quality)
            if sum(map(len, sheets)) <= most_bytes:
                return Thumbnails(ids, size, sheets)
        ids = ids[: len(ids) // 2]
    return None


def pictures_of(run: Run) -> Items | None:
    """The pictures that a run read; None where its items are none, or no longer those that it read."""
    from pydantic import ValidationError

    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items

    try:
        items = load_items(LabelledConfig.model_validate(run.config.get("data")), "optional")
    except (ValidationError, UserError):
        return None
    same = items.fingerprint == (run.info.get("data") or {}).get("fingerprint")
    return items if same and items.images is not None else None


def _sheets(pictures: Sequence[tuple[Items, int]], size: int, quality: int) -> list[bytes]:
    """The pictures side by side, 16 × 16 a sheet, as WebP."""
    from PIL import Image

    tiles = np.empty((len(pictures), size, size, 3), dtype=np.uint8)
    for items in {id(items): items for items, _ in pictures}.values():
        own = [(place, index) for place, (other, index) in enumerate(pictures) if other is items]
        assert items.images is not None
        decoded = items.images.decode(np.array([index for _, index in own]), size)
        tiles[[place for place, _ in own]] = decoded.transpose(0, 2, 3, 1)
    sheets = []
    for start in range(0, len(tiles), ACROSS**2):
        sheet = np.zeros((ACROSS**2, size, size, 3), dtype=np.uint8)
        sheet[: len(tiles) - start] = tiles[start : start + ACROSS**2]
        whole = sheet.reshape(ACROSS, ACROSS, size, size, 3).swapaxes(1, 2).reshape(ACROSS * size, ACROSS * size, 3)
        content = BytesIO()
        Image.fromarray(whole).save(content, "WEBP", quality=quality, method=4)
        sheets.append(content.getvalue())
    return sheets
