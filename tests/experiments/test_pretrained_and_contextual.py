from __future__ import annotations

import numpy as np
import pytest

import lab
from lab.errors import UserError


def test_a_vector_file_becomes_a_run_with_scores(home):
    (home / "few.txt").write_text("4 2\na 1 0\nb 0.9 0.1\nc 0 1\nd -1 0.2\n")
    (home / "pairs.tsv").write_text("a\tb\t9\na\tc\t5\na\td\t1\nb\tc\t6\n")
    config = {
        "experiment": "pretrained",
        "vectors": {"source": str(home / "few.txt")},
        "evaluate": {"similarity": [str(home / "pairs.tsv")], "analogies": []},
    }
    run = lab.run(config, quiet=True)
    assert run.status == "finished"
    np.testing.assert_array_equal(run.space()["b"], np.float32([0.9, 0.1]))
    primary = run.results[run.results["primary"].astype(bool)]
    assert primary["value"].tolist() == pytest.approx([1.0])
    scores = run.scores("pairs", primary["metric"].iloc[0])
    assert len(scores) == 4
    assert scores["value"].mean() == pytest.approx(1.0)


@pytest.mark.parametrize("source", ["nowhere.txt", "minilm"])
def test_vectors_that_are_nowhere_are_refused_in_the_plan(home, source):
    with pytest.raises(UserError, match=source):
        lab.run({"experiment": "pretrained", "vectors": {"source": source}}, quiet=True)
    assert not list(home.glob("runs/*/*"))


def test_the_marked_word_parts_between_its_two_contexts(home):
    """The textbook's example: apple to eat is nearer to banana, Apple that makes things to Microsoft."""
    run = lab.run({"experiment": "contextual", "neighbors": {"words": 200, "count": 3}}, quiet=True)
    found = run.json("word-in-context")
    cosines = np.array(found["cosines"])
    assert cosines.shape == (7, 2, 2)  # layers, sentences, anchors
    fruit, company = cosines[3]
    assert fruit[0] > fruit[1]
    assert company[1] > company[0]
    (figure,) = run.figures
    assert "layer" in figure.caption
    assert f"{cosines[3].max():.2f}" in figure.caption or "layer 2" in figure.caption
    assert len(run.space("marked-words")) == 14


def test_a_sentence_without_a_mark_is_refused_in_the_plan(home):
    with pytest.raises(UserError, match="exactly one word"):
        lab.run({"experiment": "contextual", "sentences": ["no mark here"]}, quiet=True)
