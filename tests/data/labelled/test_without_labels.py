"""Items that need no labels: sources without them, their splits, and a class kept for the test part."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures_made import picture

from lab.classify import Task, describe_pictures, describe_task, load_task
from lab.data.labelled.check import shown_source
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import load_items
from lab.data.labelled.split import split_items, withhold
from lab.errors import UserError


def config_of(source, **keys):
    return LabelledConfig(source=str(source), **keys)


def load(source, **keys):
    return load_items(config_of(source, **keys), "optional")


@pytest.fixture
def flat(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(20):
        picture(number).save(folder / f"{number:02}.png")
    return folder


def test_a_folder_of_pictures_without_class_folders(flat):
    items = load(flat)
    assert items.classes == []
    assert items.ids[:2] == ["00.png", "01.png"]
    assert items.description == f"20 images of {flat}"
    split = split_items(items, config_of(flat), 0, "optional")
    assert [len(index) for index in split.parts().values()] == [12, 4, 4]
    assert (split.how, len(split.unlabelled), split.notes) == ("random", 0, [])


def test_train_val_and_test_folders_without_classes_in_them_stay_as_given(flat):
    for number, part in enumerate(["train", "train", "val", "test"]):
        (flat / part).mkdir(exist_ok=True)
        for file in sorted(flat.glob("*.png"))[: 20 // 4 if number < 3 else None]:
            file.rename(flat / part / file.name)
    split = split_items(load(flat), config_of(flat), 0, "optional")
    assert [len(index) for index in split.parts().values()] == [10, 5, 5]


def test_one_class_only(photos):
    shutil.rmtree(photos / "dog")
    with pytest.raises(UserError, match="only one class, 'cat'"):
        load_items(config_of(photos))
    task = load_task(config_of(photos), 0, "optional")
    assert task.items.classes == ["cat"]
    assert [len(index) for index in task.split.parts().values()] == [6, 2, 2]
    assert task.probed == {}


def test_a_table_without_a_label_column_and_one_whose_label_is_misspelt(flat):
    table = pd.DataFrame({"file": [f"{number:02}.png" for number in range(20)], "taken": range(20)})
    table.to_csv(flat / "pictures.csv", index=False)
    items = load(flat / "pictures.csv")
    assert (len(items), items.classes, items.ids[3]) == (20, [], "03.png")
    with pytest.raises(UserError, match="which column is the label"):
        load_items(config_of(flat / "pictures.csv"))
    with pytest.raises(UserError, match=r"no column 'takn'.*did you mean 'taken'"):
        load(flat / "pictures.csv", label="takn")
    by_time = config_of(flat / "pictures.csv", split={"time": "taken"})
    assert split_items(items, by_time, 0, "optional").test.tolist() == [16, 17, 18, 19]


def test_texts_one_a_line(tmp_path):
    (tmp_path / "notes.txt").write_text("one thing\nanother thing\n\na third\n")
    items = load(tmp_path / "notes.txt")
    assert (items.kind, items.ids, items.classes) == ("text", ["notes.txt:1", "notes.txt:2", "notes.txt:4"], [])


def test_the_only_item_of_a_class_loses_its_label_and_trains(photos):
    (photos / "bird").mkdir()
    picture(77).save(photos / "bird" / "77.png")
    with pytest.raises(UserError, match="the only item of class 'bird'"):
        load_items(config_of(photos))
    items = load(photos)
    assert items.classes == ["cat", "dog"]
    assert "only item of class 'bird', so its label is not used" in items.odd[0].problem
    split = split_items(items, config_of(photos), 0, "optional")
    assert items.ids.index("bird/77.png") in split.train


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(st.sampled_from(["", "a", "b"]), min_size=30, max_size=60).filter(
        lambda names: min(names.count("a"), names.count("b")) > 5
    ),
    seed=st.integers(0, 5),
    train_size=st.one_of(st.none(), st.integers(1, 5)),
)
def test_where_some_have_labels_the_same_items_are_judged_as_by_a_classifier(texts, config, labels, seed, train_size):
    items = texts(labels)
    made = config({"train_size": train_size}, seed=seed)
    with_labels = split_items(items, config(seed=seed), seed)
    split = split_items(items, made, seed, "optional")
    for part in ("validation", "test"):
        np.testing.assert_array_equal(getattr(split, part), getattr(with_labels, part))
    everything = np.union1d(with_labels.train, with_labels.unlabelled)
    assert set(split.train) <= set(everything)
    assert len(split.train) == (train_size or len(everything))
    task = Task(items, split, {})
    for part, index in task.probed.items():
        assert (items.labels[index] >= 0).all(), part


def test_unlabelled_items_given_as_test_items_are_not_trained_on(texts, config):
    labels = ["a", "b"] * 10 + [""] * 4
    items = texts(labels, predefined=["train"] * 22 + ["test"] * 2)
    split = split_items(items, config(), 0, "optional")
    assert split.unlabelled.tolist() == [22, 23]
    assert {20, 21} <= set(split.train)


def test_a_copy_of_a_test_item_among_the_unlabelled_is_told_of(photos):
    config = config_of(photos)
    items = load(photos)
    judged = items.ids[split_items(items, config, 0, "optional").test[0]]
    (photos / "unlabelled").mkdir()
    shutil.copy(photos / judged, photos / "unlabelled" / "again.png")
    with pytest.raises(UserError, match=r"unlabelled/again\.png \(train\)"):
        load_task(config, 0, "optional")
    removed = load_task(config_of(photos, duplicates="remove"), 0, "optional")
    assert removed.split.removed == ["unlabelled/again.png"]


def test_a_number_of_items_a_class_needs_labels(flat):
    with pytest.raises(UserError, match=r"data\.per_class: no training item has a label"):
        load_task(config_of(flat, per_class=2), 0, "optional")


# --- a class kept for the test part


def test_an_anomaly_is_in_the_test_part_alone(texts, config):
    items = texts(["a", "b", "c"] * 20)
    before = split_items(items, config(), 0, "optional")
    split = withhold(items, before, "c")
    np.testing.assert_array_equal(split.test, before.test)
    for part in (split.train, split.validation):
        assert set(items.labels[part]) == {0, 1}
    assert len(split.train) == 24
    assert "class 'c' kept out of training" in split.how
    probed = Task(items, split, {}).probed
    assert set(items.labels[probed["test"]]) == {0, 1}


def test_an_anomaly_may_be_given_in_the_test_part_only(photos):
    """As in collections for finding defects: train/good, test/good, test/scratch."""
    for part, name, numbers in (("train", "good", range(12)), ("test", "good", range(12, 15))):
        for number in numbers:
            place = photos.parent / "parts" / part / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            picture(number).save(place)
    (photos.parent / "parts" / "test" / "scratch").mkdir()
    for number in range(20, 24):
        picture(number).save(photos.parent / "parts" / "test" / "scratch" / f"{number}.png")
    config = config_of(photos.parent / "parts")
    task = load_task(config, 0, "optional", anomaly="scratch")
    assert len(task.split.test) == 7
    assert task.probed == {}  # one class is left


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dg", r"anomaly: no class 'dg' in 20 images of .*; did you mean 'dog'\?"),
        ("bicycle", r"anomaly: no class 'bicycle' in .*; there is cat, dog"),
    ],
)
def test_an_anomaly_that_there_is_not(photos, name, said):
    with pytest.raises(UserError, match=said):
        describe_task(config_of(photos), labels="optional", anomaly=name)


def test_an_anomaly_without_test_items_or_with_nothing_else(photos):
    config = config_of(photos, split={"train": 0.8, "validation": 0.2, "test": 0})
    with pytest.raises(UserError, match="no test item is of class 'cat'"):
        describe_task(config, labels="optional", anomaly="cat")
    shutil.rmtree(photos / "dog")
    with pytest.raises(UserError, match="every test item is of class 'cat'"):
        describe_task(config_of(photos), labels="optional", anomaly="cat")


# --- the plan stage


def test_facts_and_shape_for_the_plan_stage(flat):
    config = config_of(flat)
    assert describe_task(config, "image", labels="optional").counts == {
        "items": 20,
        "classes": 0,
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert describe_pictures(config) == (3, 64, 64)
    assert describe_pictures(config, image_size=24, channels=1) == (1, 24, 24)
    with pytest.raises(UserError, match="no class folders"):
        describe_task(config, "image")


def test_texts_have_no_shape(tmp_path):
    (tmp_path / "notes.txt").write_text("one thing\nanother\na third\na fourth\na fifth\n")
    with pytest.raises(UserError, match="holds texts, but images are needed here"):
        describe_pictures(config_of(tmp_path / "notes.txt"))


# --- the data check


def test_the_data_check_of_pictures_without_labels(flat):
    (flat / "torn.png").write_bytes((flat / "00.png").read_bytes()[:60])
    said = shown_source(str(flat))
    assert "20 images of" in said
    assert "in colour, shorter sides of 64 pixels; an autoencoder reads them at 64×64 by default" in said
    assert "torn.png: truncated" in said
    assert "split: 12 train, 4 validation, 4 test (random)" in said
    assert "fit for an embedding (autoencoder, features), not for a classifier: no labels" in said
    assert "smallest difference" not in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.split.trian=0.5", "unknown key data.split.trian; did you mean data.split.train?"),
        ("duplicates=rmove", "did you mean 'remove'?"),
        ("data.split.train=0.9", "data.split: train, validation and test: the shares add up to more than 1"),
    ],
)
def test_a_mistake_in_a_setting_of_the_data_check(flat, override, said):
    with pytest.raises(UserError) as raised:
        shown_source(str(flat), [override])
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


# --- keys that mean nothing for a source


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"label": "kind"}, "data.label: 'kind': .*flat is a folder of pictures, without columns; remove the key"),
        ({"image": "path"}, "data.image: 'path': "),
        ({"id": "number"}, "data.id: 'number': "),
        ({"subset": "small"}, r"data.subset: 'small': only a hub data set \(hf:NAME\) has subsets"),
        ({"slices": ["site"]}, "data.slices: no column 'site'; there is label, width, height, folder"),
        ({"split": {"by": "site"}}, "data.split.by: no column 'site'"),
        ({"split": {"group": "site"}}, "data.split.group: no column 'site'"),
        ({"split": {"time": "folder"}}, "data.split.time: '.' is neither a number nor a date"),
        ({"train_size": 13}, "data.train_size: 13, but there are 12 training items"),
        ({"split": {"validation": 40}}, "data.split: .* are more than the 20 .*items there are"),
        ({"kind": "text"}, "nothing in this folder that is known; expected pictures"),
    ],
)
def test_a_mistake_in_a_key_is_one_line_in_the_plan_stage(flat, keys, said):
    with pytest.raises(UserError, match=said) as raised:
        describe_task(config_of(flat, **keys), "image", labels="optional")
    assert "\n" not in str(raised.value)


def test_the_one_column_of_picture_names_needs_no_usual_name(flat):
    pd.DataFrame({"note": ["a few words", "a few more"], "photo": ["00.png", "01.png"]}).to_csv(
        flat / "table.csv", index=False
    )
    assert load(flat / "table.csv").kind == "image"
    assert load(flat / "table.csv", kind="image").ids == ["00.png", "01.png"]
    assert load(flat / "table.csv", text="note").kind == "text"
