"""Vectors that somebody else trained, evaluated and kept like a run of our own: the row to measure against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from experiments.word2vec import EvaluateConfig
from lab.config.base import ExperimentConfig, Section
from lab.experiment import DataFacts, Estimate, Recipe

if TYPE_CHECKING:
    from lab.runs.writer import RunWriter


class VectorsConfig(Section):
    """Where the vectors are."""

    source: str = Field(
        "minilm-l6",
        description="packaged backbone or transformers folder (its token table), or a vector file: word2vec, GloVe, "
        "fastText .vec, .npy/.npz, Parquet",
    )
    ids: str | None = Field(None, description="file that names the rows of a .npy, one a line")


class PretrainedConfig(ExperimentConfig):
    """`experiment: pretrained`."""

    experiment: Literal["pretrained"] = "pretrained"
    vectors: VectorsConfig = Field(default_factory=VectorsConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)


def plan(config: PretrainedConfig) -> DataFacts:
    """Find the vectors and the tests before anything is loaded."""
    from pathlib import Path

    from lab.data.backbones import locate_backbone
    from lab.data.fingerprint import digest, file_fingerprint
    from lab.errors import UserError
    from lab.evaluate import load_tests
    from lab.spaces import is_text_backbone

    similarities, analogies = load_tests(config.evaluate.similarity, config.evaluate.analogies)
    tests = [*(test.fingerprint for test in similarities), *(test.fingerprint for test in analogies)]
    source = config.vectors.source
    if is_text_backbone(source):
        found = locate_backbone(source, "transformers").fingerprint
        description = f"the pretrained token table of {source}"
    else:
        files = [Path(name).expanduser() for name in (source, config.vectors.ids) if name]
        for file in files:
            if not file.is_file():
                raise UserError(f"vectors: {file} is neither a file nor a packaged backbone (see: lab list packaged)")
        found, description = digest(*map(file_fingerprint, files)), f"pretrained vectors from {source}"
    return DataFacts(digest(found, *tests), {}, description)


def estimate(config: PretrainedConfig) -> Estimate:
    """A few seconds to read and test; on disk what the vectors take."""
    from pathlib import Path

    from lab.data.backbones import locate_backbone
    from lab.spaces import is_text_backbone

    source = config.vectors.source
    folder = Path(locate_backbone(source, "transformers").source) if is_text_backbone(source) else None
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder else Path(source).stat().st_size
    return Estimate(seconds=4 + size / 50e6, bytes=size)


def run(config: PretrainedConfig, run: RunWriter) -> None:
    """Read, keep and evaluate the vectors; nothing is trained and nothing is random."""
    from lab.evaluate import evaluate_space
    from lab.evaluation.words import record
    from lab.spaces import vectors_from

    run.stage("read the vectors")
    space = vectors_from(config.vectors.source, config.vectors.ids)
    if "kind" in space.metadata:  # of a token table only the words are tested, searched and drawn
        space = space.subset((space.metadata["kind"] == "word").to_numpy())
    run.log(f"{len(space):,} vectors of {space.dim} dimensions")
    run.stage("word tests")
    tests = config.evaluate
    record(evaluate_space(space, tests.similarity, tests.analogies, tests.restrict_vocabulary), run)
    run.stage("save")
    run.embeddings(space, "words", default=True)


recipe = Recipe(
    name="pretrained",
    summary="vectors trained elsewhere (files, token tables), put to the same tests",
    version=1,
    config=PretrainedConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    deterministic=True,
)
