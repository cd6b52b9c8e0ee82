"""The data check, and new items for prediction."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pictures_made import picture

from lab.data.labelled.check import FOLDS, check_items, check_source, config_of, shown_source, smallest_difference
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.new_items import items_of, load_new_items
from lab.data.show import is_source
from lab.errors import UserError


def test_the_check_lists_everything_and_is_plain_data(photos):
    whole = (photos / "cat" / "01.png").read_bytes()
    (photos / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "dog" / "twin.png").write_bytes(whole)
    picture(70).convert("CMYK").save(photos / "dog" / "print.jpg")
    check = check_source(LabelledConfig(source=str(photos), duplicates="accept"))
    told = json.loads(json.dumps(check.to_dict()))
    assert told["classes"] == {"cat": 10, "dog": 12}
    assert told["broken"] == [{"id": "cat/cut.png", "problem": "truncated"}]
    assert told["odd"] == [{"id": "dog/print.jpg", "problem": "CMYK"}]
    assert told["duplicates"] == [["cat/01.png", "dog/twin.png"]]
    assert told["parts"] == {"train": 14, "validation": 4, "test": 4}
    assert told["advice"].endswith(FOLDS)


def test_a_source_that_cannot_be_split_is_still_shown(texts, config):
    check = check_items(texts(["a", "b"] * 20), config(train=500))
    assert check.problem.startswith("data.split: train 500")
    assert check.smallest_difference is None


def test_the_smallest_difference_has_the_power_it_claims():
    n = 400
    difference = smallest_difference(n)
    rng = np.random.default_rng(0)
    share = 0.10
    moves = rng.choice([1, -1, 0], (4000, n), p=[(share + difference) / 2, (share - difference) / 2, 1 - share])
    mean, error = moves.mean(axis=1), moves.std(axis=1, ddof=1) / np.sqrt(n)
    assert 0.75 < (np.abs(mean / error) > 1.96).mean() < 0.85
    assert smallest_difference(0) is None


def test_a_source_is_shown_as_text(photos):
    text = shown_source(str(photos))
    assert "20 images" in text
    assert "cat" in text
    assert "split: 12 train, 4 validation, 4 test" in text
    assert "split: 10 train" in shown_source(str(photos), ["data.split.train=0.5", "split.validation=0.3"])
    assert is_source(str(photos))
    with pytest.raises(UserError, match=r"unknown key data\.labl; did you mean data\.label\?"):
        config_of(str(photos), ["data.labl=x"])


def test_new_pictures_need_no_class_folders(tmp_path):
    (tmp_path / "new" / "deep").mkdir(parents=True)
    picture(1).save(tmp_path / "new" / "a.png")
    picture(2).save(tmp_path / "new" / "deep" / "b.png")
    (tmp_path / "new" / "bad.png").write_bytes(b"no")
    items = load_new_items(str(tmp_path / "new"), {"kind": "image"})
    assert items.ids == ["a.png", "deep/b.png"]
    assert items.labels.tolist() == [-1, -1]
    assert [broken.id for broken in items.broken] == ["bad.png"]
    assert load_new_items(str(tmp_path / "new" / "a.png"), {}).ids == ["a.png"]


def test_new_texts_from_lines_and_tables(tmp_path):
    (tmp_path / "new.txt").write_text("first one\n\nsecond one\n")
    items = load_new_items(str(tmp_path / "new.txt"), {"kind": "text", "label": "kind"})
    assert items.texts == ["first one", "second one"]
    assert items.ids == ["new.txt:1", "new.txt:3"]
    (tmp_path / "new.csv").write_text("id,body\nx,hello there\ny,you all\n")
    items = load_new_items(str(tmp_path / "new.csv"), {"kind": "text", "text": "body", "label": "kind"})
    assert (items.ids, items.texts) == (["x", "y"], ["hello there", "you all"])
    (tmp_path / "known.csv").write_text("body,kind\nhello there,b\nyou all,\n")
    items = load_new_items(str(tmp_path / "known.csv"), {"kind": "text", "text": "body", "label": "kind"})
    assert items.table.label.tolist() == ["b", ""]


def test_new_items_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        load_new_items(str(tmp_path / "nothing"), {})
    (tmp_path / "empty.csv").write_text("text\n\n")
    with pytest.raises(UserError, match="nothing in it that can be used"):
        load_new_items(str(tmp_path / "empty.csv"), {})


def test_texts_and_paths_as_items(tmp_path):
    assert items_of(["a", "b"], "text").texts == ["a", "b"]
    picture(1).save(tmp_path / "a.png")
    assert items_of([str(tmp_path / "a.png")], "image").images.decode(np.array([0]), 8).shape == (1, 3, 8, 8)
    with pytest.raises(UserError, match=r"1 pictures cannot be read: .*b\.png"):
        items_of([str(tmp_path / "a.png"), str(tmp_path / "b.png")], "image")


def test_the_folds_that_the_check_names_are_a_study_of_ten():
    import shlex

    from lab.config import load

    plan = load("baseline/pixels", [*shlex.split(FOLDS), "controls=false"])
    assert [cell.config.data.split.fold for cell in plan.cells] == list(range(10))
    assert {(cell.config.data.split.folds, cell.config.data.split.repeats) for cell in plan.cells} == {(5, 2)}
