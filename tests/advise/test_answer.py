"""Answers from studies as the launcher leaves them, without training anything."""

from __future__ import annotations

import numpy as np
import pytest

from lab.advise.answer import advice_of, out_of_fold
from lab.advise.answer_text import sentences
from lab.errors import UserError
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run
from lab.runs.study import CellRecord, StudyRecord

ITEMS = 400


def made(
    workshop, key: str, level: float, seconds: float, *, seed=0, fold=None, test_level=None, experiment="finetune"
):
    """A run that is right on about `level` of its validation items; all rows find the same items hard."""
    split = {"split": {"fold": fold}} if fold is not None else {}
    run = workshop.run(
        experiment, seed, {"strategy": {"frozen_depth": key}, "data": {"source": "s", **split}}, level=None
    )
    hard = np.random.default_rng(1).random(ITEMS)
    own = np.random.default_rng([seed, fold or 0, *map(ord, key)])
    items = np.arange(ITEMS) if fold is None else np.arange(fold, ITEMS, 5)
    artifacts = Artifacts(run.path)
    for part in ("validation", "test"):
        place = items if part == "validation" else np.arange(ITEMS)
        right = (hard[place] + 0.002 * own.standard_normal(len(place)) < level).astype(float)
        ids = [f"{part}-{i}" for i in place]
        columns = {"label": ["a"] * len(place), "predicted": ["a"] * len(place)}
        artifacts.scores("classification", "accuracy", ids, right, split=part, **columns)
        name = f"{part}-{fold if part == 'validation' else 0}"
        about = {"split": part, "n": len(place), "primary": True, "test_fingerprint": name}
        artifacts.result("classification", "accuracy", right.mean(), **about)
    artifacts.split("train", [f"t{i}" for i in range(4 * len(items))])
    artifacts.split("validation", [f"v{i}" for i in items])
    knn = 0.7 if key.startswith("trains") else 0.4
    probes = {"probes": [{"knn": 0.2}, {"knn": knn}]}
    artifacts.save_json(
        "finetune", probes | {"seconds": {"prefix": 1.0, "train": seconds, "evaluate": 7.0, "total": seconds + 8}}
    )
    write_json(run.path / "results.json", {"results": artifacts.results})
    return Run(run.path)


def study_of(workshop, rows: dict[str, tuple[float, float]], *, folds=True, controls=()) -> StudyRecord:
    cells = []
    for entry, (label, (level, seconds)) in enumerate(rows.items()):
        for number in range(5):
            which = {"fold": number} if folds else {"seed": number}
            run = made(workshop, label, level, seconds, **which)
            cell = CellRecord({"strategy.frozen_depth": label}, run.seed, "finetune", run.id, "finished", entry=entry)
            cell.label, cell.control = label, label in controls
            cell.replicate = {"data.split.fold": number} if folds else {"seed": number}
            cell.chosen = {} if cell.control else {"train.learning_rate": 0.003}
            cells.append(cell)
    study = StudyRecord("mine", workshop.folder / "studies" / "mine", {}, cells)
    study.save()
    return StudyRecord.load(study.path)


LEVEL = {"trains the head": (0.80, 1.0), "trains the last 2": (0.95, 10.0), "trains all": (0.951, 60.0)}


@pytest.mark.parametrize(("folds", "over"), [(True, "5 folds"), (False, "5 seeds")])
def test_the_cheapest_of_those_that_lose_nothing_that_matters(workshop, folds, over):
    advice = advice_of(study_of(workshop, LEVEL, folds=folds), margin=0.03)
    assert advice.recommendation.recommended == "trains the last 2"
    assert (advice.over, advice.folds, advice.metric) == (over, folds, "accuracy")
    assert [strategy.label for strategy in advice.strategies][-1] == "trains the head"
    assert advice.pick.seconds == 11.0
    assert advice.pick.low is not None
    assert advice.pick.high is not None
    assert 0 <= advice.pick.low < advice.pick.value < advice.pick.high <= 1


