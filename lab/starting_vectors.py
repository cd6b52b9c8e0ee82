"""Word vectors that training starts from: those of an earlier run, or of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.data.fingerprint import file_fingerprint
from lab.errors import UserError
from lab.runs.built_on import PREFIX
from lab.runs.refs import load_run
from lab.spaces import vectors_from

if TYPE_CHECKING:
    import numpy as np

    from lab.embeddings.space import EmbeddingSpace


def starting_vectors(source: str) -> tuple[EmbeddingSpace, np.ndarray | None]:
    """The words' vectors of a run (`run:REF`) or a file, and a run's output vectors (n, d) where they are of its words.

    Raises `UserError` where the run is not one of word2vec, and for what cannot be found or read.
    """
    if not source.startswith(PREFIX):
        return vectors_from(source), None
    run = load_run(source.removeprefix(PREFIX))
    if run.experiment != "word2vec":
        raise UserError(f"train.start_from: {run.id} is a run of {run.experiment}; expected one of word2vec, or a file")
    sampled = run.config["model"]["objective"] == "negative-sampling"
    return run.space("words"), run.tensors("word2vec")["output_vectors"] if sampled else None


def start_fingerprint(source: str | None) -> dict[str, str]:
    """A digest of the file that training starts from; a run is known by its id, which is in the config."""
    if source is None or source.startswith(PREFIX):
        return {}
    if not Path(source).expanduser().is_file():
        raise UserError(f"train.start_from: {source} is no file; expected one of vectors, or run:REF")
    return {"first vectors": file_fingerprint(Path(source).expanduser())}
