from __future__ import annotations

import subprocess
import sys
import tracemalloc

import pytest
from gensim.models.phrases import Phrases
from gensim.models.word2vec import LineSentence
from hypothesis import given
from hypothesis import strategies as st

from lab.data import corpus as module
from lab.data import decoding
from lab.data.config import CorpusConfig, HeldOutConfig
from lab.data.corpus import build_corpus, is_held_out, passages
from lab.data.packaged import packaged_path
from lab.data.tokenizer import PhrasesConfig, TokenizerConfig, tokenize
from lab.errors import UserError

NONE_HELD_OUT = HeldOutConfig(fraction=0)


def test_the_reference_corpus_keeps_tokens_and_case():
    """head500 as gensim's own reader gives it: what the reference figures were measured on."""
    config = CorpusConfig(source="head500", held_out=NONE_HELD_OUT)
    corpus = build_corpus(config, TokenizerConfig(pattern="whitespace", lowercase=False))
    assert (len(corpus.training), corpus.training.tokens, len(corpus.held_out)) == (250, 331_339, 0)
    assert list(corpus.training) == list(LineSentence(str(packaged_path("head500"))))


def test_a_corpus_can_be_read_again_and_counts_what_it_holds(write):
    corpus = build_corpus(write("a.txt", "One two.\n\n!!\nThree\n", held_out=NONE_HELD_OUT), TokenizerConfig())
    for _ in range(2):
        assert list(corpus.training) == [["one", "two"], ["three"]]
    assert list(corpus.held_out) == []
    assert corpus.counts == {"sentences": 2, "tokens": 3, "held_out_sentences": 0, "held_out_tokens": 0}
    assert corpus.phrases == []


@pytest.mark.parametrize(
    ("unit", "sentences"),
    [
        ("sentence", [["one", "two"], ["three", "four"], ["five"]]),
        ("document", [["one", "two"], ["three", "four"], ["five"]]),
        ("paragraph", [["one", "two", "three", "four"], ["five"]]),
    ],
)
def test_units(write, unit, sentences):
    config = write("a.txt", "One. Two\nthree. Four\n\nFive\n", unit=unit, held_out=NONE_HELD_OUT)
    assert list(build_corpus(config, TokenizerConfig()).training) == sentences


def test_documents_are_cut_at_sentence_ends_into_passages(write):
    text = "".join(f"This is sentence {number} of eight words here. " for number in range(60))
    config = write("a.txt", text, unit="document", held_out=NONE_HELD_OUT)
    found = list(build_corpus(config, TokenizerConfig()).training)
    assert [len(sentence) for sentence in found] == [200, 200, 80]
    assert [token for sentence in found for token in sentence] == tokenize(text, TokenizerConfig())


@given(st.text(alphabet=st.sampled_from("aB. \n"), max_size=3_000))
def test_passages_leave_nothing_out(text):
    found = list(passages(text))
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(len(passage.split()) >= 200 or passage is found[-1] for passage in found)


def test_long_sentences_are_cut_at_ten_thousand_tokens(write):
    corpus = build_corpus(write("a.txt", "word " * 25_000, held_out=NONE_HELD_OUT), TokenizerConfig())
    assert [len(sentence) for sentence in corpus.training] == [10_000, 10_000, 5_000]


def test_the_corpus_is_shared_by_equal_settings_and_by_no_others(write, monkeypatch):
    config = write("a.txt", "One two 3\n" * 30)
    first = build_corpus(config, TokenizerConfig())
    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", lambda *args: pytest.fail("made again"))
        assert build_corpus(config, TokenizerConfig()) == first
    others = [
        build_corpus(config, TokenizerConfig(numbers="drop")),
        build_corpus(CorpusConfig(source=config.source, held_out={"seed": 1}), TokenizerConfig()),
        build_corpus(write("a.txt", "One two 3\n" * 31), TokenizerConfig()),
    ]
    assert len({corpus.folder for corpus in [first, *others]}) == 4


@pytest.mark.parametrize(
    ("content", "held_out", "message"),
    [
        ("!!! ...\n", 0.0, "no tokens in it; tokenizer.pattern 'words' matches nothing"),
        ("", 0.0, "empty, there is no text in it"),
        ("one two\n", 0.999999, "data.held_out.fraction leaves no sentence to train on"),
    ],
)
def test_a_corpus_without_a_token_to_train_on(write, content, held_out, message):
    with pytest.raises(UserError, match=message):
        build_corpus(write("a.txt", content, held_out={"fraction": held_out}), TokenizerConfig())


IDS = st.lists(st.text(), unique=True)


@given(IDS, st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32))
def test_a_larger_share_holds_the_smaller(ids, one, other, seed):
    small, large = ({id for id in ids if is_held_out(id, share, seed)} for share in sorted([one, other]))
    assert small <= large


@given(IDS, st.integers(0, 2**32))
def test_no_share_holds_nothing_and_the_whole_everything(ids, seed):
    assert not any(is_held_out(id, 0.0, seed) for id in ids)
    assert all(is_held_out(id, 1.0, seed) for id in ids)


@given(st.integers(0, 2**32), st.floats(0.01, 0.5))
def test_the_share_is_about_what_was_asked_for(seed, share):
    held = sum(is_held_out(f"a.txt:{number}#0", share, seed) for number in range(5_000))
    # Six standard deviations of a binomial count.
    assert abs(held - 5_000 * share) < 6 * (5_000 * share * (1 - share)) ** 0.5


