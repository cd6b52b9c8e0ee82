"""Checkpoints: one folder each, tensors in safetensors and the rest in state.json; the last two are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.runs.files import NewerFormat, is_temporary, read_json, remove, replace_folder, temporary_beside, write_json
from lab.runs.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    import numpy as np

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What a recipe left to go on from: the step it had done, its tensors and its state (plain JSON data)."""

    step: int
    tensors: dict[str, np.ndarray]
    state: dict[str, Any]
    writer: dict[str, Any] = field(default_factory=dict, repr=False)
    """What the `RunWriter` keeps for itself: lengths of the journals, results so far, seconds."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `folder/<step>/` whole or not at all, then delete all but the last two. Raises `LabError` (full disk)."""
    final = folder / f"{checkpoint.step:09d}"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(final)
    try:
        temporary.mkdir()
        write_tensors(temporary / "tensors.safetensors", checkpoint.tensors)
        content = {"step": checkpoint.step, "state": checkpoint.state, "writer": checkpoint.writer}
        write_json(temporary / "state.json", content)
        replace_folder(temporary, final)
    finally:
        if temporary.exists():
            remove(temporary)
    prune(folder)


def prune(folder: Path) -> None:
    """Delete all but the last two; also needed where a kill came between writing one and deleting another."""
    for older in _folders(folder)[KEPT:]:
        remove(older)


def load_latest(folder: Path) -> Checkpoint | None:
    """The last checkpoint that is whole, if any. Raises `NewerFormat` where a newer `lab` wrote it."""
    for path in _folders(folder):
        try:
            content: Mapping[str, Any] = read_json(path / "state.json")
            tensors = read_tensors(path / "tensors.safetensors")
        except NewerFormat:
            raise
        except LabError:  # a kill left it without its files, or a disk damaged them: the one before it stands
            continue
        return Checkpoint(content["step"], tensors, content["state"], content["writer"])
    return None


def _folders(folder: Path) -> list[Path]:
    """The checkpoints, the latest first."""
    paths = folder.iterdir() if folder.is_dir() else []
    return sorted((path for path in paths if path.is_dir() and not is_temporary(path)), reverse=True)
