"""`lab advise` and `lab predict` as they are typed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lab.advise.effort
import lab.advise.timing
from lab.advise.effort import Cost, Effort
from lab.cli import main
from lab.embeddings.space import EmbeddingSpace


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


def said(capsys, *words: str) -> str:
    """What one command prints, that ends well."""
    code = run(*words)
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return shown.out


def mistake(capsys, *words: str) -> str:
    """The one line of a command that ends with a user's mistake."""
    code = run(*words)
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2, lines
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def quick(monkeypatch):
    """One small plan whatever the machine, so that a test takes seconds."""
    monkeypatch.setattr(lab.advise.timing, "time_depths", lambda *_: dict.fromkeys(range(10), Cost(0.01, 0.01, 0.01)))
    effort = Effort((7, 6), 2, 1, 1, 1, left_out=(0,))
    monkeypatch.setattr(lab.advise.effort, "fit_budget", lambda *_, **__: (effort, 30.0))


@pytest.mark.slow
def test_from_a_csv_to_an_answer_to_labels(sentences, quick, capsys, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(Path.cwd() / "cache"))
    source = str(sentences(unlabelled=4))
    words = ("advise", source, "--text", "sentence", "--minutes", "2", "backbone.max_length=16", "controls=false")
    out = said(capsys, *words)
    assert re.search(r"^Data: 52 texts of films.csv in 2 classes", out, re.M)
    assert "Plan: 2 depths of minilm-l6 × 2 folds" in out
    assert "left out for lack of time: training all 7 blocks; a larger --minutes has room" in out
    assert re.search(r"^(Recommended|Not settled. Best so far): trains the ", out, re.M)
    assert "test items, which were not used for the choice: accuracy" in out
    again = said(capsys, *words)
    assert "Plan: advise-films.yaml, as it stands" in again
    assert "all of 8 runs are finished already" in again
    assert out[out.index("\n→") :] == again[again.index("\n→") :], "the same runs give the same answer"
    read = said(capsys, "advise", "advise-films")
    assert read.strip().splitlines()[-5:] == again.strip().splitlines()[-5:]

    train, predict = re.findall(r"^  \S.*(run|predict) (.*)$", out, re.M)[:2]
    assert train == ("run", "advise-films-best.yaml")
    shown = said(capsys, "run", train[1])
    assert "nothing was held out" in shown
    run_id = predict[1].split()[0]
    assert f"predict {run_id} NEW_DATA -o out.csv" in shown
    Path("new.txt").write_text("take 3 was dull and grey from the start\nlovely and bright, no 14\n")
    shown = said(capsys, "predict", run_id, "new.txt", "-o", "out.csv")
    assert shown.startswith("out.csv: 2 items: ")
    frame = pd.read_csv("out.csv")
    assert frame.columns.tolist() == ["id", "label", "probability", "unlike_training", "distance"]
    assert frame["id"].tolist() == ["new.txt:1", "new.txt:2"]
    assert frame["label"].tolist() == ["bad", "good"]
    assert frame["probability"].between(0.5, 1).all()

    promise = said(capsys, "advise", source, "--without-training", "backbone.max_length=16")
    assert "Easiest to tell apart after block" in promise
    assert promise.count("encoder.layer.") >= 6
    ranked = said(capsys, "advise", "advise-films", "--without-training")
    assert "Fewer than three rows of the study freeze a block" in ranked


@pytest.mark.slow
def test_pictures_and_the_classifier_they_were_pretrained_with(photos, capsys, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(Path.cwd() / "cache"))
    out = said(capsys, "advise", str(photos()), "--without-training", "--scores", "leep,nce")
    assert re.search(r"^LEEP of the pretrained classifier: -0\.\d+$", out, re.M)
    assert re.search(r"^NCE of the pretrained classifier: -?0\.\d+$", out, re.M)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere/"], "nowhere"),
        (["films.csv", "--minutes", "0"], "--minutes 0: expected a number above 0"),
        (["films.csv", "--text", "sentense"], "did you mean 'sentence'"),
        (["films.csv", "--label", "lable"], "did you mean 'label'"),
        (["films.csv", "--scores", "leep"], "--scores goes with --without-training"),
        (["films.csv", "--without-training", "--scores", "leap"], "--scores leap: expected leep or nce"),
        (["films.csv", "strategy.kind=lora"], "advice finds that out itself"),
        (["films.csv", "data.lable=x"], "did you mean data.label"),
        (["films.csv", "--minutes", "soon"], "--minutes"),
    ],
)
def test_mistakes_are_one_line(sentences, capsys, words, line):
    sentences()
    assert line in mistake(capsys, "advise", *words)


