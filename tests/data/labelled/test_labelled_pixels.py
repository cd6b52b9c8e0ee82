"""Pixels as one array: shapes and channels, against PIL; digits exact; what is kept in the cache."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.image_facts import picture_bytes
from lab.data.labelled.images import ArrayImages
from lab.data.labelled.items import RawItems, load_items, make_items
from lab.data.labelled.pixels import load_pixels, picture_shape
from lab.errors import UserError


def of_arrays(pixels):
    ids = [str(number) for number in range(len(pixels))]
    raw = RawItems("image", ids, [""] * len(ids), "made", "images", images=ArrayImages(pixels), fingerprints=ids)
    return make_items(raw, single=False)


def of_pictures(pictures):
    """Items of pictures as PNG bytes."""
    contents = []
    for image in pictures:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        contents.append(buffer.getvalue())
    return make_items(picture_bytes([str(n) for n in range(len(contents))], contents, "made"), single=False)


def noise(seed, width, height, mode="RGB"):
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@given(
    st.lists(st.tuples(st.integers(2, 80), st.integers(2, 80)), min_size=1, max_size=4),
    st.sampled_from(["L", "RGB"]),
    st.one_of(st.none(), st.integers(2, 40)),
    st.sampled_from([None, 1, 3]),
)
def test_any_picture_becomes_the_square_that_pil_makes_of_it(sizes, mode, image_size, channels):
    pictures = [noise(number, *size, mode) for number, size in enumerate(sizes)]
    items = of_pictures(pictures)
    shape = picture_shape(items, image_size, channels)
    pixels = load_pixels(items, shape, keep=False)
    sides = {min(size) for size in sizes}
    own = sides.pop() if len(sides) == 1 and min(sizes[0]) <= 64 else 64
    assert shape == (channels or (1 if mode == "L" else 3), image_size or own, image_size or own)
    assert pixels.shape == (len(sizes), *shape)
    assert pixels.dtype == np.uint8
    for picture, found in zip(pictures, pixels, strict=True):
        side = min(picture.size)
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        wanted = picture.convert("L" if shape[0] == 1 else "RGB")
        if picture.size != shape[1:]:
            gap = 2.0 if side > 4 * shape[1] else None
            wanted = wanted.resize(
                shape[1:], Image.Resampling.BICUBIC, box=(left, top, left + side, top + side), reducing_gap=gap
            )
        np.testing.assert_array_equal(found, np.asarray(wanted).reshape(*shape[1:], -1).transpose(2, 0, 1))


@given(st.integers(1, 3), st.integers(1, 9), st.booleans(), st.sampled_from([1, 3]))
def test_arrays_of_the_shape_asked_for_are_taken_as_they_are(n, side, colours, channels):
    grey = np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)
    pixels = np.stack([grey, 255 - grey, grey], axis=-1) if colours else grey
    found = load_pixels(of_arrays(pixels), (channels, side, side))
    assert found.flags.c_contiguous
    assert found.shape == (n, channels, side, side)
    if colours and channels == 1:
        luma = (pixels * [0.299, 0.587, 0.114]).sum(-1)
        assert abs(found[:, 0] - luma).max() <= 1
    else:
        wanted = pixels.transpose(0, 3, 1, 2) if colours else np.repeat(grey[:, None], channels, axis=1)
        np.testing.assert_array_equal(found, wanted)


def test_digits_keep_their_grey_levels():
    from sklearn.datasets import load_digits

    items = load_items(LabelledConfig(source="digits"))
    assert picture_shape(items) == (1, 8, 8)
    pixels = load_pixels(items, (1, 8, 8))
    np.testing.assert_array_equal(np.round(pixels[:, 0] / 255 * 16), load_digits().images)
    assert len(np.unique(pixels)) == 17
    # The same bytes as a backbone reads.
    np.testing.assert_array_equal(items.images.decode(np.arange(len(items)), 8, "bicubic", 1), pixels)


def test_a_grey_photograph_in_three_channels_is_grey_and_one_with_colours_is_not(tmp_path):
    grey = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (150, 1)))
    grey.convert("RGB").save(tmp_path / "grey.jpg", quality=80)
    config = LabelledConfig(source=str(tmp_path))
    assert picture_shape(load_items(config, "optional")) == (1, 64, 64)
    red = grey.convert("RGB")
    red.paste((255, 0, 0), (10, 10, 40, 40))
    red.save(tmp_path / "red.jpg")
    assert picture_shape(load_items(config, "optional")) == (3, 64, 64)


def test_pictures_from_files_are_decoded_once_and_anew_when_one_changes(photos, cache):
    config = LabelledConfig(source=str(photos))
    items = load_items(config)
    shape = picture_shape(items, 16)
    first = load_pixels(items, shape)
    assert isinstance(first, np.memmap)
    [file] = cache.glob("pixels/*/pixels.npy")
    written = file.stat().st_mtime_ns
    again = load_pixels(load_items(config), shape)
    assert file.stat().st_mtime_ns == written
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, load_pixels(items, shape, keep=False))

    noise(99, 40, 40).save(photos / "cat" / "01.png")
    changed = load_items(config)
    now = load_pixels(changed, shape)
    assert len(list(cache.glob("pixels/*/pixels.npy"))) == 2
    different = {items.ids[i] for i in np.flatnonzero((first != now).any(axis=(1, 2, 3)))}
    assert different == {"cat/01.png"}


def test_what_is_written_to_mapped_pixels_stays_out_of_the_cache(photos):
    items = load_items(LabelledConfig(source=str(photos)))
    pixels = load_pixels(items, (1, 8, 8))
    before = pixels.copy()
    pixels[:] = 0
    np.testing.assert_array_equal(load_pixels(items, (1, 8, 8)), before)


def test_the_order_of_the_items_is_kept_in_a_part_of_them(photos):
    items = load_items(LabelledConfig(source=str(photos)))
    index = np.array([7, 2, 11])
    np.testing.assert_array_equal(load_pixels(items.subset(index), (3, 9, 9)), load_pixels(items, (3, 9, 9))[index])


def test_a_picture_that_has_gone_since_it_was_looked_at_is_named(photos):
    items = load_items(LabelledConfig(source=str(photos)))
    shutil.rmtree(photos / "dog")
    with pytest.raises(UserError, match=r"dog/00\.png: not a picture that can be read"):
        load_pixels(items, (3, 8, 8))


def test_texts_have_no_pixels(texts):
    with pytest.raises(UserError, match="texts, but pictures are needed here"):
        picture_shape(texts("ab"))
