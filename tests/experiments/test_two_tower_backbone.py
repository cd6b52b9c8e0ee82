"""A network whose last block is trained with the towers: end to end, resumed, read back, and told of what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lab
from lab.errors import UserError
from lab.runs.writer import RunWriter

TOPICS = ["ships sail on the sea", "goats climb a snowy hill", "trams run through the town"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What is frozen is computed once for all tests of this file."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def pairs(home, cache, monkeypatch):
    """Eighteen queries of three topics and the pages they belong to."""
    monkeypatch.setenv("LAB_CACHE", str(cache))
    rng = np.random.default_rng(0)
    queries = pd.DataFrame({"user_id": [f"q{i}" for i in range(18)]})
    queries["text"] = [f"query {i}: {' '.join(rng.permutation(TOPICS[i % 3].split()))}" for i in range(18)]
    pages = pd.DataFrame({"item_id": [f"p{i}" for i in range(12)]})
    pages["text"] = [f"{' '.join(rng.permutation(TOPICS[i % 3].split()))}, page {i}" for i in range(12)]
    rows = [(f"q{u}", f"p{p}") for u in range(18) for p in range(u % 3, 12, 3)]
    queries.to_csv(home / "queries.csv", index=False)
    pages.to_csv(home / "pages.csv", index=False)
    pd.DataFrame(rows, columns=["user_id", "item_id"]).to_csv(home / "pairs.csv", index=False)
    return {"source": str(home / "pairs.csv"), "users": str(home / "queries.csv"), "items": str(home / "pages.csv")}


def config(pairs, **network):
    feature = {"kind": "backbone", "model": "minilm-l6", "max_length": 16, **network}
    return {
        "experiment": "two_tower",
        "data": {**pairs, "split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
        "dimension": 8,
        "user": {"features": [{"kind": "backbone", "model": "minilm-l6", "max_length": 16}]},
        "item": {"features": [feature, {"kind": "id"}]},
        "train": {"epochs": 3, "batch_size": 16, "learning_rate": 0.01},
    }


@pytest.mark.slow
def test_a_trained_block_is_kept_read_back_and_resumed_bit_for_bit(pairs, home, monkeypatch):
    asked = config(pairs, frozen_depth="all-1", learning_rate=1e-3)
    run = lab.run(asked, quiet=True)
    kept, whole = run.tensors("towers"), run.space()
    trained = {name.split(".")[5] for name in kept if ".backbone." in name}
    assert trained == {"6"}  # of seven blocks, the embeddings among them
    assert any("activations after" in line for line in run.log.splitlines())
    again, left_out = run.encoder().embed_table(pd.read_csv(home / "pages.csv"), "pages.csv")
    assert not left_out
    items = np.flatnonzero(whole.metadata["side"] == "item")
    saved = dict(zip(whole.metadata["item_id"][items], whole.vectors[items], strict=True))
    assert np.allclose(again.vectors, [saved[name] for name in again.ids], atol=1e-5)

    monkeypatch.setenv("LAB_HOME", str(home / "other"))
    heard, counted = RunWriter.check_interrupt, []

    def stop(self):
        counted.append(True)
        if len(counted) == 10:
            raise KeyboardInterrupt
        heard(self)

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "check_interrupt", stop)
        with pytest.raises(KeyboardInterrupt):
            lab.run(asked, quiet=True)
    resumed = lab.run(asked, quiet=True)
    assert resumed.info["resumed"]
    assert np.array_equal(resumed.space().vectors, whole.vectors)
    assert all(np.array_equal(array, resumed.tensors("towers")[name]) for name, array in kept.items())


def test_a_depth_that_the_network_does_not_have_is_told_before_anything_is_read(pairs):
    with pytest.raises(UserError, match=r"item\.features: frozen_depth: 9: the backbone has 7 blocks"):
        lab.run(config(pairs, frozen_depth=9), quiet=True)
    with pytest.raises(UserError, match="learning_rate: means nothing with kind: backbone without a frozen_depth"):
        lab.run(config(pairs, learning_rate=1e-3), quiet=True)


@pytest.mark.slow
def test_pictures_of_items_are_read_and_new_ones_find_users(pairs, home, capsys):
    from PIL import Image

    from lab.embed import embed_items
    from lab.terminal_words import print_neighbors

    pages = pd.read_csv(home / "pages.csv").drop(columns="text")
    (home / "new").mkdir()
    for number in range(12):
        colour = tuple(60 + 90 * (number % 3 == channel) + number for channel in range(3))
        Image.new("RGB", (40, 40), colour).save(home / f"{number}.png")
    Image.new("RGB", (40, 40), (64, 62, 155)).save(home / "new" / "blue.png")
    pages["picture"] = [str(home / f"{number}.png") if number else None for number in range(12)]
    pages.to_csv(home / "pages.csv", index=False)
    asked = config(pairs, column="picture", model="efficientnet-lite0")
    del asked["item"]["features"][0]["max_length"]
    run = lab.run(asked | {"user": {"features": [{"kind": "id"}]}}, quiet=True)
    assert run.encoder().kind == "image"
    found, _ = embed_items(run.id, str(home / "new"))
    assert list(found.ids) == ["blue.png"]
    print_neighbors(run.id, [str(home / "new" / "blue.png")], 3, None)
    out = capsys.readouterr().out
    assert "new picture, as an item; nearest users" in out
    assert sum(line.startswith("  query ") for line in out.splitlines()) == 3
    asked["item"]["features"][0]["frozen_depth"] = "all-1"
    with pytest.raises(UserError, match="all-1: 1 of the items have no picture in column 'picture'"):
        lab.run(asked, quiet=True)
