"""Pictures in every mode and state become RGB of the size asked for; what cannot be read is told of."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pictures_made import picture
from PIL import Image

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.image_facts import look_at, look_at_one
from lab.data.labelled.images import ArrayImages, FileImages, as_rgb, fit
from lab.data.labelled.items import load_items
from lab.errors import UserError


def content(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def decoded(image_bytes: bytes, size: int = 32) -> np.ndarray:
    return FileImages([image_bytes], np.array([64])).decode(np.array([0]), size)[0]


def test_the_shorter_side_is_fitted_and_the_middle_cut_out():
    wide = Image.new("RGB", (90, 30), "blue")
    wide.paste(Image.new("RGB", (30, 30), "red"), (30, 0))
    pixels = fit(wide, 30, "bicubic")
    assert pixels.shape == (3, 30, 30)
    assert (pixels[0] == 255).all()
    assert (pixels[2] == 0).all()


def test_a_picture_of_the_right_size_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (fit(Image.fromarray(pixels), 16, "bicubic") == pixels.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_rgb_of_the_same_brightness(mode):
    grey = Image.new("L", (64, 64), 255)
    if mode == "I;16":
        image = Image.fromarray(np.full((64, 64), 65535, dtype=np.uint16))
    elif mode in ("I", "F"):
        image = Image.fromarray(np.full((64, 64), 255, dtype=np.int32 if mode == "I" else np.float32))
    else:
        image = grey.convert("RGB").convert(mode)
    assert as_rgb(image).mode in ("L", "RGB")
    assert np.asarray(as_rgb(image)).min() >= 254


def test_sixteen_bits_keep_their_levels():
    levels = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    pixels = decoded(content(Image.fromarray(levels)), 64)
    assert np.abs(pixels[0].astype(float) - levels / 257).max() <= 1


def test_see_through_pictures_stand_on_white():
    assert (decoded(content(Image.new("RGBA", (40, 40), (255, 0, 0, 0)))) == 255).all()


def test_pictures_are_turned_as_exif_says():
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 64, 32))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # was held turned a quarter to the left
    pixels = decoded(content(image, "JPEG", exif=exif, quality=95))
    assert pixels[0, :, -8:].min() > 200
    assert pixels[0, :, :8].max() < 50


def test_a_large_jpeg_at_a_lower_scale_is_nearly_the_same():
    image = picture(3, 800, 600)
    coded = content(image, "JPEG", quality=95)
    whole = fit(Image.open(io.BytesIO(coded)).convert("RGB"), 48, "bicubic")
    assert np.abs(decoded(coded, 48).astype(float) - whole).mean() < 2


def test_decoding_in_threads_gives_the_same_in_the_same_order():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 20, 20), dtype=np.uint8)
    images = ArrayImages(pixels)
    index = np.array([5, 3, 39, 3, 0, 7])
    many = images.decode(index, 24)
    assert many.dtype == np.uint8
    assert all((many[at] == images.decode(index[at : at + 1], 24)[0]).all() for at in range(len(index)))
    assert (many == images.subset(index).decode(np.arange(6), 24)).all()


def test_what_is_wrong_with_a_file_and_what_is_odd():
    whole = content(picture(1), "JPEG")
    frames = [picture(number).convert("P") for number in range(3)]
    problems = {
        "truncated": whole[: len(whole) // 2],
        "1×1 pixels": content(Image.new("RGB", (1, 1))),
        "not a picture that can be read": b"hello, this is no picture",
        "an empty file": b"",
    }
    for problem, coded in problems.items():
        assert look_at_one(coded)["problem"] == problem
    notes = {
        "CMYK": content(picture(2).convert("CMYK"), "JPEG"),
        "16-bit": content(Image.fromarray(np.zeros((20, 20), dtype=np.uint16))),
        "animated (3 frames; the first is used)": content(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "very long (500×20; the middle is used)": content(picture(4, 500, 20)),
    }
    for note, coded in notes.items():
        fact = look_at_one(coded)
        assert (fact["note"], fact["problem"]) == (note, "")


def test_all_broken_pictures_are_listed_at_once(photos):
    whole = (photos / "cat" / "01.png").read_bytes()
    (photos / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "dog" / "empty.jpg").write_bytes(b"")
    Image.new("L", (1, 9)).save(photos / "dog" / "line.png")
    (photos / "dog" / "phone.heic").write_bytes(b"\0\0\0 ftypheic")
    with pytest.raises(UserError) as told:
        load_items(LabelledConfig(source=str(photos)))
    assert str(told.value).startswith(f"{photos}: 4 broken items: ")
    for said in (
        "cat/cut.png: truncated",
        "dog/empty.jpg: an empty file",
        "dog/line.png: 1×9 pixels",
        "dog/phone.heic",
    ):
        assert said in str(told.value)
    items = load_items(LabelledConfig(source=str(photos), skip_broken=True))
    assert len(items) == len(items.images) == 20
    assert "(4 broken left out)" in items.description
    assert items.images.decode(np.arange(20), 16).shape == (20, 3, 16, 16)


def test_files_seen_before_are_not_opened_again(photos, monkeypatch):
    files = sorted(photos.rglob("*.png"))
    import os

    for file in files:
        os.utime(file, (1_700_000_000, 1_700_000_000))  # long settled
    first = look_at(files, str(photos))
    monkeypatch.setattr("lab.data.labelled.image_facts.look_at_one", lambda file: pytest.fail(f"{file} was opened"))
    assert look_at(files, str(photos)) == first


def test_a_picture_that_breaks_later_is_told_of(tmp_path):
    file = tmp_path / "a.png"
    picture(1).save(file)
    images = FileImages([file], np.array([64]))
    file.write_bytes(b"gone")
    with pytest.raises(UserError, match=r"a\.png: not a picture that can be read"):
        images.decode(np.array([0]), 16)
