"""One word, two meanings: what a pretrained text encoder makes of a marked word in its context, layer by layer.

A static table has one point for *apple*; an encoder moves it towards fruit or towards companies as the layers read
the rest of the sentence (Ethayarajh 2019, arXiv:1909.00512).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section
from lab.experiment import DataFacts, Estimate, Recipe

if TYPE_CHECKING:
    import numpy as np

    from lab.models.text_backbone import MarkedText, TextBackbone
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


@dataclass(frozen=True)
class WordByLayer:
    """What `measure` finds, for `n` marked words, `m` anchors and `L` layers (0 is before the first block).

    `vectors`: (L, n, d) float32; `to_anchors`: (L, n, m) cosines; `between`: (L, n, n) cosines;
    `static`: (n, m) cosines in the static token table, NaN where a word is several tokens;
    `neighbors`: (L, n, k) words, nearest first.
    """

    vectors: np.ndarray
    to_anchors: np.ndarray
    between: np.ndarray
    static: np.ndarray
    neighbors: list[list[list[str]]]


def measure(
    backbone: TextBackbone,
    marked: Sequence[MarkedText],
    anchors: Sequence[MarkedText],
    settings: NeighborsConfig,
) -> WordByLayer:
    """Follow marked words through the layers. Neighbours are words read alone, the marked word itself left out."""
    import numpy as np

    from lab.embeddings.neighbors import top_k
    from lab.models.text_backbone import static_vectors, whole_words, word_in_context, words_alone

    vectors, reference = word_in_context(backbone, marked), word_in_context(backbone, anchors)
    candidates = whole_words(backbone, settings.words)
    bank = words_alone(backbone, candidates)
    neighbors = []
    for layer in range(len(vectors)):
        indices, _ = top_k(vectors[layer], bank[layer], settings.count + 1)
        named = [[candidates[i] for i in row] for row in indices]
        own = [word.word.lower() for word in marked]
        neighbors.append([[w for w in row if w != me][: settings.count] for row, me in zip(named, own, strict=True)])
    unit, unit_reference = _unit(vectors), _unit(reference)
    static = _unit(static_vectors(backbone, marked)) @ _unit(static_vectors(backbone, anchors)).T
    return WordByLayer(
        vectors=vectors,
        to_anchors=np.einsum("lnd,lmd->lnm", unit, unit_reference),
        between=np.einsum("lnd,lmd->lnm", unit, unit),
        static=static,
        neighbors=neighbors,
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    import numpy as np

    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def plan(config: ContextualConfig) -> DataFacts:
    """Check the marks and the backbone's place before anything is loaded."""
    from lab.data.fingerprint import fingerprint_text
    from lab.data.backbones import locate_backbone
    from lab.models.text_backbone import parse_marked

    for sentence in [*config.sentences, *config.anchors]:
        parse_marked(sentence)
    location = locate_backbone(config.backbone.name)
    return DataFacts(
        fingerprint=fingerprint_text(str(location.fingerprint)),
        counts={"sentences": len(config.sentences), "anchors": len(config.anchors)},
        description=f"{len(config.sentences)} marked sentences read by {config.backbone.name}",
    )


def estimate(config: ContextualConfig) -> Estimate:
    """A few seconds to load the encoder, and about a millisecond a candidate word on two cores."""
    return Estimate(seconds=5 + config.neighbors.words * 1e-3, bytes=300_000)


