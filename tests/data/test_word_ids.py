from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.data import word_ids
from lab.data.config import CorpusConfig
from lab.data.corpus import Sentences, build_corpus
from lab.data.tokenizer import TokenizerConfig
from lab.data.word_ids import read_word_ids, write_word_ids

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=9)
TEXT = st.lists(st.lists(WORDS | st.sampled_from(["a", "the", "é", "日本", "x" * 300]), min_size=1), min_size=1)


@pytest.fixture(autouse=True)
def _no_cache_of_others(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def number(path, folder):
    folder.mkdir(exist_ok=True)
    write_word_ids(path, folder)
    return read_word_ids(folder)


def check(found, text):
    tokens = [found.types[each] for each in found.ids]
    assert tokens == [word for sentence in text for word in sentence]
    assert found.starts.tolist() == np.cumsum([0, *map(len, text)]).tolist()
    assert found.types == list(dict.fromkeys(tokens))
    assert dict(zip(found.types, found.counts.tolist(), strict=True)) == Counter(tokens)
    assert (found.ids.dtype, found.starts.dtype, found.counts.dtype) == (np.int32, np.int64, np.int64)


@pytest.mark.parametrize("last", ["\n", ""], ids=["ended", "not ended"])
@given(text=TEXT)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_numbers_lead_back_to_the_words(last, text, tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(("\n".join(" ".join(sentence) for sentence in text) + last).encode())
    check(number(path, tmp_path / "ids"), text)
    assert [list(sentence) for sentence in Sentences(path, 0, 0)][:-1] == text[:-1]


@given(raw=st.text(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_whatever_the_tokenizer_writes_is_read_as_the_slow_path_reads_it(raw, tmp_path):
    source = tmp_path / "raw.txt"
    source.write_bytes(b"once upon a time\n" + raw.encode("utf-8", "replace"))
    for pattern in ("words", "whitespace"):
        config = CorpusConfig.model_validate({"source": str(source), "held_out": {"fraction": 0}})
        training = build_corpus(config, TokenizerConfig(pattern=pattern)).training
        check(training.word_ids(), list(training))


def test_a_table_grows_and_blocks_end_where_lines_do(tmp_path, monkeypatch):
    monkeypatch.setattr(word_ids, "_BLOCK", 64)
    monkeypatch.setattr(word_ids, "_FIRST_TYPES", 4)
    monkeypatch.setattr(word_ids, "_FIRST_BYTES", 10)
    generator = np.random.default_rng(0)
    text = [[f"w{word}" for word in generator.zipf(1.3, 30) % 1000] for _ in range(200)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(map(" ".join, text)))
    check(number(path, tmp_path / "ids"), text)


def test_the_numbers_are_made_once_and_follow_the_text(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text("a b a\n")
    written = []
    write = word_ids.write_word_ids
    monkeypatch.setattr(word_ids, "write_word_ids", lambda *args: (written.append(1), write(*args))[1])
    sentences = Sentences(path, 1, 3)
    check(sentences.word_ids(), [["a", "b", "a"]])
    check(sentences.word_ids(), [["a", "b", "a"]])
    assert len(written) == 1
    path.write_text("b a\nc\n")
    check(sentences.word_ids(), [["b", "a"], ["c"]])
