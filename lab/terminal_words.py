"""What `lab neighbors` and `lab evaluate` print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError, nearest
from lab.terminal import columns

if TYPE_CHECKING:
    import numpy as np

    from lab.embeddings.neighbors import Metric
    from lab.embeddings.space import EmbeddingSpace
    from lab.evaluation.words import WordResult


def print_neighbors(
    reference: str, queries: Sequence[str], count: int, ids: str | None, metric: Metric = "cosine"
) -> None:
    """`lab neighbors`: of items and their sums, of new pictures and queries, or of marked words layer by layer."""
    from lab.both_sides import new_entities
    from lab.data.labelled.sources import is_picture
    from lab.embeddings.expression import nearest_to
    from lab.spaces import find_space, is_text_backbone

    if any("[" in query and not is_picture(query) for query in queries):
        if not is_text_backbone(reference):
            raise UserError(
                f"a marked [word] is read in its context by a text encoder such as minilm-l6; {reference} is not one"
            )
        _print_in_context(reference, queries, count)
        return
    space = find_space(reference, ids)
    new = new_entities(space, reference, queries)
    pictures = [query for query in queries if query not in space and query not in new and is_picture(query)]
    vectors = dict(zip(pictures, _embedded(space, reference, pictures), strict=True)) if pictures else {}
    for query in queries:
        among, told = space, space.name or reference
        if query in new:
            among, told = new[query].among, new[query].told
            found = among.neighbors(new[query].vector, count, metric)
        elif query in vectors:
            found = space.neighbors(vectors[query], count, metric)
        else:
            found = nearest_to(space, query, count, metric)
        print(f"\n{query}   ({told}, {metric})")
        known, about = _known(among, found.indices[0])
        pairs = zip(found.ids[0], _scores(found.scores[0]), known, strict=True)
        rows = [(f"  {item}", score, *more) for item, score, more in pairs]
        print(columns(rows, ("  item", "distance" if metric == "euclidean" else metric, *about)) if rows else "")
        if metric == "cosine" and len(rows) > 2 and found.scores[0].min() > SAME_DIRECTION:
            print("  (all vectors point one way; --metric euclidean tells them apart)")


RARE = 20  # occurrences below which a vector has seen too few contexts to be trusted
SAME_DIRECTION = 0.99
SHOWN_CHARACTERS = 70


def _scores(scores: np.ndarray) -> list[str]:
    """Scores with three decimals, or as many more, up to six, as tell them apart."""
    for decimals in (3, 4, 5, 6):
        said = [f"{score:.{decimals}f}" for score in scores]
        if len(set(said)) == len(set(scores)):
            break
    return said


def _embedded(space: EmbeddingSpace, reference: str, pictures: Sequence[str]) -> np.ndarray:
    """New pictures as vectors (m, d) of the space. Raises `UserError` for a picture that is not there."""
    from lab.embed import embed_pictures

    for picture in pictures:
        if not Path(picture).expanduser().is_file():
            alike = nearest(picture, [str(item) for item in space.ids], 1)
            hint = f"; did you mean {alike[0]!r}?" if alike else ""
            raise UserError(f"{picture}: no such file, and no item of {reference}{hint}")
    return embed_pictures(reference, pictures)


def _known(space: EmbeddingSpace, index: np.ndarray) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """What the space knows of some items, a row of words each, and the names of its columns."""
    about = space.metadata.iloc[index]
    cells: dict[str, list[str]] = {}
    if "count" in about:
        cells["count"] = [f"{int(seen):,}" for seen in about["count"]]
        cells[""] = ["rare: do not trust" if seen < RARE else "" for seen in about["count"]]
    for name in ("label", "text"):
        if name in about and about[name].notna().any():
            cells[name] = [_short(value) for value in about[name]]
    return list(zip(*cells.values(), strict=True)) if cells else [()] * len(index), tuple(cells)


def _short(value: Any) -> str:
    text = "" if value is None or value != value else " ".join(str(value).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _print_in_context(reference: str, queries: Sequence[str], count: int) -> None:
    from lab.data.backbones import locate_backbone
    from lab.models.text_backbone import load_text_backbone, parse_marked
    from lab.models.word_in_context import follow_words

    marked = [parse_marked(query) for query in queries]
    found = follow_words(
        load_text_backbone(locate_backbone(reference, "transformers").source, reference), marked, count=count
    )
    for number, word in enumerate(marked, 1):
        print(f"{number}. {word.text}   marked: {word.word}")
    for layer in range(-1, len(found.vectors)):
        neighbors = found.static_neighbors if layer < 0 else found.neighbors[layer]
        title = "static token table (one point for both)" if layer < 0 else f"layer {layer}"
        if len(marked) > 1 and layer >= 0:
            title += f", cosine between 1 and 2: {found.between[layer, 0, 1]:.2f}"
        print(f"\n{title}")
        if layer < 0 and len({word.word.lower() for word in marked}) == 1:
            neighbors = neighbors[:1]
        for number, near in enumerate(neighbors, 1):
            print(f"  {number}. " + (" ".join(f"{word} {score:.2f}" for word, score in near) or "(several tokens)"))
    print("\nLayer 0 is before the first block. Neighbours are common words, each read alone.")


def print_evaluation(target: str, similarity: list[str] | None, analogies: list[str] | None, ids: str | None) -> None:
    """`lab evaluate`: the word tests on vectors from anywhere, under both conventions for missing words."""
    from lab.evaluate import ANALOGIES, SIMILARITY, evaluate_space
    from lab.spaces import find_space

    space = find_space(target, ids)
    if similarity is None and analogies is None:
        results = evaluate_space(space, SIMILARITY, ANALOGIES)
    else:
        results = evaluate_space(space, similarity or [], analogies or [])
    print(f"{space.name or target}: {len(space):,} items, {space.dim} dimensions\n")
    whole = [_test_row(result) for result in results if "label" not in result.details]
    print(columns(whole, ("test", "metric", "value", "95 % interval", "n", "coverage")))
    sections = [result for result in results if "label" in result.details]
    if sections:
        print(f"\n{_section_table(sections)}")
    print("\nCoverage: the share of items whose words all have a vector. Plain metrics count the others as")
    print("similarity 0, or as wrong; metrics that end in _skipped leave them out.")


def _test_row(result: WordResult) -> tuple[Any, ...]:
    details = result.details
    interval = f"[{details['low']:.3f}, {details['high']:.3f}]" if details.get("low") is not None else ""
    value = f"{result.value:.3f}" if result.value == result.value else "not defined"
    return result.evaluation, result.metric, value, interval, result.n, f"{100 * details['coverage']:.0f} %"


def _section_table(results: Sequence[WordResult]) -> str:
    """One row a section of an analogy set, one column a metric."""
    metrics = list(dict.fromkeys(result.metric for result in results))
    found = {(result.evaluation, result.details["label"], result.metric): result for result in results}
    rows = []
    for test, label in dict.fromkeys((result.evaluation, result.details["label"]) for result in results):
        cells = [found.get((test, label, metric)) for metric in metrics]
        coverage = next(f"{100 * cell.details['coverage']:.0f} %" for cell in cells if cell)
        values = (f"{cell.value:.3f}" if cell and cell.value == cell.value else "" for cell in cells)
        rows.append((test, label, coverage, *values))
    return columns(rows, ("test", "section", "coverage", *metrics))
