from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import lab
from experiments.word2vec import Word2VecConfig, engine_options, plan, recipe
from lab.errors import UserError
from lab.models.word2vec.engine import Options
from lab.runs import interrupt
from lab.terminal_words import print_neighbors

ANIMALS, FOODS = ["cat", "dog", "horse", "cow", "sheep"], ["bread", "rice", "cheese", "soup", "cake"]
FOUR = [
    {"architecture": architecture, "objective": objective}
    for architecture in ("cbow", "skipgram")
    for objective in ("negative-sampling", "hierarchical-softmax")
]
NAMES = [f"{model['architecture']}, {model['objective']}" for model in FOUR]


@pytest.fixture(autouse=True)
def _no_cache_of_others(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A text in which animals keep to animals and foods to foods, and tests of it."""
    folder = tmp_path_factory.mktemp("text")
    generator = np.random.default_rng(0)
    lines = []
    for _ in range(600):
        words = generator.choice(ANIMALS if generator.random() < 0.5 else FOODS, 9)
        lines.append(" ".join(["The", *words, "New York" if generator.random() < 0.2 else "once"]))
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    near = [(a, b, 9) for group in (ANIMALS, FOODS) for a, b in pairwise(group)]
    far = [(a, b, 1) for a, b in zip(ANIMALS, FOODS, strict=True)]
    pairs = [*near, *far, ("cat", "spaceship", 1)]
    (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs))
    (folder / "questions.txt").write_text(": all kinds\ncat dog bread rice\ncat dog ufo rice\n")
    return folder


def config_of(files: Path, **changes: Any) -> dict[str, Any]:
    base = {
        "experiment": "word2vec",
        "data": {"source": str(files / "text.txt"), "held_out": {"fraction": 0.1}},
        "vocabulary": {"min_count": 3},
        "model": {"vector_size": 8, "window": 3, "subsample": 0},
        "train": {"epochs": 4, "learning_rate": 0.1, "batch_words": 500},
        "evaluate": {"similarity": [str(files / "pairs.tsv")], "analogies": [str(files / "questions.txt")]},
    }
    return {
        key: {**base[key], **changes.get(key, {})} if isinstance(base[key], dict) else base[key] for key in base
    } | {key: value for key, value in changes.items() if key not in base}


def test_defaults_are_those_of_the_engine():
    assert engine_options(Word2VecConfig()) == Options()


def test_every_option_of_the_engine_is_a_key():
    changed = {
        "vocabulary": {"min_count": 2, "max_vocab": 9},
        "model": {
            "architecture": "skipgram",
            "objective": "hierarchical-softmax",
            "vector_size": 3,
            "window": 4,
            "shrink_windows": False,
            "negative": 6,
            "ns_exponent": 0.5,
            "cbow_mean": False,
            "subsample": 0.1,
        },
        "train": {
            "epochs": 7,
            "learning_rate": 0.2,
            "min_learning_rate": 0.1,
            "schedule": "cosine",
            "threads": 2,
            "batch_words": 8,
        },
    }
    options = engine_options(Word2VecConfig.model_validate(changed))
    values = {name: value for section in changed.values() for name, value in section.items()}
    assert vars(options) == values | {"subwords": None}  # not with hierarchical softmax
    assert all(value != getattr(Options(), name) for name, value in values.items())
    assert engine_options(Word2VecConfig.model_validate({"model": {"subwords": [3, 6]}})).subwords == (3, 6)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"train": {"learning_rate": 0.01, "min_learning_rate": 0.02}}, "min_learning_rate is above learning_rate"),
        ({"train": {"batch_words": 10_001}}, "less than or equal to 10000"),
        ({"model": {"vector_size": 0}}, "greater than or equal to 1"),
        ({"model": {"architecture": "glove"}}, "'cbow' or 'skipgram'"),
        ({"vocabulary": {"min_cuont": 3}}, "Extra inputs"),
        ({"model": {"subwords": [4, 3]}}, "the shortest n-grams come first"),
        ({"model": {"subwords": [3, 6]}, "train": {"engine": "gensim"}}, "only with train.engine=lab"),
        ({"model": {"subwords": [3, 6], "objective": "hierarchical-softmax"}}, "model.objective=negative-sampling"),
        ({"model": {"subwords": [3, 6]}, "train": {"start_from": "run:last"}}, "leave out one of the two"),
    ],
)
def test_impossible_configs_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        Word2VecConfig.model_validate(keys)


def test_plan_covers_text_and_tests(files, tmp_path):
    facts = plan(Word2VecConfig.model_validate(config_of(files)))
    assert facts.counts == {"lines": 600}
    other = tmp_path / "pairs.tsv"
    other.write_text((files / "pairs.tsv").read_text().replace("9", "8"))
    changed = config_of(files, evaluate={"similarity": [str(other)]})
    assert plan(Word2VecConfig.model_validate(changed)).fingerprint != facts.fingerprint
    for wrong in ({"similarity": ["wordsim35"]}, {"analogies": [str(tmp_path / "none.txt")]}):
        with pytest.raises(UserError, match=r"wordsim353|none\.txt"):
            plan(Word2VecConfig.model_validate(config_of(files, evaluate=wrong)))
    twice = {"similarity": [str(files / "pairs.tsv"), str(other)]}
    with pytest.raises(UserError, match="two word tests are called 'pairs'"):
        plan(Word2VecConfig.model_validate(config_of(files, evaluate=twice)))


ENGINES = pytest.mark.parametrize("engine", ["gensim", "lab"])


@ENGINES
@pytest.mark.parametrize("model", FOUR, ids=NAMES)
def test_a_run_leaves_all_that_it_should(model, engine, files, home):
    base = config_of(files)
    base["train"] |= {"engine": engine}
    run = lab.run(base | {"model": base["model"] | model}, quiet=True)
    assert run.status == "finished"
    space = run.space()
    assert run.default_embedding == "words"
    assert space.dim == 8
    assert list(space.metadata.columns) == ["count", "rank"]
    assert space.ids[0] == "the"
    assert space.metadata["rank"].tolist() == list(range(1, len(space) + 1))
    counts = run.info["data"]["counts"]
    assert space.metadata["count"].sum() == counts["tokens_in_vocabulary"] == counts["tokens"]
    assert counts["lines"] == 600 == counts["sentences"] + counts["held_out_sentences"]
    assert counts["vocabulary"] == counts["types"] == len(space) == 14

    primary = run.results[run.results["primary"]].set_index("split")
    assert primary["evaluation"].to_dict() == {"validation": "held-out text", "test": "pairs"}
    assert primary["metric"].to_dict() == {"validation": "loss", "test": "spearman_skipped"}
    assert not primary.loc["validation", "higher_is_better"]
    assert primary.loc["test", "value"] > 0.3  # it has learned which words keep company
    losses = run.metrics["loss"].tolist()
    assert run.metrics["step"].tolist() == [0, 1, 2, 3, 4]
    assert losses[-1] == primary.loc["validation", "value"] < losses[0]
    scores = run.scores("held-out text", "loss")
    assert scores["value"].mean() == pytest.approx(losses[-1], rel=1e-12)
    assert len(scores) == primary.loc["validation", "n"] == counts["held_out_sentences"]
    assert set(run.scores("questions")["metric"]) == {
        f"accuracy{method}{ending}" for method in ("", "_3cosmul") for ending in ("", "_skipped")
    }
    assert len(run.scores("pairs", "spearman")) == 14
    assert len(run.scores("pairs", "spearman_skipped")) == 13

    (figure,) = run.figures
    assert figure.data["loss"] == pytest.approx(losses)
    assert f"{losses[-1]:.3f} after 4 epochs" in figure.caption
    assert figure._repr_png_().startswith(b"\x89PNG")
    tensors = run.tensors("word2vec")
    assert (tensors["input_vectors"] == space.vectors).all()
    assert tensors["output_vectors"].shape == space.vectors.shape
    assert run.tensor_metadata("word2vec")["epoch"] == 4
    assert not run.warnings


@ENGINES
@pytest.mark.parametrize("number", [0, 3])
def test_interrupted_twice_equals_uninterrupted(number, engine, files, home, monkeypatch):
    config = config_of(files)
    config["train"] |= {"engine": engine}
    config["model"] |= FOUR[number]
    whole = lab.run(config, quiet=True)
    monkeypatch.setenv("LAB_HOME", str(home / "other"))

    def stop_after(epoch: int):
        def watch(event: dict[str, Any]) -> None:
            if event["event"] == "progress" and event["epoch"] == epoch:
                interrupt.ask()

        return watch

    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            lab.run(config, quiet=True, on_event=stop_after(epoch))
    run = lab.run(config, quiet=True)
    assert [step["step"] for step in run.info["resumed"]] == [1, 3]
    assert (run.space().vectors == whole.space().vectors).all()
    assert (run.tensors("word2vec")["output_vectors"] == whole.tensors("word2vec")["output_vectors"]).all()
    assert run.tensor_metadata("word2vec") == whole.tensor_metadata("word2vec")
    assert run.results.drop(columns="protocol").equals(whole.results.drop(columns="protocol"))
    assert run.metrics["loss"].tolist() == whole.metrics["loss"].tolist()


def test_ctrl_c_is_heard_within_an_epoch(files, home, monkeypatch):
    monkeypatch.setattr("lab.models.word2vec.gensim_engine._TICK_WORDS", 1000)
    asked = []

    def check(writer: Any) -> None:
        asked.append(1)
        if len(asked) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("lab.runs.writer.RunWriter.check_interrupt", check)
    with pytest.raises(KeyboardInterrupt):
        lab.run(config_of(files), quiet=True)
    assert len(asked) == 4


def test_the_seed_changes_vectors_but_not_what_is_held_out(files, home):
    runs = [lab.run(config_of(files, seed=seed), quiet=True) for seed in (0, 1)]
    assert not np.allclose(runs[0].space().vectors, runs[1].space().vectors)
    assert runs[0].space().ids.tolist() == runs[1].space().ids.tolist()
    fingerprints = [run.results.set_index("metric").loc["loss", "test_fingerprint"] for run in runs]
    assert fingerprints[0] == fingerprints[1]
    ids = [run.scores("held-out text")["id"].tolist() for run in runs]
    assert ids[0] == ids[1]


def test_without_held_out_text_there_is_no_loss(files, home):
    run = lab.run(config_of(files, data={"source": str(files / "text.txt"), "held_out": {"fraction": 0}}), quiet=True)
    assert "validation" not in set(run.results["split"])
    assert list(run.metrics.columns) == ["step", "learning_rate", "time"]
    assert run.figures == []
    assert "no text is held out (data.held_out.fraction): there is no loss" in run.log
    assert run.info["data"]["counts"]["tokens"] > 0


def test_text_too_short_to_hold_out_any_is_warned_of(files, home):
    (home / "one.txt").write_text("the cat sat on the mat and the dog sat on the cat " * 9)
    run = lab.run(config_of(files, data={"source": "one.txt"}), quiet=True)
    assert "no sentence fell to the held-out share: there is no loss" in run.warnings[0]


ENCODE = """
import json, sys
import lab
run = lab.load_run(sys.argv[1])
encoded = run.encoder().encode(json.loads(sys.argv[2]))
json.dump(encoded.tolist(), sys.stdout)
"""


def test_another_process_embeds_words_as_the_run_did(files, home):
    phrases = {"scoring": "npmi", "threshold": 0.9}
    run = lab.run(config_of(files, tokenizer={"phrases": phrases}), quiet=True)
    space = run.space()
    assert "new_york" in space
    items = [*space.ids.tolist(), "A CAT!", "New York", "cat and bread", "nothing known"]
    done = subprocess.run(
        [sys.executable, "-c", ENCODE, str(run.path), json.dumps(items)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    encoded = np.array(json.loads(done.stdout), dtype=np.float32)
    assert (encoded[: len(space)] == space.vectors).all()
    assert (encoded[-4] == space["cat"]).all()
    assert (encoded[-3] == space["new_york"]).all()
    assert np.allclose(encoded[-2], (space["cat"] + space["bread"]) / 2, rtol=1e-6)
    assert np.isnan(encoded[-1]).all()


def test_with_subwords_words_never_seen_have_a_vector(files, home, capsys):
    run = lab.run(config_of(files, model={"subwords": [2, 4]}), quiet=True)
    space, encoder = run.space(), run.encoder()
    unseen, seen, strange = encoder.encode(["breads", "bread", "qqq"])
    assert "breads" not in space
    assert (seen == space["bread"]).all()
    assert np.isnan(strange).all()
    assert space.neighbors(unseen[None], k=1).ids[0, 0] == "bread"
    losses = run.metrics["loss"].dropna()
    assert losses.iloc[-1] < losses.iloc[0]
    print_neighbors(run.id, ["breads"], 1, None)
    told = capsys.readouterr().out
    assert "not in the text: put together of n-grams" in told
    assert "bread " in told
    for query, message in (("qqq", "none of its n-grams is known"), ("bread - breads", "a sum is of words that are")):
        with pytest.raises(UserError, match=message):
            print_neighbors(run.id, [query], 1, None)
    few, many = (
        recipe.estimate(Word2VecConfig.model_validate(config_of(files, model=model))).bytes
        for model in ({}, {"subwords": [2, 4]})
    )
    assert many > few


def test_the_estimate_grows_with_the_work(files):
    config = config_of(files)
    little = recipe.estimate(Word2VecConfig.model_validate(config))
    more = recipe.estimate(Word2VecConfig.model_validate(config | {"train": {"epochs": 400}}))
    assert more.seconds > little.seconds + 1
    assert little.bytes == more.bytes > 1000


def test_the_text_is_tokenised_once_for_all_cells(files, home, monkeypatch):
    from lab.data import corpus

    written = []
    write = corpus._write
    monkeypatch.setattr(corpus, "_write", lambda *args: (written.append(1), write(*args))[1])
    monkeypatch.setenv("LAB_CACHE", str(home / "cache"))
    study = config_of(files) | {"sweep": {"model.architecture": ["cbow", "skipgram"], "seed": [0, 1]}}
    record = lab.run(study, quiet=True)
    assert len(record.cells) == 4
    assert len(written) == 1


def test_training_goes_on_from_another_run_or_file(files, home):
    config = config_of(files, train={"engine": "lab"})
    old = lab.run(config, quiet=True)
    more = files / "more.txt"
    more.write_text((files / "text.txt").read_text() + "zebra cat zebra dog\n" * 5)
    old.space().save(home / "vectors.parquet")
    for source, loss in (("run:last", True), (str(home / "vectors.parquet"), False)):
        new = lab.run(
            config_of(files, data={"source": str(more)}, train={"engine": "lab", "start_from": source}), quiet=True
        )
        assert "14 of 15 words begin with the vectors of" in new.log
        # The output vectors of a run come along, so the loss goes on where it was.
        assert (abs(new.metrics["loss"][0] - old.metrics["loss"].iloc[-1]) < 0.05) == loss
        assert "zebra" in new.space()


@pytest.mark.parametrize(
    ("source", "message"), [("nowhere.txt", "is no file; expected one of vectors, or run:REF"), ("run:none", "no run")]
)
def test_what_cannot_be_started_from_is_refused(source, message, files, home):
    with pytest.raises(UserError, match=message):
        lab.run(config_of(files, train={"start_from": source}), quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "expected", "tolerance"), [("cbow", 0.247, 0.02), ("skipgram", 0.511, 0.03)])
@ENGINES
def test_reference_on_head500(engine, architecture, expected, tolerance, home):
    changes = [f"model.architecture={architecture}", f"train.engine={engine}"]
    study = lab.run("word2vec/reference-head500", changes, quiet=True)
    runs = [run for row in study.rows() for run in row.runs]
    assert len(runs) == 3
    for run in runs:
        assert run.info["data"]["counts"]["tokens"] == 331_339
        assert len(run.space()) == 11_766
    results = [run.results.set_index(["evaluation", "metric"]).loc[("wordsim353", "spearman_skipped")] for run in runs]
    assert [result["n"] for result in results] == [113] * 3
    assert np.mean([result["value"] for result in results]) == pytest.approx(expected, abs=tolerance)
