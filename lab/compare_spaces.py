"""Finding spaces to compare by what a person types: runs, stages of a run, backbones on a run's items, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError, nearest

if TYPE_CHECKING:
    from lab.data.labelled.items import Items
    from lab.embeddings.space import EmbeddingSpace
    from lab.report.space_pairs import NamedSpace, SpaceComparison
    from lab.runs.run import Run


def compare(references: Sequence[str], ids: str | None = None) -> SpaceComparison:
    """Compare the spaces that references name; see `find_spaces` and `lab.report.space_pairs.compare_spaces`."""
    from lab.report.space_pairs import compare_spaces

    return compare_spaces(find_spaces(references, ids))


def find_spaces(references: Sequence[str], ids: str | None = None) -> list[NamedSpace]:
    """The spaces that references name, with another seed's beside those of runs.

    A reference is a run (any that `load_run` takes), one of its other spaces after an `@` (`last@block-3`,
    `last@before`), a vector file (`ids`: names the rows of a `.npy`), or a backbone, whole or up to a block
    (`efficientnet-lite0@5`): it embeds the items of the first run that has labelled items, or the texts of the first
    space that keeps them; without either, a text encoder's token table stands for it.
    Raises `UserError` in one line where one of them cannot be had.
    """
    found: dict[int, NamedSpace] = {}
    labels = _labels(_runs(references))
    for place, reference in enumerate(references):
        if _is_file(reference) or not _is_backbone(reference):
            found[place] = _named(reference, ids, labels)
    for place, reference in enumerate(references):
        if place not in found:
            found[place] = _backbone(reference, references, found)
    spaces = [found[place] for place in range(len(references))]
    return _told_apart(spaces, references)


def _is_backbone(reference: str) -> bool:
    from lab.data.packaged import packaged
    from lab.spaces import is_backbone

    name = reference.rpartition("@")[0] or reference
    return is_backbone(name) or name in [entry.name for entry in packaged("backbone")]


def _named(reference: str, ids: str | None, labels: Mapping[str, str]) -> NamedSpace:
    """A file, a run, or one of a run's spaces; `labels`: what runs are called, by id."""
    from lab.report.space_pairs import NamedSpace, with_seed
    from lab.runs.siblings import another_seed
    from lab.spaces import vectors_from

    path = Path(reference).expanduser()
    if _is_file(reference):
        return NamedSpace(path.name, vectors_from(reference, ids), why="no ceiling known: a file has no seeds")
    run, stage = _run_of(reference)
    embedding = _embedding(run, stage) if stage else run.default_embedding
    other = another_seed(run)
    again = other.space(embedding) if other and embedding in other.embedding_names else None
    seeds = f"seed {run.seed}; the other is seed {other.seed}, run {other.id}" if other else ""
    of = "" if embedding == run.default_embedding else str(embedding).partition(".")[2] or str(embedding)
    name = of if of and len(labels) == 1 else ", ".join([labels[run.id], *([of] if of else [])])
    return with_seed(name, run.space(embedding), again, seeds, run)


def _is_file(reference: str) -> bool:
    path = Path(reference).expanduser()
    return path.is_file() and path.name != "run.json"


def _run_of(reference: str) -> tuple[Run, str]:
    """A run, and which of its spaces is meant, "" for its main one."""
    from lab.spaces import find_run

    name, at, stage = reference.rpartition("@")
    return (find_run(name), stage) if at else (find_run(reference), "")


def _labels(runs: Sequence[Run]) -> dict[str, str]:
    """What runs are called, by id: by the settings in which they differ, and by seed where nothing else does."""
    from lab.report.numbers import spoken_label
    from lab.report.subject import fold

    once = list({run.id: run for run in runs}.values())
    found = {}
    for row in fold(once):
        for run in row.runs:
            seed = f" (seed {run.seed})" if len(row.runs) > 1 else ""
            found[run.id] = f"{spoken_label(row.label)}{seed}"
    for run in once:
        if run.id not in found:
            raise UserError(f"run {run.id} is {run.status}; its space can be compared once it is finished")
    return found