def test_a_study_has_its_own_data(workshop, capsys):
    workshop.study("words", {"a": [workshop.run()]})
    assert "words is a study, which has its own data; --text" in mistake(capsys, "advise", "words", "--text", "x")
    assert "no run has validation scores" in mistake(capsys, "advise", "words")
    assert "no finished run has a backbone" in mistake(capsys, "advise", "words", "--without-training")


# --- predict


class Constant:
    """Says the same of every item."""

    classes = ("bad", "good")

    def predict(self, items):
        return np.tile(np.array([[0.25, 0.75]], np.float32), (len(items.ids), 1))

    def features(self, items):
        return np.array([[1.0, 0.0], [0.0, 1.0], *[[1.0, 0.0]] * 9][: len(items.ids)], np.float32)


@pytest.fixture
def trained(workshop, monkeypatch):
    """A run whose training items all lie in one place; a recipe that reads a classifier back from it."""
    from lab.config import experiments

    near = np.random.default_rng(0).normal([5, 0], 0.1, size=(40, 2)).astype(np.float32)
    metadata = pd.DataFrame({"split": ["train"] * 30 + ["test"] * 10})
    space = EmbeddingSpace([f"i{number}" for number in range(40)], near, metadata, name="items")
    run = workshop.run("finetune", config={"data": {"source": "films.csv", "text": "sentence"}}, level=None)
    from lab.runs.artifacts import Artifacts

    Artifacts(run.path).embeddings(space, "items")
    found = experiments.load_recipe
    recipe = replace(found("finetune"), load_classifier=lambda run: Constant())
    monkeypatch.setattr(experiments, "load_recipe", lambda name: recipe if name == "finetune" else found(name))
    return run


def test_labels_probabilities_and_what_is_unlike(trained, capsys):
    Path("new.txt").write_text("one\ntwo\nthree\n")
    out = said(capsys, "predict", trained.id, "new.txt", "-o", "out.csv")
    assert out.splitlines()[0] == "out.csv: 3 items: good 3"
    assert "1 unlike the training data: their labels are guesses" in out
    frame = pd.read_csv("out.csv")
    assert frame["unlike_training"].tolist() == ["no", "yes", "no"]
    assert frame["probability"].tolist() == [0.75] * 3
    assert not list(Path().glob(".*tmp*")), "whole or not at all"


def test_what_predict_refuses(trained, workshop, capsys):
    Path("new.txt").write_text("one\n")
    assert "name the file out.csv" in mistake(capsys, "predict", trained.id, "new.txt", "-o", "out.xlsx")
    assert "none.txt" in mistake(capsys, "predict", trained.id, "none.txt", "-o", "out.csv")
    assert "no run 'ffff'" in mistake(capsys, "predict", "ffff", "new.txt", "-o", "out.csv")
    other = workshop.run()
    assert "word2vec is no classifier" in mistake(capsys, "predict", other.id, "new.txt", "-o", "out.csv")
    failed = workshop.run("finetune", status="failed", level=None)
    assert "is failed; it can classify new items once it is finished" in mistake(
        capsys, "predict", failed.id, "new.txt", "-o", "out.csv"
    )
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("command", ["predict", "export", "embed", "report"])
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(trained, capsys, command):
    Path("file").touch()
    ending = ".parquet" if command == "embed" else ".csv"
    Path(f"folder{ending}").mkdir()
    words = {
        "predict": [trained.id, "new.txt"],
        "export": [trained.id, "--to", "glove"],
        "embed": [trained.id, "x.txt"],
    }
    words["report"] = [trained.id]
    assert "is a folder" in mistake(capsys, command, *words[command], "-o", f"folder{ending}")
    assert "cannot make its folder" in mistake(capsys, command, *words[command], "-o", f"file/out{ending}")


def test_advice_about_the_last_study(workshop, capsys):
    workshop.study("words", {"a": [workshop.run()]})
    assert "no run has validation scores" in mistake(capsys, "advise", "last")
