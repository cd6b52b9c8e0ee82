from __future__ import annotations

import numpy as np
import pytest

from lab.data.word_tests import load_analogies, load_similarity
from lab.errors import UserError


@pytest.mark.parametrize(("name", "pairs"), [("wordsim353", 353), ("simlex999", 999)])
def test_packaged_similarity(name, pairs):
    test = load_similarity(name)
    assert (test.name, len(test), len(test.second), test.human.shape) == (name, pairs, pairs, (pairs,))
    assert test.human.dtype == np.float64
    assert test.human.min() >= 0
    assert test.human.max() <= 10
    assert len(set(test.ids)) == pairs


def test_known_pairs():
    test = load_similarity("wordsim353")
    assert (test.first[1], test.second[1], test.human[1]) == ("tiger", "cat", 7.35)
    assert [name for name in test.ids if "#" in name] == ["money cash #2"]


def test_packaged_analogies():
    test = load_analogies("questions-words")
    assert (test.name, len(test), len(test.sections)) == ("questions-words", 19_544, 14)
    assert test.sections["family"][0] == ("boy", "girl", "brother", "sister")
    assert len(set(test.ids)) == len(test)
    assert test.ids[0] == "capital-common-countries: Athens Greece Baghdad Iraq"


@pytest.mark.parametrize(
    "content",
    [
        "tiger\tcat\t7.35\nmoney\tcash\t9\n",
        "tiger,cat,7.35\r\nmoney,cash,9\r\n",
        "\ufeff# a comment\n# Word 1\tWord 2\tHuman (mean)\ntiger\tcat\t7.35\nmoney\tcash\t9.0\n",
        "Word 1,Word 2,Human (mean)\ntiger,cat,7.35\nmoney,cash,9\n",
        "word1\tword2\tPOS\tSimLex999\tconc(w1)\ntiger\tcat\tN\t7.35\t1\nmoney\tcash\tN\t9\t1\n",
        "tiger cat 7.35\nmoney cash 9\n",
        "tiger;cat;7.35\n\nmoney;cash;9\n",
        "tiger\tcat\tN\t7.35\nmoney\tcash\tN\t9\n",
        "a,b,1,2,3\ntiger,cat,7.35,0,0\nmoney,cash,9,0,0\n".replace("a,b,1,2,3", "Word 1,Word 2,Human (mean),1,2"),
    ],
)
def test_formats_of_similarity(tmp_path, content):
    (tmp_path / "pairs.txt").write_text(content, encoding="utf-8")
    test = load_similarity(tmp_path / "pairs.txt")
    assert (test.name, test.first, test.second) == ("pairs", ["tiger", "money"], ["cat", "cash"])
    assert test.human.tolist() == [7.35, 9.0]
    (tmp_path / "other.txt").write_text("tiger\tcat\t7.35\nmoney\tcash\t9\n", encoding="utf-8")
    assert test.fingerprint == load_similarity(tmp_path / "other.txt").fingerprint


def test_formats_of_analogies(tmp_path):
    (tmp_path / "a.txt").write_text("a b c d\n: pairs of men \nman king woman queen\n\nx y z w\n", encoding="utf-8")
    test = load_analogies(tmp_path / "a.txt")
    assert test.sections == {
        "all": [("a", "b", "c", "d")],
        "pairs of men": [("man", "king", "woman", "queen"), ("x", "y", "z", "w")],
    }


@pytest.mark.parametrize(
    ("load", "content", "message"),
    [
        (
            load_similarity,
            "tiger\tcat\t7\nmoney\tcash\n",
            r"a\.txt:2: expected two words and a number, got 'money cash'",
        ),
        (load_similarity, "tiger\tcat\t7\nmoney\tcash\tmuch\n", r"a\.txt:2: expected two words and a number"),
        (load_similarity, "tiger\tcat\t7\nmoney\t\t3\n", r"a\.txt:2: expected two words and a number"),
        (load_similarity, "tiger\tcat\t7\nmoney\tcash\tnan\n", r"a\.txt:2: expected two words and a number"),
        (load_similarity, "word1\tword2\tscore\n", "no word pairs in it"),
        (load_similarity, "# nothing\n", "no word pairs in it"),
        (load_analogies, ": family\nboy girl brother\n", r"a\.txt:2: expected four words or `: section`"),
        (load_analogies, ": family\n", "no analogy questions in it"),
        (load_analogies, "", "no analogy questions in it"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, load, content, message):
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load(tmp_path / "a.txt")


def test_unknown_names_get_the_nearest():
    with pytest.raises(UserError, match=r"did you mean wordsim353\?"):
        load_similarity("wordsim")
    with pytest.raises(UserError, match="packaged: questions-words"):
        load_analogies("google")
    with pytest.raises(UserError, match="wordsim353 is packaged similarity, where analogies was expected"):
        load_analogies("wordsim353")


@pytest.mark.realdata
def test_the_file_of_a_user_is_the_packaged_set(shared_data):
    ours = load_analogies(shared_data / "analogy_google" / "questions-words.txt")
    assert ours.fingerprint == load_analogies("questions-words").fingerprint
