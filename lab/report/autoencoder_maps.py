"""Which embeddings get a map: every kind at the size that the answer speaks of, the same test items on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.report.autoencoder_rows import LINEAR
from lab.report.finetune_maps import only_test_items
from lab.report.map_data import MapSource
from lab.report.maps import FEWEST_ITEMS
from lab.report.numbers import plain

if TYPE_CHECKING:
    from lab.report.autoencoder_rows import Entry, Group

SECTION = "embeddings"


def embedding_maps(groups: Sequence[Group]) -> list[MapSource]:
    """Maps of the first task, coloured by class where items have one."""
    found = [_source(groups[0], entry) for entry in groups[0].at(groups[0].focus)] if groups else []
    return [source for source in found if source and len(source.space) >= FEWEST_ITEMS]


def _source(group: Group, entry: Entry) -> MapSource | None:
    run = entry.run
    if not run.default_embedding:
        return None
    space = only_test_items(run.space())
    line = group.line(entry, LINEAR, group.focus)
    accuracy = line.values.get(run.seed, line.value) if line else None
    note = f"Linear probe {plain(accuracy, 3)}. " if accuracy is not None else ""
    row = replace(entry.row, label=entry.title)
    return MapSource(row, run, space, section=SECTION, color="label", named=False, note=note)
