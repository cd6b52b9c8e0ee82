"""Copies are found, unlike items are not, and what stands on two sides of a split is told, removed or accepted."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pictures_made import picture
from PIL import Image, ImageEnhance

from lab.data.labelled.duplicates import find_duplicates
from lab.data.labelled.images import FileImages
from lab.data.labelled.leaks import check_split, overlap_counts, part_of_items
from lab.data.labelled.similar_pictures import similar_pictures
from lab.data.labelled.similar_texts import similar_texts
from lab.data.labelled.split import split_items
from lab.errors import UserError

SENTENCE = "the film is a slow and tender look at three sisters who run a bakery in a town by the sea"


def as_source(pictures):
    coded = []
    for image in pictures:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        coded.append(buffer.getvalue())
    return FileImages(coded, np.array([min(image.size) for image in pictures]))


def photo(seed):
    """A picture with detail, as photographs have it."""
    rng = np.random.default_rng(seed)
    layers = [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for side in (5, 12, 30)]
    grown = [np.asarray(layer.resize((160, 128), Image.Resampling.BICUBIC), dtype=float) for layer in layers]
    return Image.fromarray((grown[0] * 0.5 + grown[1] * 0.3 + grown[2] * 0.2).astype(np.uint8))


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


CHANGES = {
    "another encoding": lambda image: jpeg(image, 40),
    "another size": lambda image: image.resize((96, 77), Image.Resampling.BICUBIC),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "grey": lambda image: image.convert("L"),
    "cut": lambda image: image.crop((6, 4, 154, 123)),
    "turned by 4 degrees": lambda image: image.rotate(4, Image.Resampling.BICUBIC),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_of_photographs_are_found_and_nothing_else(change):
    photos = [photo(seed) for seed in range(40)]
    copies = [CHANGES[change](image) for image in photos[:10]]
    found = {tuple(pair) for pair in similar_pictures(as_source(photos + copies))}
    assert found <= {(k, 40 + k) for k in range(10)}
    assert len(found) >= 9


def test_flat_pictures_are_no_copies_of_each_other():
    flat = [Image.new("RGB", (64, 64), (level, level, level)) for level in range(100, 120)]
    assert not len(similar_pictures(as_source(flat)))
    assert not len(similar_pictures(as_source(flat[:1])))


def test_texts_that_are_nearly_the_same():
    other = "a loud and clumsy sequel that forgets why anyone liked the first one at all"
    texts = [
        SENTENCE,
        other,
        SENTENCE.replace("tender", "gentle"),
        SENTENCE.upper() + " !",
        "one of the best films of the year .",
        "one of the worst films of the year .",
        "ok",
        "no",
    ]
    found = {tuple(pair) for pair in similar_texts(texts)}
    assert found == {(0, 2), (0, 3), (2, 3)}


def test_many_copies_of_one_text_are_one_cluster(texts):
    items = texts(["a", "b"] * 100)
    for at in range(0, 160, 2):
        items.texts[at] = SENTENCE
    items.fingerprints[:] = items.texts
    clusters = find_duplicates(items).clusters()
    assert [len(cluster) for cluster in clusters] == [80]


@pytest.mark.parametrize(
    "texts_given", [["", "  ", "é"], ["a"] * 3, ["日本語のとても長い文章です、本当に"] * 2 + ["x"]]
)
def test_short_and_foreign_texts(texts_given):
    pairs = similar_texts(texts_given)
    assert all(texts_given[a].strip() == texts_given[b].strip() for a, b in pairs)


@pytest.fixture
def copied(texts):
    """100 texts, two of the training part copied in the test part, one exactly and one nearly; one within training."""
    items = texts(["a", "b"] * 50, predefined=["train"] * 60 + ["validation"] * 20 + ["test"] * 20)
    items.texts[0] = items.texts[80] = "exactly the same words stand here, once on each side"
    items.texts[1], items.texts[81] = SENTENCE, SENTENCE.replace("three", "four")
    items.texts[2] = items.texts[3] = "both of these are trained on, which does no harm to anyone"
    for at in (0, 80, 1, 81, 2, 3):
        items.fingerprints[at] = items.texts[at]
    return items


def test_copies_on_two_sides_are_an_error_that_lists_them(copied, config):
    with pytest.raises(UserError) as told:
        split_items(copied, config(), 0)
    said = str(told.value)
    assert said.startswith("data: 2 items stand in two parts of the split as the same or nearly the same: ")
    assert "row:0 (train) = row:80 (test); row:1 (train) = row:81 (test)" in said
    assert "row:2" not in said
    assert "data.duplicates=remove" in said


def test_copies_are_removed_from_training(copied, config):
    split = split_items(copied, config({"duplicates": "remove"}), 0)
    assert split.removed == ["row:0", "row:1"]
    assert len(split.train) == 58
    assert len(split.test) == 20


def test_copies_are_accepted_and_counted(copied, config):
    split = split_items(copied, config({"duplicates": "accept"}), 0)
    assert len(split.train) == 60
    assert split.accepted == 4
    counts = overlap_counts(find_duplicates(copied), part_of_items(len(copied), split))
    assert counts == {"train and test": 2}


def test_a_limited_training_set_is_drawn_from_what_is_left(copied, config):
    split = split_items(copied, config({"duplicates": "remove", "per_class": 29}), 0)
    assert len(split.train) == 58


def test_groups_that_given_parts_cut_are_told(texts, config):
    items = texts(["a", "b"] * 50, {"patient": [i % 90 for i in range(100)]}, ["train"] * 80 + ["test"] * 20)
    with pytest.raises(UserError, match=r"groups on two sides of the split: patient '\d"):
        split_items(items, config(group="patient"), 0)
    split = split_items(items, config({"duplicates": "remove"}, group="patient"), 0)
    assert set(split.removed) >= {f"row:{i}" for i in range(10)}


def test_a_leak_by_intent_is_no_error(texts, config):
    items = texts(["a", "b"] * 50)
    split = split_items(items, config(leak=0.5), 0)
    assert check_split(items, split, config(leak=0.5)) is split


def test_what_was_found_is_kept(copied, monkeypatch):
    first = find_duplicates(copied)
    monkeypatch.setattr("lab.data.labelled.duplicates._near", lambda *_: pytest.fail("looked again"))
    again = find_duplicates(copied)
    assert (again.pairs == first.pairs).all()
    assert again.exact.tolist() == first.exact.tolist() == [True, False, True]


def test_pictures_alike_by_chance_in_layout_are_not_copies():
    assert not len(similar_pictures(as_source([picture(seed) for seed in range(60)])))