def run(config: ContextualConfig, run: RunWriter) -> None:
    """Measure, and leave cosines as results, neighbours as JSON, and one figure."""
    import numpy as np
    import pandas as pd

    from lab.data.backbones import locate_backbone
    from lab.embeddings.space import EmbeddingSpace
    from lab.models.text_backbone import load_text_backbone, parse_marked

    run.stage("load the encoder")
    backbone = load_text_backbone(locate_backbone(config.backbone.name).source, config.backbone.name)
    marked = [parse_marked(sentence) for sentence in config.sentences]
    anchors = [parse_marked(sentence) for sentence in config.anchors]

    run.stage("read the sentences")
    found = measure(backbone, marked, anchors, config.neighbors)

    run.stage("save")
    layers = range(len(found.vectors))
    for layer in layers:
        for i, word in enumerate(marked):
            for j, anchor in enumerate(anchors):
                run.result(
                    "word in context", "cosine", float(found.to_anchors[layer, i, j]), split="none", n=1,
                    label=f"{word.word} in “{word.text}” to {anchor.word}, layer {layer}",
                )  # fmt: skip
    ids = [f"{i + 1}. {word.text} · layer {layer}" for layer in layers for i, word in enumerate(marked)]
    details = pd.DataFrame(
        {
            "word": [word.word for _ in layers for word in marked],
            "text": [word.text for _ in layers for word in marked],
            "layer": [layer for layer in layers for _ in marked],
        }
    )
    run.embeddings(EmbeddingSpace(ids, np.concatenate(list(found.vectors)), details), "marked-words", default=False)
    run.save_json("word-in-context", as_table(found, marked, anchors))
    figure = draw(found, marked, anchors, backbone.name)
    run.figure(
        "word-in-context",
        figure,
        title=f"“{marked[0].word}” moves with its context",
        caption=caption(found, marked, anchors, backbone.name),
        data={"cosines": found.to_anchors.tolist()},
        alt=f"Cosine of {marked[0].word} to {' and '.join(a.word for a in anchors)} by layer, one line per sentence",
    )


def as_table(found: WordByLayer, marked: Sequence[MarkedText], anchors: Sequence[MarkedText]) -> dict[str, Any]:
    """Everything the terminal and the report print, as plain JSON values."""
    import numpy as np

    return {
        "words": [word.word for word in marked],
        "sentences": [word.text for word in marked],
        "anchors": [anchor.word for anchor in anchors],
        "to_anchors": found.to_anchors.round(4).tolist(),
        "between": found.between.round(4).tolist(),
        "static": np.where(np.isnan(found.static), None, found.static.round(4)).tolist(),
        "neighbors": found.neighbors,
    }


def caption(found: WordByLayer, marked: Sequence[MarkedText], anchors: Sequence[MarkedText], name: str) -> str:
    """Say with the measured numbers where the two readings part most."""
    if len(marked) < 2 or len(anchors) < 2:
        return f"Cosine similarity in the hidden states of {name}; layer 0 is before the first block."
    gap = (found.to_anchors[:, 0, 0] - found.to_anchors[:, 0, 1]) - (
        found.to_anchors[:, 1, 0] - found.to_anchors[:, 1, 1]
    )
    layer = int(gap.argmax())
    first, second = found.to_anchors[layer, 0], found.to_anchors[layer, 1]
    return (
        f"The static token table of {name} has one point for “{marked[0].word.lower()}”. Read in context they part most "
        f"at layer {layer}: “{marked[0].text}” has cosine {first[0]:.2f} to {anchors[0].word} and {first[1]:.2f} to "
        f"{anchors[1].word}; “{marked[1].text}” has {second[0]:.2f} and {second[1]:.2f}. Each anchor word is read in a "
        f"sentence of its own: {'; '.join(f'“{anchor.text}”' for anchor in anchors)}. "
        "Two sentences are an illustration, not a test."
    )


def draw(found: WordByLayer, marked: Sequence[MarkedText], anchors: Sequence[MarkedText], name: str) -> Any:
    """One panel an anchor, one line a sentence, and the static cosine as a dashed line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(anchors), 3.6), layout="constrained")
    axes = figure.subplots(1, len(anchors), sharey=True, squeeze=False)[0]
    colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]
    layers = range(len(found.vectors))
    for j, (axis, anchor) in enumerate(zip(axes, anchors, strict=True)):
        for i, word in enumerate(marked):
            axis.plot(layers, found.to_anchors[:, i, j], "o-", color=colors[i % 6], label=f"“{word.text}”")
        if found.static[0, j] == found.static[0, j]:
            axis.axhline(found.static[0, j], ls="--", color="#777777", label="static table: one point")
        axis.set(
            title=f"“{marked[0].word.lower()}” to “{anchor.word.lower()}”",
            xlabel=f"layer of {name} (0: before the first block)",
        )
        axis.set_xticks(list(layers))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("cosine similarity")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1 if len(marked) > 2 else 3, frameon=False)
    return figure


recipe = Recipe(
    name="contextual",
    summary="one marked word through the layers of a pretrained text encoder",
    version=1,
    config=ContextualConfig,
    plan=plan,
    run=run,
    estimate=estimate,
)
