from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from lab.embeddings.space import EmbeddingSpace
from lab.evaluation.words import WordResult, evaluate_words, record

WORDS = ["king", "queen", "man", "woman", "boy", "girl", "Paris", "France"]
SPACE = EmbeddingSpace(WORDS, np.random.default_rng(0).normal(size=(8, 5)))


@dataclass(frozen=True)
class Pairs:
    name: str
    first: list[str]
    second: list[str]
    human: np.ndarray
    fingerprint: str = "pairs"

    @property
    def ids(self) -> list[str]:
        return [f"{one} {other}" for one, other in zip(self.first, self.second, strict=True)]


@dataclass(frozen=True)
class Questions:
    name: str
    sections: dict[str, list[tuple[str, str, str, str]]]
    fingerprint: str = "questions"

    @property
    def ids(self) -> list[str]:
        return [f"{section}: {' '.join(question)}" for section, own in self.sections.items() for question in own]


@dataclass
class Notebook:
    results: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def result(self, evaluation: str, metric: str, value: float, *, label: str = "", **details: Any) -> None:
        self.results[evaluation, metric, label] = {"value": value, **details}

    def scores(self, evaluation: str, metric: str, ids: list[str], values: np.ndarray, **columns: Any) -> None:
        self.items[evaluation, metric] = {"ids": ids, "values": values, **columns}

    def warn(self, text: str) -> None:
        self.warnings.append(text)


PAIRS = Pairs(
    "wordsim353",
    ["king", "man", "boy", "king", "paris", "zebra"],
    ["queen", "woman", "girl", "paris", "france", "king"],
    np.array([9.0, 8.0, 7.0, 1.0, 6.0, 2.0]),
)
QUESTIONS = Questions(
    "analogies",
    {
        "family": [("man", "woman", "king", "queen"), ("man", "woman", "boy", "girl"), ("man", "woman", "ox", "cow")],
        "capitals": [("france", "paris", "spain", "madrid")],
    },
)


@pytest.fixture(scope="module")
def notebook() -> Notebook:
    book = Notebook()
    record(evaluate_words(SPACE, [PAIRS], [QUESTIONS]), book)
    return book


def test_every_metric_comes_under_both_conventions(notebook):
    whole = {(evaluation, metric) for evaluation, metric, label in notebook.results if not label}
    assert whole == {
        *(("wordsim353", metric) for metric in ("spearman", "spearman_skipped", "pearson", "pearson_skipped")),
        *(("analogies", metric) for metric in ("accuracy", "accuracy_skipped")),
        *(("analogies", metric) for metric in ("accuracy_3cosmul", "accuracy_3cosmul_skipped")),
    }
    assert notebook.results["wordsim353", "spearman", ""]["n"] == 6
    assert notebook.results["wordsim353", "spearman_skipped", ""]["n"] == 5
    assert notebook.results["analogies", "accuracy", ""]["n"] == 4
    assert notebook.results["analogies", "accuracy_skipped", ""]["n"] == 2


def test_conventions_differ_by_the_missing_items_alone(notebook):
    skipped = notebook.items["wordsim353", "spearman_skipped"]
    counted = notebook.items["wordsim353", "spearman"]
    assert counted["ids"] == [*skipped["ids"], "zebra king"]
    assert counted["missing"].tolist() == [False] * 5 + [True]
    assert counted["similarity"][-1] == 0
    assert notebook.results["wordsim353", "spearman", ""]["value"] == pytest.approx(
        spearmanr(PAIRS.human, counted["similarity"])[0]
    )
    right = notebook.results["analogies", "accuracy_skipped", ""]["value"] * 2
    assert notebook.results["analogies", "accuracy", ""]["value"] * 4 == right


def test_scores_average_to_their_result(notebook):
    assert len(notebook.items) == 8
    for (evaluation, metric), items in notebook.items.items():
        assert items["values"].mean() == pytest.approx(notebook.results[evaluation, metric, ""]["value"], abs=1e-12)
        columns = [column for name, column in items.items() if name != "ids"]
        assert all(len(column) == len(items["ids"]) for column in columns)


