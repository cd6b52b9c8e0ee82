"""One word, two meanings: what a pretrained text encoder makes of a marked word in its context, layer by layer.

A static table has one point for *apple*; an encoder moves it towards fruit or towards companies as the layers read
the rest of the sentence (Ethayarajh 2019, arXiv:1909.00512).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section
from lab.experiment import DataFacts, Estimate, Recipe

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from lab.embeddings.space import EmbeddingSpace
    from lab.models.text_backbone import MarkedText
    from lab.models.word_in_context import WordByLayer
    from lab.runs.writer import RunWriter


class BackboneConfig(Section):
    """Which pretrained text encoder reads the sentences."""

    name: str = Field("minilm-l6", description="packaged name, local transformers folder, or hub id")


class NeighborsConfig(Section):
    """Which words may turn up as neighbours: the vocabulary's first whole words, each read alone."""

    words: Annotated[int, Field(ge=100)] = Field(5000, description="how many candidate words")
    count: Annotated[int, Field(ge=1, le=50)] = Field(8, description="neighbours listed a layer")


class ContextualConfig(ExperimentConfig):
    """`experiment: contextual`."""

    experiment: Literal["contextual"] = "contextual"
    backbone: BackboneConfig = Field(default_factory=BackboneConfig)
    sentences: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["I'd like to eat an [apple].", "[Apple] makes great products."],
        description="each marks one word with square brackets",
    )
    anchors: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["I'd like to eat a [banana].", "[Microsoft] makes great products."],
        description="marked words to measure against, each read in its own sentence",
    )
    neighbors: NeighborsConfig = Field(default_factory=NeighborsConfig)


def plan(config: ContextualConfig) -> DataFacts:
    """Check the marks and the backbone's place before anything is loaded."""
    from lab.data.backbones import locate_backbone
    from lab.models.text_backbone import parse_marked

    for sentence in [*config.sentences, *config.anchors]:
        parse_marked(sentence)
    location = locate_backbone(config.backbone.name, "transformers")
    return DataFacts(
        fingerprint=location.fingerprint,
        counts={"sentences": len(config.sentences), "anchors": len(config.anchors)},
        description=f"{len(config.sentences)} marked sentences read by {config.backbone.name}",
    )


def estimate(config: ContextualConfig) -> Estimate:
    """A few seconds to load the encoder, and about a millisecond a candidate word on two cores."""
    return Estimate(seconds=5 + config.neighbors.words * 1e-3, bytes=300_000)


def run(config: ContextualConfig, run: RunWriter) -> None:
    """Follow the words; leave cosines as results, every layer's vectors, neighbours as JSON, and one figure."""
    import numpy as np

    from lab.data.backbones import locate_backbone
    from lab.models.text_backbone import load_text_backbone, parse_marked, static_vectors, word_in_context
    from lab.models.word_in_context import follow_words, unit_rows

    run.stage("load the encoder")
    backbone = load_text_backbone(locate_backbone(config.backbone.name, "transformers").source, config.backbone.name)
    marked = [parse_marked(sentence) for sentence in config.sentences]
    anchors = [parse_marked(sentence) for sentence in config.anchors]

    run.stage("read the sentences")
    found = follow_words(backbone, marked, config.neighbors.words, config.neighbors.count)
    cosines = np.einsum("lnd,lmd->lnm", unit_rows(found.vectors), unit_rows(word_in_context(backbone, anchors)))
    static = unit_rows(found.static) @ unit_rows(static_vectors(backbone, [anchor.word for anchor in anchors])).T

    run.stage("save")
    for layer, row, column in np.ndindex(cosines.shape):
        label = f"layer {layer}: {marked[row].word} in “{marked[row].text}” to {anchors[column].word}"
        value = float(cosines[layer, row, column])
        run.result("word in context", "cosine", value, split="none", n=1, label=label)
    run.embeddings(as_space(found, marked), "marked-words", default=False)
    details = {"words": [word.word for word in marked], "sentences": [word.text for word in marked]}
    details |= {"anchors": [anchor.word for anchor in anchors], "cosines": cosines.tolist()}
    run.save_json("word-in-context", details | {"between": found.between.tolist(), "neighbors": found.neighbors})
    run.figure(
        "word-in-context",
        draw(cosines, static, marked, anchors, backbone.name),
        title=f"“{marked[0].word.lower()}” moves with its context",
        caption=caption(cosines, marked, anchors, backbone.name),
        data=details,
        alt=f"Cosine of {marked[0].word} to {' and to '.join(a.word for a in anchors)} by layer, one line a sentence",
    )