def test_held_out_is_disjoint_and_does_not_move_when_text_is_added(write):
    lines = [f"sentence number {number}" for number in range(2_000)]
    words = TokenizerConfig()
    short = build_corpus(write("a.txt", "\n".join(lines[:1_000])), words)
    longer = build_corpus(write("a.txt", "\n".join(lines)), words)
    held, held_longer = ({" ".join(tokens) for tokens in corpus.held_out} for corpus in (short, longer))
    trained = {" ".join(tokens) for tokens in short.training}
    assert held
    assert not held & trained
    assert held | trained == set(lines[:1_000])
    assert held == held_longer & set(lines[:1_000])
    # The choice goes by place, so other settings of the tokenizer leave it as it is.
    zeros = build_corpus(write("a.txt", "\n".join(lines[:1_000])), TokenizerConfig(numbers="zero"))
    assert list(zeros.held_out) == [[*tokens[:-1], "0" * len(tokens[-1])] for tokens in short.held_out]


PHRASES = PhrasesConfig(threshold=0.1, min_count=2, passes=2)


def test_phrases_are_learned_from_the_training_part_as_gensim_learns_them(write):
    text = "we saw new york city today\nnew york city sleeps\nthe old house\n" * 40 + "the city is new to us\n" * 20
    config = write("a.txt", text)
    corpus = build_corpus(config, TokenizerConfig(phrases=PHRASES))
    plain = build_corpus(config, TokenizerConfig())
    training, held_out = list(plain.training), list(plain.held_out)
    for table in corpus.phrases:
        model = Phrases(training, min_count=2, threshold=0.1)
        found = model.find_phrases(training)
        assert found.items() <= table.items()
        assert found
        training, held_out = [model[tokens] for tokens in training], [model[tokens] for tokens in held_out]
    assert len(corpus.phrases) == 2
    assert list(corpus.training) == training
    assert list(corpus.held_out) == held_out
    assert any("the_old_house" in tokens for tokens in held_out)
    assert corpus.training.tokens == sum(map(len, training))
    assert corpus.held_out.tokens == sum(map(len, held_out))


def test_held_out_text_teaches_no_phrase(write):
    """A pair that is frequent only in held-out lines is never joined."""
    lines = [
        f"red fox {number}" if is_held_out(f"a.txt:{number}#0", 0.5, 0) else "grey dog" for number in range(1, 200)
    ]
    config = write("a.txt", "\n".join(lines), held_out={"fraction": 0.5})
    table = build_corpus(config, TokenizerConfig(phrases=PHRASES.model_copy(update={"passes": 1}))).phrases[0]
    assert "red_fox" not in table


def test_the_corpus_is_the_same_in_every_process(write, tmp_path):
    config = write("a.txt", "new york city is big\n" * 50 + "so it is\n" * 30)
    code = (
        "import sys; from lab.data.corpus import build_corpus; from lab.data.config import CorpusConfig;"
        "from lab.data.tokenizer import TokenizerConfig;"
        "corpus = build_corpus(CorpusConfig(source=sys.argv[1]), TokenizerConfig(phrases={'threshold': 0.1}));"
        "print(corpus.folder.name, *(file.read_text() for file in sorted(corpus.folder.iterdir())))"
    )
    processes = []
    for hash_seed in ("0", "7"):
        environment = {"PYTHONHASHSEED": hash_seed, "LAB_CACHE": str(tmp_path / hash_seed), "PATH": ""}
        command = [sys.executable, "-c", code, config.source]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    one, other = (process.communicate()[0] for process in processes)
    assert "new_york" in one
    assert one == other


def generate(path, megabytes: int, end: str) -> None:
    block = "".join(f"The {number} words of this sentence are counted twice.{end}" for number in range(10_000))
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(max(1, megabytes * 1_000_000 // len(block))):
            file.write(block)


@pytest.mark.parametrize(
    ("end", "unit"),
    [("\n", "sentence"), pytest.param(" ", "document", marks=pytest.mark.slow), (" ", "sentence")],
    ids=["lines", "one document", "one line"],
)
def test_memory_stays_bounded_whatever_the_size(tmp_path, monkeypatch, end, unit):
    """2 MB, as lines and as one line, with pieces cut as much smaller as the file is than what they are meant for."""
    monkeypatch.setattr(decoding, "PIECE", 1 << 14)
    monkeypatch.setattr(decoding, "_CHUNK", 1 << 13)
    generate(tmp_path / "a.txt", 2, end)
    config = CorpusConfig(source=str(tmp_path / "a.txt"), unit=unit)
    tracemalloc.start()
    corpus = build_corpus(config, TokenizerConfig())
    read = sum(len(tokens) for tokens in corpus.training)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == corpus.training.tokens > 200_000
    assert peak < 1_200_000


@pytest.mark.slow
@pytest.mark.parametrize("end", ["\n", " "], ids=["lines", "one line"])
def test_fifty_megabytes_in_little_memory(tmp_path, end):
    """The whole process, by what the kernel counts, against the same process on a small file."""
    code = (
        "import sys, resource; from lab.data.corpus import build_corpus; from lab.data.config import CorpusConfig;"
        "from lab.data.tokenizer import TokenizerConfig;"
        "corpus = build_corpus(CorpusConfig(source=sys.argv[1]), TokenizerConfig());"
        "print(corpus.training.tokens, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    found = {}
    for megabytes in (1, 50):
        generate(tmp_path / "a.txt", megabytes, end)
        command = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[megabytes] = [int(number) for number in output.split()]
    assert found[50][0] > 40 * found[1][0]
    assert found[50][1] - found[1][1] < 20_000  # KiB


@pytest.mark.realdata
def test_a_folder_of_novels(shared_data):
    config = CorpusConfig(source=str(shared_data / "text_novels" / "H*.txt"), unit="document")
    corpus = build_corpus(config, TokenizerConfig())
    assert corpus.training.tokens + corpus.held_out.tokens > 600_000
    assert 0.015 < len(corpus.held_out) / (len(corpus.training) + len(corpus.held_out)) < 0.025