def test_results_say_how_sure_and_of_what(notebook):
    for (evaluation, _, _), result in notebook.results.items():
        if evaluation == "analogies":
            assert 0 <= result["low"] <= result["value"] <= result["high"] <= 1
            assert result["low"] < result["high"], "no share of a few questions is certain"
        else:  # six pairs are too few to resample
            assert result["low"] is None
            assert result["high"] is None
        assert result["test_fingerprint"] == {"wordsim353": "pairs", "analogies": "questions"}[evaluation]
        assert result["protocol"].endswith("case ignored")
    assert notebook.results["wordsim353", "pearson", ""]["coverage"] == pytest.approx(5 / 6)
    assert notebook.results["analogies", "accuracy", ""]["coverage"] == 0.5
    assert notebook.results["analogies", "accuracy", "family"]["coverage"] == pytest.approx(2 / 3)


def test_sections_make_up_the_whole(notebook):
    sections = {label: r for (_, metric, label), r in notebook.results.items() if metric == "accuracy" and label}
    assert {label: result["n"] for label, result in sections.items()} == {"family": 3, "capitals": 1}
    right = sum(result["value"] * result["n"] for result in sections.values())
    assert right == pytest.approx(notebook.results["analogies", "accuracy", ""]["value"] * 4)
    # No question of the section can be asked: without them there is no accuracy to tell.
    assert ("analogies", "accuracy_skipped", "capitals") not in notebook.results
    answers = notebook.items["analogies", "accuracy"]
    assert answers["section"].tolist() == ["family"] * 3 + ["capitals"]
    assert answers["answer"][2] is None
    assert answers["answer"][0] in WORDS


@pytest.mark.parametrize(
    ("similarity", "analogies", "primary"),
    [
        (["simlex999", "wordsim353"], ["analogies"], ("wordsim353", "spearman_skipped")),
        (["own", "simlex999"], ["analogies"], ("own", "spearman_skipped")),
        ([], ["analogies"], ("analogies", "accuracy_skipped")),
        ([], [], None),
    ],
)
def test_one_result_is_primary(similarity, analogies, primary):
    tests = [Pairs(name, PAIRS.first, PAIRS.second, PAIRS.human) for name in similarity]
    questions = [Questions(name, QUESTIONS.sections) for name in analogies]
    found = [result for result in evaluate_words(SPACE, tests, questions) if result.primary]
    assert [(result.evaluation, result.metric) for result in found] == ([primary] if primary else [])
    assert all("label" not in result.details for result in found)


def test_a_metric_that_is_not_defined_is_a_warning():
    nothing = Pairs("strange", ["ox", "cow", "ant", "bee"], ["hay", "hay", "hill", "hive"], np.arange(4.0))
    book = Notebook()
    record(evaluate_words(SPACE, [nothing], [QUESTIONS]), book)
    assert [evaluation for evaluation, _, label in book.results if not label] == ["analogies"] * 4
    (warning,) = book.warnings
    assert warning.startswith("strange: too few of its words are in the vocabulary for spearman, spearman_skipped")


def test_only_the_frequent_words_answer():
    results = evaluate_words(SPACE, [], [QUESTIONS], restrict_vocabulary=4)
    (skipped,) = (r for r in results if r.metric == "accuracy_skipped" and "label" not in r.details)
    assert isinstance(skipped, WordResult)
    assert skipped.ids == ["family: man woman king queen"]
    assert skipped.value == 1  # it is the only word left


def test_ten_pairs_are_enough_for_an_interval():
    generator = np.random.default_rng(0)
    words = [f"w{i}" for i in range(11)]
    space = EmbeddingSpace(words, generator.standard_normal((11, 4)).astype(np.float32))
    pairs = Pairs("own", words[:10], words[1:], generator.standard_normal(10))
    for result in evaluate_words(space, [pairs], []):
        assert result.details["low"] < result.value < result.details["high"]
