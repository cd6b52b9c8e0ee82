from __future__ import annotations

import pytest

from lab.advise.asked import Request, look
from lab.advise.data_report import data_lines
from lab.advise.effort import Effort
from lab.advise.study_file import best_config, made_by, study_config, study_name, write_config
from lab.config import load
from lab.data.labelled.check import check_items
from lab.data.labelled.config import LabelledConfig
from lab.errors import ConfigError, UserError


def lines_of(request: Request) -> list[str]:
    asked = look(request)
    return data_lines(asked, check_items(asked.items, LabelledConfig.model_validate(asked.data())))


def test_sentences_get_a_text_encoder_and_folds_with_the_reason(sentences):
    asked = look(Request(str(sentences())))
    assert (asked.kind, asked.labelled, asked.folds) == ("text", 48, True)
    assert asked.settings["backbone"] == {"name": "minilm-l6"}
    assert asked.data(5, 2)["split"] == {"folds": 5, "repeats": 2}
    assert asked.why.startswith("folds, as 48 labels are few")


def test_small_pictures_get_a_small_input(photos):
    asked = look(Request(str(photos())))
    assert asked.kind == "image"
    assert asked.settings["backbone"] == {"name": "efficientnet-lite0", "image_size": 64}


def test_parts_that_the_data_give_are_kept(sentences):
    asked = look(Request(str(sentences(parts=True))))
    assert not asked.folds
    assert "split" not in asked.data()
    assert asked.why.startswith("the data say themselves who trains, who validates and who tests (data.split.predef")


def test_many_labels_need_no_folds(sentences):
    asked = look(Request(str(sentences(each=1000))))
    assert not asked.folds
    assert "2,000 labels are enough" in asked.why


def test_what_is_said_of_the_data(sentences):
    lines = lines_of(Request(str(sentences(unlabelled=3))))
    assert lines[0].startswith("Data: 51 texts of films.csv in 2 classes")
    assert "24 each" in lines[0]
    assert lines[1] == "  3 items without a label"
    assert lines[-1].startswith("  10 items are kept for one test after the choice; they show true differences from .")
    assert not any("no label" in line for line in lines), "said once"


def test_settings_of_the_command_line(sentences):
    overrides = ("backbone.max_length=32", "data.split.repeats=3", "train.batch_size=8", "controls=false")
    asked = look(Request(str(sentences()), overrides=overrides))
    assert asked.settings["backbone"]["max_length"] == 32
    assert asked.data(5, 2)["split"] == {"folds": 5, "repeats": 3}
    assert not asked.controls


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("strategy.frozen_depth=all", UserError, "advice finds that out itself"),
        ("sweep.seed=[0]", UserError, "advice finds that out itself"),
        ("data.labl=x", ConfigError, "^command line: unknown key data.labl; did you mean data.label"),
        ("data.split.stratify=site", ConfigError, r"^command line: unknown key .*; did you mean data\.split\.by\?"),
        ("backbone.image_size=2", ConfigError, "^command line: backbone.image_size is 2; .* at least 8"),
    ],
)
def test_settings_that_are_none(sentences, override, error, message):
    with pytest.raises(error, match=message):
        look(Request(str(sentences()), overrides=(override,)))


def test_a_source_that_is_not_there(home):
    with pytest.raises(UserError, match="nowhere"):
        look(Request("nowhere/"))


def test_the_study_loads_with_its_folds_its_rates_and_its_controls(sentences):
    request = Request(str(sentences()))
    asked = look(request)
    config = study_config(asked, Effort((7, 6, 0), 5, 2, 6, 3), 7, "advise-films")
    path = sentences().with_name("advise-films.yaml")
    write_config(path, config, request, ["a note"])
    plan = load(path)
    assert plan.name == "advise-films"
    asked_for = [cell for cell in plan.cells if not cell.control]
    depths = dict.fromkeys(cell.config.strategy.frozen_depth for cell in asked_for)
    assert list(depths) == ["all", "all-1", "none"]
    assert [cell.replicate["data.split.fold"] for cell in asked_for[:10]] == list(range(10))
    assert asked_for[0].choices == {"train.penalty": [0.01, 0.1, 1.0, 10.0, 100.0]}
    assert asked_for[10].choices == {"train.learning_rate": [1e-4, 3e-4, 1e-3]}
    assert {cell.control for cell in plan.cells} > {"", "majority class"}
    assert made_by(path, request)
    assert not made_by(path, Request(str(sentences()), minutes=3))
    assert not made_by(path.with_name("other.yaml"), request)


def test_folds_of_the_command_line_are_kept(sentences):
    asked = look(Request(str(sentences()), overrides=("data.split.folds=3", "controls=false")))
    plan = load(study_config(asked, Effort((7, 6), 5, 2, 6, 2), 7, "x"))
    assert [cell.replicate["data.split.fold"] for cell in plan.cells[:7]] == [0, 1, 2, 3, 4, 5, 0]
    assert all(not cell.control for cell in plan.cells)


def test_a_file_of_the_user_is_not_overwritten(sentences):
    path = sentences().with_name("mine.yaml")
    path.write_text("experiment: finetune\n")
    with pytest.raises(UserError, match="was not written by lab advise"):
        made_by(path, Request(str(sentences())))


def test_the_best_is_trained_on_everything(sentences):
    asked = look(Request(str(sentences())))
    study = study_config(asked, Effort((7, 6), 5, 1, 6, 2), 7, "x")
    values = load({**study, "controls": False}).cells[-1].values
    best = load(best_config(values, 48)).cells[0].config
    assert best.data.split.train == 48
    assert best.data.split.folds is None
    assert best.train.save_weights
    assert best.strategy.frozen_depth == "all-1"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("../a/photos/", "advise-photos"),
        ("films v2.csv", "advise-films-v2"),
        ("hf:owner/set", "advise-set"),
        ("/", "advise-data"),
    ],
)
def test_names_of_studies(source, name):
    assert study_name(source) == name


def test_a_handful_of_labels_is_too_few(sentences):
    with pytest.raises(
        UserError, match=r"films.csv: 8 labels; advice needs at least 10 to train, choose and test with"
    ):
        look(Request(str(sentences(each=4))))
