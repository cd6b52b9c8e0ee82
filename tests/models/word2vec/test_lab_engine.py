from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from made_up_text import made_up_text
from safetensors.numpy import load_file

from lab.data.config import CorpusConfig
from lab.data.corpus import build_corpus
from lab.data.tokenizer import TokenizerConfig
from lab.errors import UserError
from lab.models.word2vec import lab_engine
from lab.models.word2vec.engine import Options, State, count_words, warm_start
from lab.models.word2vec.gensim_engine import GensimEngine
from lab.models.word2vec.held_out_loss import hold_out, pair_losses
from lab.models.word2vec.lab_engine import LabEngine, noise_words, word_ids

HERE = Path(__file__).parent
SMALL = Options(vector_size=12, window=3, min_count=2, epochs=3)
FOUR = [
    dataclasses.replace(SMALL, architecture=architecture, objective=objective)
    for architecture in ("cbow", "skipgram")
    for objective in ("negative-sampling", "hierarchical-softmax")
]
NAMES = [f"{options.architecture}, {options.objective}" for options in FOUR]
CHANGES = {
    "architecture": "skipgram",
    "objective": "hierarchical-softmax",
    "vector_size": 8,
    "window": 2,
    "shrink_windows": False,
    "negative": 1,
    "ns_exponent": 0.1,
    "cbow_mean": False,
    "subwords": (2, 3),
    "subsample": 0.01,
    "min_count": 20,
    "max_vocab": 30,
    "epochs": 2,
    "learning_rate": 0.05,
    "min_learning_rate": 0.01,
    "schedule": "cosine",
}


@pytest.fixture(scope="module")
def text():
    return made_up_text()


def train(options: Options, text, seed: int = 1, epochs: int | None = None) -> State:
    engine = LabEngine()
    state = engine.start(engine.build(text, options), options, seed)
    for _ in range(options.epochs if epochs is None else epochs):
        state = engine.train_epoch(state, text)
    return state


@pytest.mark.parametrize("name", CHANGES)
def test_every_option_changes_the_vectors(name, text):
    one, other = train(SMALL, text), train(dataclasses.replace(SMALL, **{name: CHANGES[name]}), text)
    same_shape = one.input_vectors.shape == other.input_vectors.shape
    assert not (same_shape and np.allclose(one.input_vectors, other.input_vectors))


def test_the_table_of_changes_is_complete():
    """`batch_words` is of gensim's jobs alone."""
    assert set(CHANGES) | {"threads", "batch_words"} == {field.name for field in dataclasses.fields(Options)}


def test_the_vocabulary_is_that_of_the_other_engine(text):
    ours, theirs = LabEngine().build(text, SMALL), count_words(text, SMALL.min_count)
    assert ours.words == theirs.words
    assert (ours.counts == theirs.counts).all()
    assert (ours.tokens, ours.types, ours.sentences) == (theirs.tokens, theirs.types, theirs.sentences)


@pytest.mark.parametrize("options", FOUR, ids=NAMES)
def test_words_that_keep_company_come_to_lie_together_and_the_loss_falls(options, text):
    options = dataclasses.replace(options, learning_rate=0.1, epochs=10)
    start, state = train(options, text, epochs=0), train(options, text)
    unit = state.input_vectors / np.linalg.norm(state.input_vectors, axis=1, keepdims=True)
    index = state.vocabulary.index
    assert unit[index["t1w0"]] @ unit[index["t1w1"]] > unit[index["t1w0"]] @ unit[index["t2w1"]] + 0.2
    pairs = hold_out(made_up_text(40, seed=1), state.vocabulary, options, tokens=500)
    losses = [pair_losses(pairs, each.input_vectors, each.output_vectors).mean() for each in (start, state)]
    assert losses[1] < losses[0] - 0.3


def test_the_seed_decides_everything(text):
    first, again, other = (train(SMALL, text, seed) for seed in (1, 1, 2))
    assert (first.input_vectors == again.input_vectors).all()
    assert (first.output_vectors == again.output_vectors).all()
    assert not np.allclose(first.input_vectors, other.input_vectors)


@pytest.mark.parametrize("options", FOUR, ids=NAMES)
def test_training_leaves_the_old_state_as_it_was(options, text):
    engine = LabEngine()
    start = engine.start(engine.build(text, options), options, seed=3)
    before = {name: tensor.copy() for name, tensor in start.tensors().items()}, json.dumps(start.progress())
    one = engine.train_epoch(start, text)
    after_one = one.input_vectors.copy()
    other = engine.train_epoch(start, text)
    assert all((start.tensors()[name] == tensor).all() for name, tensor in before[0].items())
    assert json.dumps(start.progress()) == before[1]
    assert (one.input_vectors == other.input_vectors).all()
    two = engine.train_epoch(one, text)
    assert (one.input_vectors == after_one).all()
    assert (one.epoch, two.epoch) == (1, 2)