def _embedding(run: Run, stage: str) -> str:
    """The name of a run's space by its whole name, its stage, or the number of its block."""
    names = run.embedding_names
    stages = {name: name.partition(".")[2] for name in names}
    found = [n for n in names if stage in (n, stages[n], stages[n].removeprefix("block-"))]
    if not found:
        there = [stages[name] or name for name in names]
        listed = ", ".join(nearest(stage, there) or there) or "none"
        raise UserError(f"run {run.id} has no space {stage!r}; it has: {listed}")
    return found[0]


def _told_apart(spaces: list[NamedSpace], references: Sequence[str]) -> list[NamedSpace]:
    """Spaces that go by one name get what was typed for them beside it."""
    from dataclasses import replace

    names = [named.name for named in spaces]
    return [
        replace(named, name=f"{named.name} ({reference})") if names.count(named.name) > 1 else named
        for named, reference in zip(spaces, references, strict=True)
    ]


# --- backbones


def _backbone(reference: str, references: Sequence[str], found: dict[int, NamedSpace]) -> NamedSpace:
    """A pretrained network on the items of the other spaces."""
    from lab.data.backbones import locate_backbone
    from lab.report.space_pairs import NamedSpace
    from lab.spaces import token_space

    name, block = _split(reference)
    whole_text = block is None and locate_backbone(name).kind == "text"
    why = "no ceiling known: pretrained once"
    for run in _runs(references):
        if (space := _on_items(name, block, run)) is not None:
            return NamedSpace(reference, space, why=why)
    for named in found.values():
        if whole_text and "text" in named.space.metadata.columns:
            return NamedSpace(reference, _on_texts(name, named.space), why=why)
    if whole_text:
        return NamedSpace(f"{reference} tokens", token_space(name), why=why)
    raise UserError(
        f"{reference}: a backbone needs items to embed; give a run that was trained on labelled pictures or texts"
    )


def _split(reference: str) -> tuple[str, int | None]:
    name, at, block = reference.rpartition("@")
    if not at:
        return reference, None
    if not block.isdecimal() or not int(block):
        raise UserError(f"{reference}: after @ stands the number of a block, from 1: {name}@5")
    return name, int(block)


def _runs(references: Sequence[str]) -> list[Run]:
    """The runs among the references."""
    return [_run_of(name)[0] for name in references if not _is_file(name) and not _is_backbone(name)]


def _on_items(name: str, block: int | None, run: Run) -> EmbeddingSpace | None:
    """The features of a backbone for the labelled items of a run's space; None where the run has none."""
    from lab.data.backbones import locate_backbone
    from lab.embeddings.space import EmbeddingSpace
    from lab.frozen import open_backbone, open_cache
    from lab.training.config import BackboneConfig, TrainConfig

    space = run.space()
    items = _items(run, space)
    if items is None:
        return None
    kind = locate_backbone(name).kind
    if items.kind != kind:
        raise UserError(f"{name} embeds {kind}s, but run {run.id} was trained on {items.kind}s")
    own = run.config.get("backbone") or {}
    like = {"image_size": own["image_size"]} if own.get("image_size") else {}
    backbone = open_backbone(BackboneConfig(name=name, **like))
    if block is not None and block > len(backbone.block_names):
        raise UserError(f"{name}@{block}: it has {len(backbone.block_names)} blocks")
    features = open_cache(backbone, items, TrainConfig()).pooled(None if block is None else block - 1)
    return EmbeddingSpace(items.ids, features, space.subset(items.ids).metadata, name)


def _items(run: Run, space: EmbeddingSpace) -> Items | None:
    """The labelled items of a run that are in its space; None where it was not trained on any that are there."""
    import numpy as np

    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items

    data = run.config.get("data")
    if not isinstance(data, dict) or "source" not in data:
        return None
    try:
        items = load_items(LabelledConfig.model_validate(data), "optional")
    except (ValueError, UserError):  # words and pairs have data of another kind
        return None
    kept = np.array([row for row, item in enumerate(items.ids) if item in space], dtype=np.int64)
    return items.subset(kept) if len(kept) else None


def _on_texts(name: str, space: EmbeddingSpace) -> EmbeddingSpace:
    """The sentence embeddings of a text encoder for a space's texts."""
    from lab.embed import find_encoder
    from lab.embeddings.space import EmbeddingSpace

    vectors = find_encoder(name).encode([str(text) for text in space.metadata["text"]])
    return EmbeddingSpace(space.ids, vectors, space.metadata, name)
