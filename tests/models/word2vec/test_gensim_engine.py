from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import Word2Vec
from made_up_text import made_up_text
from safetensors.numpy import load_file

from lab.models.word2vec.engine import Options, State
from lab.models.word2vec.gensim_engine import GensimEngine

HERE = Path(__file__).parent
SMALL = Options(vector_size=12, window=3, min_count=2, epochs=3, batch_words=300)
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
    "negative": 3,
    "ns_exponent": 0.1,
    "cbow_mean": False,
    "subsample": 0.01,
    "min_count": 20,
    "max_vocab": 30,
    "epochs": 2,
    "learning_rate": 0.05,
    "min_learning_rate": 0.01,
    "batch_words": 100,
    "schedule": "cosine",
}
IN_ONE_CALL = {name: value for name, value in CHANGES.items() if name != "schedule"}  # gensim has but the line


@pytest.fixture(scope="module")
def text():
    return made_up_text()


def train(options: Options, text, seed: int = 1, epochs: int | None = None) -> State:
    engine = GensimEngine()
    state = engine.start(engine.build(text, options), options, seed)
    for _ in range(options.epochs if epochs is None else epochs):
        state = engine.train_epoch(state, text)
    return state


def train_in_gensim(options: Options, text, start: State) -> tuple[np.ndarray, np.ndarray]:
    """All epochs in one call of gensim's, from the same words, vectors and generator."""
    hierarchical = options.objective == "hierarchical-softmax"
    model = Word2Vec(
        sg=int(options.architecture == "skipgram"),
        hs=int(hierarchical),
        negative=0 if hierarchical else options.negative,
        vector_size=options.vector_size,
        window=options.window,
        shrink_windows=options.shrink_windows,
        ns_exponent=options.ns_exponent,
        cbow_mean=int(options.cbow_mean),
        sample=options.subsample,
        alpha=options.learning_rate,
        min_alpha=options.min_learning_rate,
        batch_words=options.batch_words,
        min_count=options.min_count,
        max_final_vocab=options.max_vocab,
        workers=1,
        seed=1,
    )
    model.build_vocab(text)
    # gensim puts words of one count in another order: let it have ours, which changes nothing but the numbering.
    order = sorted(model.wv.index_to_key, key=start.vocabulary.words.index)
    model.build_vocab_from_freq({word: model.wv.get_vecattr(word, "count") for word in reversed(order)})
    assert tuple(model.wv.index_to_key) == start.vocabulary.words
    model.wv.vectors[:] = start.input_vectors
    tokens = sum(len(sentence) for sentence in text)
    model.train(text, total_words=tokens, epochs=options.epochs)
    return model.wv.vectors, model.syn1 if hierarchical else model.syn1neg


@pytest.mark.parametrize(
    "options",
    [*FOUR, *(dataclasses.replace(SMALL, **{name: value}) for name, value in IN_ONE_CALL.items())],
    ids=[*NAMES, *IN_ONE_CALL],
)
def test_epoch_by_epoch_is_what_gensim_does_in_one_call(options, text):
    start = train(options, text, epochs=0)
    inputs, outputs = train_in_gensim(options, text, start)
    state = train(options, text)
    # The learning rates of the two differ in their last bit.
    assert np.allclose(state.input_vectors, inputs, atol=1e-5)
    assert np.allclose(state.output_vectors, outputs, atol=1e-5)
    assert np.abs(inputs - start.input_vectors).max() > 1e-2


@pytest.mark.parametrize("name", CHANGES)
def test_every_option_changes_the_vectors(name, text):
    base = dataclasses.replace(SMALL, objective="negative-sampling")
    one, other = train(base, text), train(dataclasses.replace(base, **{name: CHANGES[name]}), text)
    same_shape = one.input_vectors.shape == other.input_vectors.shape
    assert not (same_shape and np.allclose(one.input_vectors, other.input_vectors))


def test_the_table_of_changes_is_complete():
    assert set(CHANGES) | {"threads", "subwords"} == {field.name for field in dataclasses.fields(Options)}


def test_the_seed_decides_everything(text):
    first, again, other = (train(SMALL, text, seed) for seed in (1, 1, 2))
    assert (first.input_vectors == again.input_vectors).all()
    assert first.generators == again.generators
    assert not np.allclose(first.input_vectors, other.input_vectors)


@pytest.mark.parametrize("options", FOUR, ids=NAMES)
def test_training_leaves_the_old_state_as_it_was(options, text):
    engine = GensimEngine()
    start = engine.start(engine.build(text, options), options, seed=3)
    before = {name: tensor.copy() for name, tensor in start.tensors().items()}, json.dumps(start.progress())
    one = engine.train_epoch(start, text)
    after_one = one.input_vectors.copy()
    other = engine.train_epoch(start, text)
    assert all((start.tensors()[name] == tensor).all() for name, tensor in before[0].items())
    assert json.dumps(start.progress()) == before[1]
    assert (one.input_vectors == other.input_vectors).all()
    engine.train_epoch(one, text)
    assert (one.input_vectors == after_one).all()
    assert one.epoch == 1


CHILD = """
import json, sys
from safetensors.numpy import load_file, save_file
from test_gensim_engine import FOUR, GensimEngine, State, made_up_text
number, folder, epochs = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
text, options, engine = made_up_text(), FOUR[number], GensimEngine()
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


@pytest.mark.parametrize("number", [0, pytest.param(3, marks=pytest.mark.slow)])
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
    assert json.loads((tmp_path / "state.json").read_text())["generators"] == whole.generators


def test_a_very_long_sentence_is_trained_on_to_its_end():
    words = [f"w{number}" for number in range(50)]
    text = [words * 300, ["only", "at", "the", "end"] * 3]
    long = [[*text[0], *text[1]]]
    options = dataclasses.replace(SMALL, min_count=1, subsample=0, batch_words=10_000, epochs=1)
    engine = GensimEngine()
    start = engine.start(engine.build(long, options), options, seed=1)
    moved = np.abs(engine.train_epoch(start, long).input_vectors - start.input_vectors).max(axis=1)
    assert moved[start.vocabulary.index["end"]] > 0


def test_an_error_in_the_corpus_is_raised(text):
    def broken():
        yield from text[:100]
        raise OSError("disk gone")

    engine = GensimEngine()
    state = engine.start(engine.build(text, SMALL), SMALL, seed=1)
    with pytest.raises(OSError, match="disk gone"):
        engine.train_epoch(state, broken())


def test_tick_tells_the_share_done_and_may_stop(monkeypatch, caplog, text):
    monkeypatch.setattr("lab.models.word2vec.gensim_engine._TICK_WORDS", 500)
    engine, shares = GensimEngine(), []
    state = engine.start(engine.build(text, SMALL), SMALL, seed=1)
    engine.train_epoch(state, text, tick=shares.append)
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert len(shares) > 4
    assert 0.5 < shares[-1] < 1

    def stop(share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.train_epoch(state, text, tick=stop)
    assert not caplog.records  # nothing of gensim's about an epoch cut short


def test_two_threads_learn_too(text):
    options = dataclasses.replace(SMALL, threads=2, learning_rate=0.1, epochs=5)
    state = train(options, text)
    unit = state.input_vectors / np.linalg.norm(state.input_vectors, axis=1, keepdims=True)
    index = state.vocabulary.index
    assert state.is_finite()
    assert state.epoch == 5
    assert unit[index["t1w0"]] @ unit[index["t1w1"]] > unit[index["t1w0"]] @ unit[index["t2w1"]]
