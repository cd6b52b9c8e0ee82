"""`lab export --to onnx`: what onnxruntime makes of the file is what the encoder of the run makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import lab
from lab.classify import load_task
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.pixels import load_pixels
from lab.embed import find_encoder
from lab.export import export
from lab.export_towers import dense
from lab.tower_readers import Entities

pytestmark = pytest.mark.slow

DIGITS = {"source": "digits", "split": {"train": 60, "validation": 30, "test": 30}}
PROBE = {"labels": [3], "draws": 1}
TEXTS = ["A cat sat on the mat.", "No.", "Stocks fell sharply on Monday, after the numbers had been worse than feared."]


@pytest.fixture(autouse=True)
def place(home, tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def session(path: Path) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(str(path))
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def tokens(folder: Path, texts: list[str]) -> dict[str, np.ndarray]:
    """What a caller without lab does: the tokenizer beside the file, padded to the longest."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    kinds = {"input_ids": [e.ids for e in encoded], "attention_mask": [e.attention_mask for e in encoded]}
    return {name: np.array(values, dtype=np.int64) for name, values in kinds.items()}


def test_the_encoder_of_an_autoencoder(tmp_path):
    run = lab.run(
        {
            "experiment": "autoencoder",
            "data": DIGITS,
            "model": {"architecture": "dense", "widths": [16], "latent_size": 4},
            "train": {"epochs": 1},
            "probe": PROBE,
        },
        quiet=True,
    )
    told = export(run.id, "onnx", tmp_path / "a.onnx")
    assert told.startswith("a.onnx, images to vectors of 4 dimensions, 0.0 MB; a.json says")
    pixels = load_pixels(load_task(LabelledConfig(**DIGITS), 0).items, (1, 8, 8))
    encoder = run.encoder()
    for count in (1, 2, 57):
        (found,) = session(tmp_path / "a.onnx").run(None, {"pixels": pixels[:count]})
        np.testing.assert_allclose(found, encoder.embed(pixels[:count]), atol=1e-4)
    about = json.loads((tmp_path / "a.json").read_text())
    assert about["inputs"] == {"pixels": "uint8"}
    assert about["ids"] == list(run.space().ids)
    assert about["preprocessing"]["size"] == 8
    assert about["run"]["config"] == run.config
    kept = {entry.key: entry.value for entry in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert json.loads(kept["preprocessing"]) == about["preprocessing"]


def test_a_fine_tuned_picture_network_with_its_head(tmp_path):
    run = lab.run(
        {
            "experiment": "finetune",
            "data": DIGITS,
            "backbone": {"name": "efficientnet-lite0", "image_size": 32},
            "strategy": {"frozen_depth": "all-1"},
            "train": {"epochs": 1, "save_weights": True},
        },
        quiet=True,
    )
    export(run.id, "onnx", tmp_path / "a.onnx")
    items = load_task(LabelledConfig(**DIGITS), 0).items
    pixels = items.images.decode(np.arange(7), 32)
    vectors, logits = session(tmp_path / "a.onnx").run(None, {"pixels": pixels})
    trained = run.classifier()
    few = items.subset(np.arange(7))
    np.testing.assert_allclose(vectors, trained.features(few), atol=1e-4)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, trained.predict(few), atol=1e-4)
    assert json.loads((tmp_path / "a.json").read_text())["classes"] == trained.classes
    Image.fromarray(pixels[0].transpose(1, 2, 0)).save(tmp_path / "one.png")
    np.testing.assert_allclose(vectors[:1], run.encoder().encode([str(tmp_path / "one.png")]), atol=1e-4)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A transformers folder with a tiny BERT of random weights and a tokenizer of a few words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({word for text in TEXTS for word in text.lower().replace(".", " . ").replace(",", " , ").split()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: n for n, word in enumerate([*special, *words, *"0123456789"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("small")
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **named).save_pretrained(folder)
    torch.manual_seed(0)
    wide = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=64, max_position_embeddings=64, **wide)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["plain", "scalar_mix"])
def test_a_fine_tuned_text_network_with_padding(small, tmp_path, kind):
    rows = "".join(f'"{text} {number}",{number % 2}\n' for number, text in enumerate(TEXTS * 10))
    (tmp_path / "a.csv").write_text(f"text,label\n{rows}")
    split = {"train": 20, "validation": 5, "test": 5}
    run = lab.run(
        {
            "experiment": "finetune",
            "data": {"source": "a.csv", "text": "text", "label": "label", "split": split, "duplicates": "accept"},
            "backbone": {"name": str(small)},
            "strategy": {"frozen_depth": "all", "kind": kind},
            "train": {"epochs": 1, "save_weights": True},
        },
        quiet=True,
    )
    export(run.id, "onnx", tmp_path / "a.onnx")
    vectors, _ = session(tmp_path / "a.onnx").run(None, tokens(tmp_path, TEXTS))
    np.testing.assert_allclose(vectors, run.encoder().encode(TEXTS), atol=1e-4)


def test_a_backbone_as_it_is(small, tmp_path):
    told = export(str(small), "onnx", tmp_path / "a.onnx")
    assert told.startswith("a.onnx, texts to vectors of 16 dimensions, ")
    (vectors,) = session(tmp_path / "a.onnx").run(None, tokens(tmp_path, TEXTS))
    np.testing.assert_allclose(vectors, find_encoder(str(small)).encode(TEXTS), atol=1e-4)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_two_towers_of_every_kind_of_feature(tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    rows = [(u, f"f{i}") for u in range(30) for i in rng.permutation(20)[:8]]
    pd.DataFrame(rows, columns=["user_id", "item_id"]).to_csv("pairs.csv", index=False)
    films = {
        "item_id": [f"f{i}" for i in range(20)],
        "genres": ["a|b", "b", "c|a", ""] * 5,
        "country": ["x", "y", "", "x", "z"] * 4,
        "year": [1990.0 + i if i % 3 else None for i in range(20)],
        "text": ["a film about cats", "dogs in a film"] * 10,
    }
    pd.DataFrame(films).to_csv("films.csv", index=False)
    kinds = {"genres": "categories", "country": "category", "year": "number", "text": "words"}
    features = [{"kind": "id"}, *({"kind": kind, "column": column} for column, kind in kinds.items())]
    run = lab.run(
        {
            "experiment": "two_tower",
            "data": {"source": "pairs.csv", "items": "films.csv"},
            "dimension": 6,
            "user": {"features": [{"kind": "id"}, {"kind": "history"}]},
            "item": {"features": features, "combine": "concat", "hidden": [7]},
            "train": {"epochs": 1, "batch_size": 64},
        },
        quiet=True,
    )
    told = export(run.id, "onnx", tmp_path / "t.onnx")
    assert "t-user.onnx, user rows to vectors of 6 dimensions" in told
    towers = run.encoder()
    table = pd.read_csv("films.csv", index_col="item_id", keep_default_na=False, na_values={"year": [""]})
    entities = Entities("item", list(table.index), table.replace("", None))
    about = json.loads((tmp_path / "t-item.json").read_text())
    names = [feature["input"] for feature in about["preprocessing"]["features"]]
    assert names == ["id_0", "genres_1", "country_2", "year_3", "text_4"]
    given = {
        name: dense(reader.read(entities), np.arange(20))
        for name, reader in zip(names, towers.readers["item"], strict=True)
    }
    assert np.isnan(given["year_3"]).any()
    assert (given["country_2"] < 0).any()
    (found,) = session(tmp_path / "t-item.onnx").run(None, given)
    np.testing.assert_allclose(found, towers.vectors(entities), atol=1e-4)
    space = run.space()
    of_items = (space.metadata["side"] == "item").to_numpy()
    by_id = dict(zip(space.metadata["item_id"][of_items], space.vectors[of_items], strict=True))
    np.testing.assert_allclose(found, np.stack([by_id[item] for item in table.index]), atol=1e-4)
    people = Entities("user", ["3", "new"], pd.DataFrame({"history": ["f1|f2", "f7"]}))
    names = ["id_0", "history_1"]
    given = {n: dense(r.read(people), np.arange(2)) for n, r in zip(names, towers.readers["user"], strict=True)}
    (found,) = session(tmp_path / "t-user.onnx").run(None, given)
    np.testing.assert_allclose(found, towers.vectors(people), atol=1e-4)
