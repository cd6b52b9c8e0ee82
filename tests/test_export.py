"""`lab export`: every format by the command line, and read back by the tools that it is for."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from workshop import Workshop, words_space

import lab
from lab.cli import main
from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError
from lab.export import FORMATS, export, format_named
from lab.export_atlas import explorer_command

PICTURES = {
    "experiment": "features",
    "data": {"source": "digits", "split": {"train": 60, "validation": 30, "test": 30}},
    "method": {"name": "pca", "dimensions": 5},
    "probe": {"labels": [3], "draws": 1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> lab.Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAB_HOME", str(tmp_path_factory.mktemp("home")))
        return lab.run(PICTURES, quiet=True)


@pytest.fixture
def words(home) -> Path:
    path = home / "few.txt"
    path.write_text("5 2\nking 1 0\nqueen 0.9 0.1\nman 0 1\nwoman 0.1 0.9\ntiger 0.5 0.5\n")
    return path


def lab_export(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "onxx", "-o", "a.onnx"], "unknown format 'onxx': use one of projector, .*; did you mean onnx?"),
        (["--to", "parquet", "-o", "a.csv"], "a.csv: files of parquet end in .parquet; name the file a.parquet"),
        (["--to", "word2vec", "-o", "a.bin"], "a.bin: files of word2vec end in .txt, .vec, .txt.gz or .vec.gz; "),
        (["--to", "npz", "-o", "a"], "a: files of npz end in .npz; name the file a.npz"),
        (["--to", "projector", "-o", "few.txt"], "few.txt: is a file, and projector is written into a folder"),
        (["--to", "projector", "-o", "."], r"\.: holds 'few.txt', which is not the projector's"),
        (["--to", "onnx", "-o", "a.onnx"], "few.txt: a file of vectors has no network to export"),
        (["--to", "npz", "-o", "a.npz", "--open"], "--open: shows what --to atlas writes, not npz"),
    ],
    ids=["format", "csv", "bin", "no ending", "file", "folder in use", "no network", "open"],
)  # fmt: skip
def test_mistakes_are_one_line(capsys, words, arguments, told):
    code, out, err = lab_export(capsys, str(words.name), *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(told, err)
    assert [path.name for path in words.parent.iterdir()] == ["few.txt"]


@pytest.mark.parametrize(("library", "arguments"), [
    ("explore", ["--to", "atlas", "-o", "a.parquet", "--open"]), ("onnx", ["--to", "onnx", "-o", "a.onnx"]),
])  # fmt: skip
def test_a_missing_library_is_one_line_before_anything_is_written(capsys, words, monkeypatch, library, arguments):
    module = {"explore": "lab.export_atlas", "onnx": "lab.export_onnx"}[library]
    monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    code, _, err = lab_export(capsys, "few.txt", *arguments)
    assert code == 2
    assert f"pip install 'embeddings-lab[{library}]'" in err
    assert [path.name for path in words.parent.iterdir()] == ["few.txt"]


def test_the_help_names_every_format():
    from lab.cli import EXPORTS

    assert EXPORTS.replace(" or ", ", ").split(", ") == list(FORMATS)
    with pytest.raises(UserError, match="did you mean glove"):
        format_named("glov")


def test_a_run_without_a_network_says_so(run, tmp_path):
    path = str(run.path)
    with pytest.raises(
        UserError, match=f"^{path}: no network to export; use --to word2vec or parquet for its vectors$"
    ):
        export(path, "onnx", tmp_path / "a.onnx")
    words = Workshop(tmp_path).run(space=words_space(0))
    with pytest.raises(UserError, match=f"^run {words.id}: word2vec has no network to export; use --to word2vec$"):
        export(str(words.path), "onnx", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


# --- read back


def test_pandas_duckdb_and_datasets_read_parquet(run, tmp_path):
    import duckdb
    from datasets import Dataset

    path = tmp_path / "a.parquet"
    assert export(str(run.path), "parquet", path) == "120 vectors of 5 dimensions as parquet"
    space = run.space()
    frame = pd.read_parquet(path)
    np.testing.assert_array_equal(np.stack(frame["vector"]), space.vectors)
    assert list(frame["label"]) == list(space.metadata["label"])
    asked = duckdb.sql(f"select count(*), any_value(len(vector)) from '{path}' where split = 'test'").fetchall()
    assert asked == [(30, 5)]
    assert Dataset.from_parquet(str(path), cache_dir=str(tmp_path))[7]["id"] == space.ids[7]


@pytest.mark.parametrize(("to", "name"), [("word2vec", "a.vec.gz"), ("word2vec-binary", "a.bin"), ("glove", "a.txt")])
def test_gensim_reads_words(words, to, name):
    from gensim.models import KeyedVectors

    export("few.txt", to, Path(name))
    read = KeyedVectors.load_word2vec_format(name, binary=to.endswith("binary"), no_header=to == "glove")
    assert read.index_to_key == ["king", "queen", "man", "woman", "tiger"]
    np.testing.assert_array_equal(read["queen"], np.float32([0.9, 0.1]))


def test_pictures_of_a_run_become_a_sprite(run, tmp_path):
    told = export(str(run.path), "projector", tmp_path / "seen")
    assert (
        told == f"120 vectors of 5 dimensions, with pictures; look at them with: tensorboard --logdir {tmp_path}/seen"
    )
    sprite = Image.open(tmp_path / "seen" / "sprite.png")
    (config,) = json.loads((tmp_path / "seen" / "projector_config.json").read_text())["embeddings"]
    size = config["sprite"]["singleImageDim"][0]
    assert sprite.size == (11 * size, 11 * size)
    from sklearn.datasets import load_digits

    item = run.space().ids[12]  # the second row's second
    tile = np.asarray(sprite.crop((size, size, 2 * size, 2 * size)).convert("L"), dtype=float)
    middle = tile[4::8, 4::8]  # of 64 pixels a side: each of the 8 × 8 is a square of 8 × 8
    number = int(str(item).rpartition(":")[2].rpartition("-")[2])
    assert np.corrcoef(middle.ravel(), load_digits().images[number].ravel())[0, 1] > 0.99


def test_atlas_has_the_map_of_the_run_and_exact_neighbours(run, tmp_path):
    from lab.embeddings.projection import MapSettings, cached

    path = tmp_path / "a.parquet"
    assert export(str(run.path), "atlas", path) == "120 vectors of 5 dimensions and their map for embedding-atlas"
    frame, space = pd.read_parquet(path), run.space()
    coordinates = cached(space, MapSettings(), run.path / "maps").coordinates
    np.testing.assert_array_equal(frame[["map_x", "map_y"]].to_numpy(), coordinates)
    unit = space.vectors / np.linalg.norm(space.vectors, axis=1, keepdims=True)
    distances = 1 - unit @ unit.T
    for row in (0, 50, 119):
        near = frame["neighbors"][row]
        assert near["ids"][0] == row
        np.testing.assert_allclose(near["distances"], np.sort(distances[row])[:16], atol=1e-6)
        np.testing.assert_allclose(distances[row, near["ids"]], near["distances"], atol=1e-6)
    assert list(frame.columns) == ["id", "label", "split", "map_x", "map_y", "neighbors"]
    command = explorer_command(path)
    assert command[command.index("--x") :][:6] == ["--x", "map_x", "--y", "map_y", "--neighbors", "neighbors"]


def test_atlas_without_a_map_leaves_it_to_the_atlas(home, monkeypatch):
    monkeypatch.setattr("lab.export.MOST_MAPPED", 3)
    EmbeddingSpace(list("abcd"), np.eye(4), {"map_x": list("wxyz")}).save("few.parquet")
    assert export("few.parquet", "atlas", Path("a.parquet")) == "4 vectors of 4 dimensions for embedding-atlas"
    assert pq.read_schema("a.parquet").names == ["id", "vector", "map_x", "neighbors"]


@pytest.mark.slow
def test_embedding_atlas_shows_it(run, tmp_path):
    path = tmp_path / "a.parquet"
    export(str(run.path), "atlas", path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*explorer_command(path), "--port", str(port), "--no-auto-port"]
    with open(tmp_path / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            page, told = (
                _get(process, tmp_path / "log", f"http://127.0.0.1:{port}{at}") for at in ("/", "/data/metadata.json")
            )
        finally:
            process.kill()
    assert b"<title>" in page
    assert b"map_x" in told
    assert b"neighbors" in told


def _get(process: subprocess.Popen, log: Path, url: str) -> bytes:
    for _ in range(1200):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read()
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())
