from __future__ import annotations

import numpy as np
import pytest
from gensim.models import KeyedVectors

from lab.evaluation.analogies import answer_analogies

SECTIONS = 4
PAIRS = 12


def make_space(seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Pairs of words whose second is the first plus an offset and noise, other cases of some, and other words."""
    generator = np.random.default_rng(seed)
    words, vectors = [], []
    for section in range(SECTIONS):
        offset = generator.normal(size=20)
        for pair in range(PAIRS):
            first = generator.normal(size=20)
            words += [f"a{section}x{pair}", f"B{section}x{pair}"]
            vectors += [first, first + offset + generator.normal(size=20) * 0.9]
    for place in range(0, len(words), 5):
        words.append(words[place].swapcase())
        vectors.append(vectors[place] + generator.normal(size=20) * 0.3)
    words += [f"other{number}" for number in range(60)]
    order = generator.permutation(len(words))
    return [words[place] for place in order], np.array([*vectors, *generator.normal(size=(60, 20))])[order].astype(
        np.float32
    )


def make_questions() -> dict[str, list[tuple[str, str, str, str]]]:
    sections = {
        f"section {section}": [
            (f"a{section}x{i}", f"b{section}x{i}", f"A{section}x{j}", f"b{section}x{j}")
            for i in range(PAIRS)
            for j in range(PAIRS)
            if i != j
        ]
        for section in range(SECTIONS)
    }
    sections["unknown"] = [("a0x0", "b0x0", "a0x1", "nowhere"), ("gone", "b0x0", "a0x1", "b0x1")]
    return sections


WORDS, VECTORS = make_space()
QUESTIONS = [question for section in make_questions().values() for question in section]


def keyed() -> KeyedVectors:
    vectors = KeyedVectors(20)
    vectors.add_vectors(WORDS, VECTORS)
    return vectors


@pytest.mark.parametrize("restrict", [300_000, 140])
@pytest.mark.parametrize("counted_as_wrong", [True, False])
def test_3cosadd_is_right_and_wrong_where_gensim_is(restrict, counted_as_wrong, tmp_path):
    file = tmp_path / "questions.txt"
    lines = [f": {name}\n" + "".join(" ".join(q) + "\n" for q in own) for name, own in make_questions().items()]
    file.write_text("".join(lines))
    score, sections = keyed().evaluate_word_analogies(file, restrict_vocab=restrict, dummy4unknown=counted_as_wrong)
    answers = answer_analogies(WORDS, VECTORS, QUESTIONS, restrict_vocabulary=restrict)
    kept = np.full(len(QUESTIONS), True) if counted_as_wrong else answers.known
    assert answers.correct[kept].mean() == pytest.approx(score)
    assert 0.1 < score < 0.9
    place = 0
    for section, (_, own) in zip(sections, make_questions().items(), strict=False):
        right = {tuple(question) for question in section["correct"]}
        for question in own:
            assert answers.correct[place] == (tuple(word.upper() for word in question) in right)
            place += 1


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_the_answer_is_the_one_that_gensim_ranks_first(method):
    vectors = keyed()
    rank = vectors.most_similar_cosmul if method == "3cosmul" else vectors.most_similar
    answers = answer_analogies(WORDS, VECTORS, QUESTIONS, method)
    first_case: dict[str, str] = {}
    for word in WORDS:
        first_case.setdefault(word.lower(), word)
    different = 0
    for place, question in enumerate(QUESTIONS):
        if not answers.known[place]:
            assert answers.rows[place] == -1
            continue
        a, b, c = (first_case[word.lower()] for word in question[:3])
        ranked = rank(positive=[b, c], negative=[a], topn=10)
        taken = {word.lower() for word in question[:3]}
        best = next(word for word, _ in ranked if word.lower() not in taken)
        assert WORDS[answers.rows[place]] == best
        different += best.lower() != question[3].lower()
    assert 20 < different < len(QUESTIONS) - 20


def test_the_two_methods_can_differ():
    add, multiply = (answer_analogies(WORDS, VECTORS, QUESTIONS, method).rows for method in ("3cosadd", "3cosmul"))
    assert (add != multiply).any()


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_chunks_change_nothing(method, monkeypatch):
    whole = answer_analogies(WORDS, VECTORS, QUESTIONS, method)
    monkeypatch.setattr("lab.evaluation.analogies._WORDS_AT_ONCE", 7)
    monkeypatch.setattr("lab.evaluation.analogies._QUESTIONS_AT_ONCE", 5)
    pieces = answer_analogies(WORDS, VECTORS, QUESTIONS, method)
    assert (pieces.rows == whole.rows).all()
    assert (pieces.correct == whole.correct).all()


def test_what_cannot_be_asked_is_neither_answered_nor_right():
    answers = answer_analogies(WORDS, VECTORS, QUESTIONS)
    assert answers.known.sum() == len(QUESTIONS) - 2
    assert not answers.known[-2:].any()
    assert not answers.correct[-2:].any()
    nothing = answer_analogies(WORDS, VECTORS, [])
    assert len(nothing.known) == len(nothing.rows) == len(nothing.correct) == 0


def test_no_word_is_left_to_answer_with():
    words = ["a", "b", "c"]
    answers = answer_analogies(words, np.eye(3, dtype=np.float32), [("a", "b", "c", "c")])
    assert answers.known.tolist() == [True]
    assert answers.rows.tolist() == [-1]
    assert answers.correct.tolist() == [False]


def test_opposite_and_zero_vectors_are_no_trouble_to_3cosmul():
    words = ["a", "b", "c", "d", "zero"]
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [-1, 1], [0, 0]], dtype=np.float32)
    answers = answer_analogies(words, vectors, [("a", "b", "c", "d")], "3cosmul")
    assert answers.correct.tolist() == [True]