def test_the_answer_in_words(workshop):
    lines = sentences(advice_of(study_of(workshop, LEVEL), margin=0.03))
    assert lines[0].startswith("Recommended: trains the last 2, learning rate 0.003 (accuracy .9")
    assert lines[0].endswith("out of fold, 5 folds).")
    assert lines[1] == "The cheapest that is shown to lose less than .03 against every other (one-sided 95 %)."
    assert lines[2].startswith("Cheaper, but may lose .1")
    assert sum(line.startswith("→") for line in lines) == 1
    assert lines[-1].startswith("On 400 test items, which were not used for the choice: accuracy .9")


def test_test_scores_choose_nothing(workshop):
    """What is best on test items only is not recommended, and its test score is not shown."""
    rows = {**LEVEL, "lucky": (0.5, 0.1)}
    study = study_of(workshop, rows)
    for run in study.rows()[-1].runs:
        artifacts = Artifacts(run.path)
        artifacts.results = run.results[run.results["split"] != "test"].to_dict("records")
        artifacts.scores(
            "classification", "accuracy", [f"test-{i}" for i in range(ITEMS)], np.ones(ITEMS), split="test"
        )
        about = {"split": "test", "n": ITEMS, "primary": True, "test_fingerprint": "test-0"}
        artifacts.result("classification", "accuracy", 1.0, **about)
        write_json(run.path / "results.json", {"results": artifacts.results})
    advice = advice_of(StudyRecord.load(study.path), margin=0.03)
    assert advice.recommendation.recommended == "trains the last 2"
    assert advice.test is not None
    assert advice.test.value is not None
    assert advice.test.value < 0.99
    assert not any("1.00" in line for line in sentences(advice) if "test items" in line)


def test_what_is_not_settled_says_what_would(workshop):
    study = study_of(workshop, {"trains the head": (0.80, 1.0), "trains all": (0.805, 60.0)}, folds=False)
    advice = advice_of(study, margin=0.0001)
    assert not advice.recommendation.settled
    lines = sentences(advice)
    assert lines[0].startswith("Not settled. Best so far: ")
    assert lines[1] == "None is shown to lose less than .0001 against all others (one-sided 95 %)."
    assert "would probably settle it" in lines[2] or "it takes both" in lines[2]


def test_a_simple_method_that_does_as_well_is_said(workshop):
    rows = {
        "trains the head": (0.80, 1.0),
        "trains all": (0.95, 60.0),
        "TF-IDF": (0.955, 0.1),
        "majority class": (0.5, 0),
    }
    advice = advice_of(study_of(workshop, rows, controls=("TF-IDF", "majority class")), margin=0.03)
    assert advice.recommendation.recommended == "trains all"
    lines = sentences(advice)
    assert any(line.startswith("For comparison, on the same data: TF-IDF .9") for line in lines)
    assert "TF-IDF does as well: such data need no fine-tuned network." in lines


def test_two_seeds_name_no_winner(workshop):
    study = study_of(workshop, LEVEL, folds=False)
    study.cells = [cell for cell in study.cells if cell.seed < 2]
    study.save()
    advice = advice_of(StudyRecord.load(study.path), margin=0.03)
    assert not advice.recommendation.settled
    assert any("A winner is named from three seeds a strategy on" in line for line in sentences(advice))


def test_studies_that_compare_no_classifiers(workshop):
    run = workshop.run()
    with pytest.raises(UserError, match="study words: no run has validation scores; advice ranks classifiers"):
        advice_of(workshop.study("words", {"a": [run]}))


def test_what_was_right_out_of_fold(workshop):
    study = study_of(workshop, {"trains all": (0.9, 1.0)})
    right = out_of_fold(study.rows()[0].runs)
    assert len(right) == ITEMS
    assert 0.85 < np.mean(list(right.values())) < 0.95


def test_how_near_the_task_is_to_the_pretraining(workshop):
    rows = {"trains the head": (0.8, 1.0), "trains all": (1.0, 60.0), "untrained features": (0.5, 0.1)}
    advice = advice_of(study_of(workshop, rows, controls=("untrained features",)))
    assert advice.similarity == pytest.approx((0.7 - 0.4) / (1.0 - 0.4), abs=0.01)
    assert any(line.startswith("Similarity of the task to the pretraining: .5") for line in sentences(advice))