CHILD = """
import json, sys
from safetensors.numpy import load_file, save_file
from test_lab_engine import FOUR, LabEngine, State, made_up_text
number, folder, epochs = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
text, options, engine = made_up_text(), FOUR[number], LabEngine()
vocabulary = engine.build(text, options)
try:
    progress = json.load(open(f"{folder}/state.json"))
    state = State.restore(vocabulary, options, load_file(f"{folder}/state.safetensors"), progress)
except FileNotFoundError:
    state = engine.start(vocabulary, options, seed=5)
for _ in range(epochs):
    state = engine.train_epoch(state, text)
save_file(state.tensors(), f"{folder}/state.safetensors")
json.dump(state.progress(), open(f"{folder}/state.json", "w"))
"""


@pytest.mark.parametrize("number", [2, 1])
def test_interrupted_equals_uninterrupted_in_other_processes(number, tmp_path, text):
    for hash_seed, epochs in (("1", 1), ("2", 2)):
        subprocess.run(
            [sys.executable, "-c", CHILD, str(number), str(tmp_path), str(epochs)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=HERE,
            check=True,
        )
    whole = train(FOUR[number], text, seed=5)
    pieces = load_file(tmp_path / "state.safetensors")
    assert (pieces["input_vectors"] == whole.input_vectors).all()
    assert (pieces["output_vectors"] == whole.output_vectors).all()


def test_chunks_do_not_shift_the_learning_rate(text, monkeypatch):
    """Chunks draw from generators of their own; without random choices they are of no consequence."""
    options = dataclasses.replace(SMALL, subsample=0, shrink_windows=False, objective="hierarchical-softmax")
    whole = train(options, text)
    monkeypatch.setattr(lab_engine, "_CHUNK", 100)
    assert np.allclose(train(options, text).input_vectors, whole.input_vectors, atol=1e-6)


def test_tick_tells_the_share_done_and_may_stop(monkeypatch, text):
    monkeypatch.setattr(lab_engine, "_CHUNK", 200)
    monkeypatch.setattr(lab_engine, "_TICK_SECONDS", 0.001)
    kernel = lab_engine.train_negative_sampling
    monkeypatch.setattr(lab_engine, "train_negative_sampling", lambda *args: (time.sleep(0.02), kernel(*args))[1])
    options = dataclasses.replace(SMALL, threads=2)
    engine, shares = LabEngine(), []
    long = text * 3
    state = engine.start(engine.build(long, options), options, seed=1)
    engine.train_epoch(state, long, tick=shares.append)
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert len(shares) > 4
    assert shares[-1] <= 1

    stopped_at = []

    def stop(share: float) -> None:
        if share > 0.3:
            stopped_at.append(share)
            raise KeyboardInterrupt

    running = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        engine.train_epoch(state, long, tick=stop)
    assert stopped_at[0] < 1
    assert threading.active_count() == running  # no thread is left behind


def test_an_error_in_the_corpus_is_raised(text):
    def broken():
        yield from text[:100]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        LabEngine().build(broken(), SMALL)


@pytest.mark.parametrize("options", [FOUR[0], FOUR[2]], ids=[NAMES[0], NAMES[2]])
def test_two_threads_learn_too(options, text):
    options = dataclasses.replace(options, threads=2, learning_rate=0.1, epochs=5)
    state = train(options, text)
    unit = state.input_vectors / np.linalg.norm(state.input_vectors, axis=1, keepdims=True)
    index = state.vocabulary.index
    assert state.is_finite()
    assert unit[index["t1w0"]] @ unit[index["t1w1"]] > unit[index["t1w0"]] @ unit[index["t2w1"]]


@pytest.mark.parametrize("architecture", ["cbow", "skipgram"])
@pytest.mark.parametrize("rate", [0.025, 0.2])
def test_threads_that_work_on_copies_learn_what_one_thread_does(architecture, rate):
    """What threads change apart is added up: at high rates it must be merged soon, or not be apart at all."""
    text, held_out = made_up_text(4000), made_up_text(seed=1)
    losses = []
    for threads in (1, 4):
        options = dataclasses.replace(SMALL, architecture=architecture, learning_rate=rate, threads=threads)
        state = train(options, text)
        pairs = hold_out(held_out, state.vocabulary, options, tokens=4000)
        losses.append(pair_losses(pairs, state.input_vectors, state.output_vectors).mean())
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_the_higher_the_rate_the_sooner_copies_are_merged():
    options = dataclasses.replace(SMALL, threads=2)
    words = [lab_engine._words_between_merges(options, rate) for rate in (1e-4, 0.025, 0.05, 1.0)]
    assert words == sorted(words, reverse=True)
    assert words[1] > 16 > words[3] == 0
    assert lab_engine._words_between_merges(SMALL, 0.025) == 0  # one thread is alone


def test_more_threads_than_sentences_and_sentences_without_words(text):
    few = [["a", "b", "a", "b"], [], ["a"], []]
    options = dataclasses.replace(SMALL, threads=8, min_count=1)
    assert train(options, few).is_finite()


def test_long_sentences_are_cut_and_trained_on_to_their_end():
    long = [[f"w{number}" for number in range(50)] * 300 + ["only", "at", "the", "end"] * 3]
    numbered = word_ids(long)
    assert numbered.starts.tolist() == [0, 10_000, 15_012]
    assert [numbered.types[number] for number in numbered.ids] == long[0]
    options = dataclasses.replace(SMALL, min_count=1, subsample=0, epochs=1)
    start, state = train(options, long, epochs=0), train(options, long)
    moved = np.abs(state.input_vectors - start.input_vectors).max(axis=1)
    assert moved[start.vocabulary.index["end"]] > 0


@pytest.mark.parametrize("exponent", [0.75, 0.0, -0.5])
def test_noise_words_are_there_as_often_as_their_share_asks_for(exponent):
    counts = np.array([1000, 300, 20, 1])
    found = np.bincount(noise_words(counts, exponent), minlength=4)
    share = counts.astype(float) ** exponent / (counts.astype(float) ** exponent).sum()
    assert np.abs(found - share * found.sum()).max() <= 1
    assert found.sum() == 2**16


def test_words_rarer_than_a_place_have_their_share_over_many_tables():
    counts = np.array([10**9, *[1] * 50])
    tables = [noise_words(counts, 1.0, offset) for offset in np.linspace(0, 1, 2000, endpoint=False)]
    assert {len(table) for table in tables} == {2**16}
    found = np.mean([np.bincount(table, minlength=51) for table in tables], axis=0)
    assert found[1:] == pytest.approx(np.full(50, 2**16 / counts.sum()), abs=6e-4)


def test_too_many_noise_words_are_refused(text):
    with pytest.raises(UserError, match=r"at most 31; use train\.engine=gensim"):
        train(dataclasses.replace(SMALL, negative=32), text)


@pytest.mark.parametrize("options", [FOUR[1], FOUR[2]], ids=[NAMES[1], NAMES[2]])
def test_a_warm_start_keeps_old_words_and_draws_new_ones(options, text):
    old = train(options, [[word for word in sentence if word != "t1w1"] for sentence in text])
    fresh = train(options, text, epochs=0, seed=9)
    state = warm_start(fresh, old.vocabulary.words, old.input_vectors, old.output_vectors)
    new, index = fresh.vocabulary.index["t1w1"], old.vocabulary.index
    assert (state.input_vectors[new] == fresh.input_vectors[new]).all()
    assert (state.output_vectors[new] == 0).all()
    for row, word in enumerate(fresh.vocabulary.words):
        if word != "t1w1":
            assert (state.input_vectors[row] == old.input_vectors[index[word]]).all()
            kept = old.output_vectors[index[word]] if options.objective == "negative-sampling" else 0
            assert (state.output_vectors[row] == kept).all()
    assert not fresh.output_vectors.any()
    assert state.epoch == 0
    with pytest.raises(UserError, match=r"have 5 dimensions, model\.vector_size is 12"):
        warm_start(fresh, ["the"], np.zeros((1, 5), np.float32))
    with pytest.raises(UserError, match="tokenised in the same way"):
        warm_start(fresh, ["The"], np.zeros((1, 12), np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
def test_the_loss_on_held_out_text_is_that_of_gensim(architecture):
    corpus = build_corpus(CorpusConfig(), TokenizerConfig())
    options = Options(architecture=architecture, vector_size=50, epochs=3, threads=1)
    losses = {}
    for engine, text in ((LabEngine(), corpus.training), (GensimEngine(), list(corpus.training))):
        vocabulary = engine.build(text, options)
        pairs = hold_out(corpus.held_out, vocabulary, options, tokens=corpus.held_out.tokens)
        for seed in (0, 1):
            state = engine.start(vocabulary, options, seed)
            while state.epoch < options.epochs:
                state = engine.train_epoch(state, text)
            loss = pair_losses(pairs, state.input_vectors, state.output_vectors).mean()
            losses.setdefault(type(engine), []).append(loss)
    ours, theirs = (np.mean(losses[engine]) for engine in (LabEngine, GensimEngine))
    assert ours < 1.005 * theirs
    assert ours == pytest.approx(theirs, rel=0.01)


@pytest.mark.parametrize("options", FOUR, ids=NAMES)
def test_vectors_that_run_away_are_seen_to(options, text):
    state = train(options, text, epochs=0)
    state.input_vectors[0, 0] = np.nan
    assert not LabEngine().train_epoch(state, text).is_finite()