def as_space(found: WordByLayer, marked: Sequence[MarkedText]) -> EmbeddingSpace:
    """Return every layer's vectors as one space, so that they can be searched and exported."""
    import numpy as np
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace

    each = [(layer, number, word) for layer in range(len(found.vectors)) for number, word in enumerate(marked, 1)]
    ids = [f"{word.word} {number}, layer {layer}" for layer, number, word in each]
    rows = [(word.word, word.text, layer) for layer, _, word in each]
    return EmbeddingSpace(
        ids, np.concatenate(list(found.vectors)), pd.DataFrame(rows, columns=["word", "text", "layer"]), "marked words"
    )


def caption(cosines: np.ndarray, marked: Sequence[MarkedText], anchors: Sequence[MarkedText], name: str) -> str:
    """Say with the measured numbers where the first two readings part most; `cosines` is (layers, n, m)."""
    if len(marked) < 2 or len(anchors) < 2:
        return f"Cosine similarity in the hidden states of {name}; layer 0 is before the first block."
    layer = int((cosines[:, 0, 0] - cosines[:, 0, 1] - cosines[:, 1, 0] + cosines[:, 1, 1]).argmax())
    (near, far), (other_near, other_far) = cosines[layer, 0, :2], cosines[layer, 1, :2]
    sources = "; ".join(f"“{anchor.text}”" for anchor in anchors)
    return (
        f"In the static token table of {name} “{marked[0].word.lower()}” is one point. Read in context, the two "
        f"readings part most at layer {layer}: in “{marked[0].text}” the cosine is {near:.2f} to {anchors[0].word} and "
        f"{far:.2f} to {anchors[1].word}; in “{marked[1].text}” it is {other_near:.2f} and {other_far:.2f}. "
        f"Each anchor is read in a sentence of its own: {sources} Two sentences are an illustration, not a test."
    )


def draw(
    cosines: np.ndarray, static: np.ndarray, marked: Sequence[MarkedText], anchors: Sequence[MarkedText], name: str
) -> Figure:
    """One panel an anchor, one line a sentence, the static cosine (n, m) as a dashed line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * len(anchors), 3.9), layout="constrained")
    axes = figure.subplots(1, len(anchors), sharey=True, squeeze=False)[0]
    colors, markers = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"], "os^Dv*"
    for column, (axis, anchor) in enumerate(zip(axes, anchors, strict=True)):
        for row, word in enumerate(marked):
            axis.plot(cosines[:, row, column], f"{markers[row % 6]}-", color=colors[row % 6], label=f"“{word.text}”")
        if static[0, column] == static[0, column]:  # not NaN: the word is a single token
            axis.axhline(static[0, column], ls="--", color="#777777", label="static table: one point for both")
        axis.set(title=f"cosine to “{anchor.word.lower()}”", xlabel=f"layer of {name} (0: before the first block)")
        axis.set_xticks(range(len(cosines)))
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#dddddd")
    axes[0].set_ylabel(f"cosine of “{marked[0].word.lower()}”")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1, frameon=False)
    return figure


recipe = Recipe(
    name="contextual",
    summary="one marked word through the layers of a pretrained text encoder",
    version=1,
    config=ContextualConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    deterministic=True,
)
