from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from workshop import HOSTILE

from lab.embeddings.projector import FILES, make_sprite, write_projector
from lab.embeddings.space import EmbeddingSpace

IDS = ["", "a\tb", "line\nbreak", "carriage\r\nreturn", "\u2028\u2029\x85\x0b\x0c", "\0", *HOSTILE]
RUN = {"run": "."}


def space(metadata: dict[str, Any] | None = None, n: int = len(IDS)) -> EmbeddingSpace:
    vectors = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    return EmbeddingSpace(IDS[:n], vectors, metadata, name='a "space"\tof\nitems')


def plugin(folder: Path) -> Any:
    """TensorBoard's own projector on a folder, as its browser's side asks it."""
    from tensorboard.backend import application
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector import projector_plugin
    from werkzeug import test, wrappers

    found = plugin_event_multiplexer.EventMultiplexer()
    context = base_plugin.TBContext(
        logdir=str(folder), data_provider=data_provider.MultiplexerDataProvider(found, str(folder))
    )
    app = application.TensorBoardWSGI([projector_plugin.ProjectorPlugin(context)])
    client = test.Client(app, wrappers.Response)

    def get(route: str, **query: str) -> Any:
        answer = client.get(f"/data/plugin/projector/{route}", query_string=query)
        assert answer.status_code == 200, answer.data
        return answer.data

    return get


def as_the_browser_reads(text: str) -> tuple[list[str] | None, list[list[str]]]:
    """Header and rows, as the projector's `parseMetadata`: empty lines are passed over, one column has no header."""
    rows = [line.split("\t") for line in text.split("\n") if line]
    return (rows[0], rows[1:]) if len(rows[0]) > 1 else (None, rows)


def test_tensorboard_reads_it_back(tmp_path):
    made = space({"label": [f"class {i % 3}" for i in range(len(IDS))]})
    write_projector(made, tmp_path, make_sprite([Image.new("L", (8, 6), i) for i in range(len(IDS))], 16))
    get = plugin(tmp_path)
    assert json.loads(get("runs")) == ["."]
    (told,) = json.loads(get("info", **RUN))["embeddings"]
    assert told["tensorName"] == 'a "space" of items'
    assert (told["tensorShape"], told["sprite"]["singleImageDim"]) == ([len(IDS), 5], [16, 16])
    name = {"name": told["tensorName"], **RUN}
    np.testing.assert_array_equal(np.frombuffer(get("tensor", **name), np.float32).reshape(-1, 5), made.vectors)
    header, rows = as_the_browser_reads(get("metadata", **name).decode())
    assert header == ["id", "label"]
    assert [row[1] for row in rows] == list(made.metadata["label"])
    sprite = Image.open(io.BytesIO(get("sprite_image", **name)))
    assert sprite.size == (4 * 16, 4 * 16)
    assert [sprite.getpixel((16 * (i % 4) + 8, 16 * (i // 4) + 8))[0] for i in range(len(IDS))] == [*range(len(IDS))]


def test_the_websites_config_names_the_files(tmp_path):
    write_projector(space(), tmp_path)
    (told,) = json.loads((tmp_path / "projector_config.json").read_text())["embeddings"]
    assert (tmp_path / told["tensorPath"]).is_file()
    assert (tmp_path / told["metadataPath"]).is_file()
    assert told["tensorShape"] == [len(IDS), 5]
    assert "sprite" not in told


TEXTS = {"text": [*HOSTILE, *IDS[:5], "\0"], "a\tb": IDS[::-1]}


@pytest.mark.parametrize("metadata", [None, TEXTS], ids=["none", "some"])
def test_every_item_is_one_line_whatever_its_metadata(tmp_path, metadata):
    made = space(metadata)
    write_projector(made, tmp_path)
    header, rows = as_the_browser_reads((tmp_path / "metadata.tsv").read_bytes().decode("utf-8"))
    assert header == (["id", "text", "a b"] if metadata else None)
    assert len(rows) == len(made)
    assert {len(row) for row in rows} == {3 if metadata else 1}
    assert [row[0] for row in rows][1:4] == ["a b", "line break", "carriage return"]
    assert rows[-1][0] == "x" * 10_000


def test_what_is_missing_is_empty_and_one_column_has_no_empty_line(tmp_path):
    write_projector(space({"a": [1.5, None, np.nan], "b": ["x", None, True]}, 3), tmp_path)
    assert (tmp_path / "metadata.tsv").read_text().split("\n") == [
        "id\ta\tb",
        "\t1.5\tx",
        "a b\t\t",
        "line break\t\tTrue",
        "",
    ]
    write_projector(space(None, 2), tmp_path)
    assert (tmp_path / "metadata.tsv").read_text() == "(empty)\na b\n"


def test_a_sprite_of_an_earlier_export_goes(tmp_path):
    write_projector(space(None, 2), tmp_path, make_sprite([Image.new("RGB", (4, 4))] * 2))
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    write_projector(space(None, 2), tmp_path)
    assert not (tmp_path / "sprite.png").exists()


def test_a_name_that_is_no_unicode_is_written_all_the_same(tmp_path):
    write_projector(EmbeddingSpace(["lone \ud800", "b"], np.eye(2)), tmp_path)
    assert (tmp_path / "metadata.tsv").read_text() == "lone ?\nb\n"


def test_a_sprite_of_many_pictures_fits_into_a_texture(monkeypatch):
    monkeypatch.setattr("lab.embeddings.projector.LARGEST_SPRITE", 100)
    sprite = make_sprite([Image.new("L", (20, 20))] * 50)
    assert (sprite.size, Image.open(io.BytesIO(sprite.png)).size) == (12, (96, 96))
