from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_maps import source_of
from workshop import words_space

from lab.embeddings.space import EmbeddingSpace
from lab.report.verdicts import WordRow, verdicts
from lab.report.words import AMONG, kept_between_seeds, neighbor_tables, rank_of

ROYAL = EmbeddingSpace(
    ["king", "man", "woman", "queen", "apple", "pear"],
    np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1.1], [1, -0.9, 0], [-1, 0.2, 0]]),
    pd.DataFrame({"count": [100, 90, 80, 30, 19, 20]}),
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_tables_hold_the_neighbours_with_counts_and_marks():
    section = neighbor_tables([source_of(ROYAL, "ours")], ["king", "nowhere"], [])
    king, nowhere = section.words
    cosines = unit(ROYAL.vectors.astype(float)) @ unit(ROYAL.vectors.astype(float))[0]
    order = [i for i in np.argsort(-cosines, kind="stable") if i != 0]
    column = king["columns"][0]
    assert [cell["name"] for cell in column["cells"]] == [ROYAL.ids[i] for i in order]
    assert [float(cell["similarity"].replace("−", "-")) for cell in column["cells"]] == pytest.approx(
        cosines[order].tolist(), abs=0.006
    )
    assert {cell["name"] for cell in column["cells"] if cell["rare"]} == {"apple"}  # 19 times; 20 is enough
    assert column["note"] == "seen 100 times"
    assert nowhere["columns"][0] == {"label": "ours", "note": "", "missing": "not in this vocabulary", "cells": []}
    assert nowhere["depth"] == 1


def test_an_analogy_leaves_its_own_words_out():
    section = neighbor_tables([source_of(ROYAL)], [], ["king - man + woman", "king - prince"])
    answer, unknown = section.words
    assert answer["columns"][0]["cells"][0]["name"] == "queen"
    assert not {"king", "man", "woman"} & {cell["name"] for cell in answer["columns"][0]["cells"]}
    assert unknown["columns"][0]["missing"] == "has a word that is not in this vocabulary"


def test_without_counts_none_are_shown_and_nothing_asked_is_nothing_shown():
    space = words_space(0, counted=False)
    section = neighbor_tables([source_of(space)], ["king"], [])
    assert {cell["count"] for cell in section.words[0]["columns"][0]["cells"]} == {None}
    assert "†" not in section.introduction[0]
    assert neighbor_tables([source_of(space)], [], []) is None
    assert neighbor_tables([], ["king"], []) is None


def test_neighbours_kept_between_seeds_by_hand():
    spaces = [words_space(seed, n=60, noise=0.8) for seed in range(3)]
    neighbors = []
    for space in spaces:
        vectors = unit(space.vectors.astype(float))
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -2)
        neighbors.append([set(np.argsort(-row)[:AMONG]) for row in cosines])
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([len(x & y) / AMONG for a, b in pairs for x, y in zip(neighbors[a], neighbors[b], strict=True)])
    assert kept_between_seeds(spaces) == pytest.approx(expected)
    assert 0.1 < expected < 0.9
    assert kept_between_seeds([spaces[0], spaces[0]]) == 1.0


def test_seeds_with_other_vocabularies_are_compared_on_common_words():
    whole, part = words_space(0, n=60), words_space(0, n=60).subset(np.arange(10, 60))
    assert kept_between_seeds([whole, part]) == 1.0
    assert kept_between_seeds([whole, whole.subset(np.arange(15))]) is None
    assert kept_between_seeds([whole]) is None


def test_rank_of_an_answer():
    assert rank_of(ROYAL, "king - man + woman", "queen") == 1
    rotated = EmbeddingSpace(ROYAL.ids, ROYAL.vectors * [1, -1, 1])
    assert rank_of(rotated, "king - man + woman", "queen") == 1
    far = ROYAL.vectors.copy()
    far[3] = [0.2, -1, -1]
    assert rank_of(EmbeddingSpace(ROYAL.ids, far), "king - man + woman", "queen") == 3
    assert rank_of(ROYAL, "king - man + woman", "prince") is None
    assert rank_of(ROYAL, "king - boy + woman", "queen") is None


def word_row(label: str, **values) -> WordRow:
    empty = dict.fromkeys(
        ["tokens", "rare", "similarity", "similarity_known", "coverage", "analogies", "analogies_known", "questions"]
    )
    return WordRow(label, **{**empty, "vocabulary": 1000, **values})


@pytest.mark.parametrize(
    ("value", "word"), [(0.59, "partly"), (0.6, "can"), (0.3, "partly"), (0.29, "cannot"), (-0.1, "cannot")]
)
def test_similarity_is_graded_on_known_words(value, word):
    row = word_row("ours", tokens=9, similarity=0.05, similarity_known=value, coverage=0.5)
    (found,) = verdicts([row], [word_row("theirs", similarity=0.7)], "wordsim353")
    assert found["word"] == word
    assert "ours .050; theirs .700, a pair with an unknown word counting as unrelated" in found["text"]
    assert "known, 50\u00a0% for the vectors trained here: ours" in found["text"]


def test_verdicts_on_analogies_queen_seeds_and_rare_words():
    rows = [
        word_row("a", tokens=9, analogies=0.1, analogies_known=0.25, questions=40, queen=[1, 7], kept=0.8, rare=0.6),
        word_row("b", tokens=9, analogies=0.0, queen=[2000], kept=0.1, rare=0.0),
    ]
    found = {verdict["what"].split()[0]: verdict for verdict in verdicts(rows, [], "wordsim353")}
    assert {what: verdict["word"] for what, verdict in found.items()} == {
        "Answer": "partly", "King": "partly", "Give": "can", "Place": "cannot",
    }  # fmt: skip
    assert "Right answers to 40 questions: a 10.0\u00a0% and b 0.0\u00a0%." in found["Answer"]["text"]
    assert "holds in 1 of 3 runs of ours" in found["King"]["text"]
    assert "b puts queen at rank 2,000" in found["King"]["text"]
    assert "80\u00a0% with a and 10\u00a0% with b" in found["Give"]["text"]
    assert "60\u00a0% of the 1,000 words" in found["Place"]["text"]
    assert verdicts([word_row("a", tokens=9)], [], "wordsim353") == []


def test_the_section_is_for_studies_that_trained_word_vectors(workshop):
    from lab.report.teach import teach_section, word_row

    run = workshop.run(space=words_space(0), level=0.4)
    source = source_of(words_space(0))
    source.row.runs, source.run = [run], run
    row = word_row(source, "wordsim353")
    assert row.tokens == int(source.space.metadata["count"].sum())
    assert row.coverage == pytest.approx(0.87)
    run.info["data"]["counts"]["tokens"] = 123
    assert word_row(source, "wordsim353").tokens == 123
    assert teach_section([source]).title == "What 123 words can and cannot teach"
    uncounted = source_of(words_space(0, counted=False))
    uncounted.row, uncounted.run = source.row, SimpleNamespace(results=run.results, info=run.info)
    assert teach_section([uncounted]) is None
    assert teach_section([]) is None
