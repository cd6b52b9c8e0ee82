"""Which representations get a map: before training, block by block, and after training at the depths that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.report.map_data import Layout, MapSource
from lab.report.maps import FEWEST_ITEMS
from lab.report.numbers import plain

if TYPE_CHECKING:
    from lab.config.base import MapConfig
    from lab.embeddings.space import EmbeddingSpace
    from lab.report.finetune_answer import Choice
    from lab.report.finetune_rows import Entry, Group
    from lab.runs.run import Run

SECTION = "fine-tuning"
MOST_BLOCKS = 5  # stages of the map that goes block by block, the last apart
BEFORE, AFTER, BLOCK = "items.before", "items", "items.block-"


def finetune_maps(groups: Sequence[Group], choices: Sequence[Choice | None], settings: MapConfig) -> list[MapSource]:
    """Maps of the first task at its largest number of labels: before, by block, after the choice and everything."""
    if not groups:
        return []
    place = max((i for i, g in enumerate(groups) if g.task == groups[0].task), key=lambda i: groups[i].size)
    group, choice = groups[place], choices[place]
    chosen = choice.entry if choice and choice.entry.kind != "baseline" else None
    found = _blocks(group, settings)
    depths = group.of("depth")
    after = [entry for entry in [chosen, *depths[-1:]] if entry and entry.trained]
    first = next((entry for entry in [chosen, *depths] if entry and BEFORE in entry.run.embedding_names), None)
    if first:
        found.append(_source(first, BEFORE, "before: last block", _probe(group, first.blocks)))
    elif depths and not depths[0].trained and AFTER in depths[0].run.embedding_names:  # a head alone changes nothing
        found.append(_source(depths[0], AFTER, "before: last block", _probe(group, depths[0].blocks)))
    after = [entry for entry in after if AFTER in entry.run.embedding_names]
    for own in after[:1] if len({id(entry) for entry in after}) == 1 else after:
        line = group.line(own)
        note = f"Accuracy of the run on test items {plain(line.values.get(own.run.seed, line.value or 0), 3)}. "
        found.append(_source(own, AFTER, f"after: {own.title}", note))
    return [source for source in found if len(source.space) >= FEWEST_ITEMS]


def _blocks(group: Group, settings: MapConfig) -> list[MapSource]:
    """The pretrained network's features block by block on one map, as the all-frozen run kept them."""
    entry = next((e for e in group.of("depth", "strategy") if len(_block_names(e.run)) > 1), None)
    if entry is None:
        return []
    from lab.embeddings.alignment import align_maps
    from lab.embeddings.projection import MapSettings

    numbers = _block_names(entry.run)
    numbers = [*numbers[:-1][:: max(1, -(-len(numbers) // MOST_BLOCKS))][:MOST_BLOCKS], numbers[-1]]
    names = [block.get("name", "") for block in entry.facts.get("blocks") or []]
    source = _source(entry, f"{BLOCK}{numbers[-1]}", "before: block by block", "")
    source.ids = list(source.space.ids[: settings.items])
    spaces = [entry.run.space(f"{BLOCK}{number}").subset(source.ids) for number in numbers]
    how = MapSettings(settings.method, settings.metric, settings.neighbors, settings.min_dist, settings.seed)
    for number, points in zip(numbers, align_maps(spaces, how), strict=True):
        name = f" ({names[number - 1]})" if 0 < number <= len(names) else ""
        probe = _probe(group, number).rstrip(". ").replace("Linear", ": linear")
        source.stages = [*source.stages, Layout(f"block {number}{name}{probe}", points)]
    return [source]


def _block_names(run: Run) -> list[int]:
    numbers = [name.removeprefix(BLOCK) for name in run.embedding_names if name.startswith(BLOCK)]
    return sorted(int(number) for number in numbers if number.isdigit())


def _source(entry: Entry, name: str, title: str, note: str) -> MapSource:
    space = only_test_items(entry.run.space(name))
    row = replace(entry.row, label=title)
    return MapSource(row, entry.run, space, section=SECTION, color="label", named=False, note=note, embedding=name)


def only_test_items(space: EmbeddingSpace) -> EmbeddingSpace:
    """Only the test items, where the space says which these are."""
    if "split" not in space.metadata.columns:
        return space
    test = (space.metadata["split"] == "test").to_numpy()
    return space.subset(test) if test.any() and not test.all() else space


def _probe(group: Group, block: int) -> str:
    """What a linear probe reads from the block, for the caption of its map."""
    from lab.report.finetune_blocks import probed

    entry = probed(group)
    for probe in (entry.facts.get("probes") or []) if entry else []:
        if (
            probe.get("block") == block
            and probe.get("stage", "before") == "before"
            and probe.get("accuracy") is not None
        ):
            return f"Linear probe {plain(probe['accuracy'], 3)}. "
    return ""
