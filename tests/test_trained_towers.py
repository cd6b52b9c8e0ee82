"""Towers read back from a run embed the run's own entities as it did, and new ones by what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lab
from lab.embed import embed_items
from lab.errors import UserError
from lab.terminal_words import print_neighbors

TOPICS = {
    "sea": "ship wave harbour sail tide",
    "hill": "stone path summit goat snow",
    "town": "tram market bridge lamp",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Queries and pages of three topics, with a table of features of every kind on each side, and their trained run."""
    home = tmp_path_factory.mktemp("towers")
    rng = np.random.default_rng(0)
    names = list(TOPICS)
    draw = lambda topic, n: " ".join(rng.choice(TOPICS[topic].split(), n))  # noqa: E731
    users = pd.DataFrame({"user_id": [f"q{i}" for i in range(36)], "text": [draw(names[i % 3], 3) for i in range(36)]})
    users["age"] = [None if i % 7 == 3 else str(20 + i) for i in range(36)]
    items = pd.DataFrame({"item_id": [f"p{i}" for i in range(30)]})
    items["title"] = [f"{names[i % 3].title()} number {i}" for i in range(30)]
    items["story"] = [f"{draw(names[i % 3], 8)} {i}" for i in range(30)]
    items["genres"] = [f"{names[i % 3]}|{'odd' if i % 2 else 'even'}" for i in range(30)]
    items["shelf"] = [None if i == 4 else f"shelf {i % 5}" for i in range(30)]
    items["price"] = [str(i * i) for i in range(30)]
    pairs = [(f"q{u}", f"p{p}") for u in range(36) for p in rng.permutation(10)[:5] * 3 + u % 3]
    users.to_csv(home / "users.csv", index=False)
    items.to_csv(home / "items.csv", index=False)
    pd.DataFrame(pairs, columns=["user_id", "item_id"]).to_csv(home / "pairs.csv", index=False)
    config = {
        "experiment": "two_tower",
        "data": {"source": str(home / "pairs.csv"), "users": str(home / "users.csv"), "items": str(home / "items.csv")},
        "dimension": 8,
        "user": {
            "features": [
                {"kind": "words", "ngrams": 2, "buckets": 512},
                {"kind": "number", "column": "age"},
                {"kind": "vectors"},
                {"kind": "history"},
            ],
            "combine": "concat",
        },
        "item": {
            "features": [
                {"kind": "id"},
                {"kind": "category", "column": "shelf"},
                {"kind": "categories", "column": "genres"},
                {"kind": "number", "column": "price", "scale": "rank"},
                {"kind": "number", "column": "price", "scale": "log"},
            ],
            "hidden": [12],
        },
        "train": {"epochs": 8, "batch_size": 64, "learning_rate": 0.02},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(home))
        yield lab.run(config, quiet=True), home


def histories(run, home):
    """What each user had in training, as cells."""
    from lab.config import load_recipe
    from lab.recommend import load_ranking_task

    config = load_recipe("two_tower").config.model_validate(run.config)
    task = load_ranking_task(config.data)
    items = np.array(task.interactions.items)
    rows = [items[task.train.indices[a:b]] for a, b in zip(task.train.indptr, task.train.indptr[1:], strict=False)]
    return dict(zip(task.interactions.users, ("|".join(row) for row in rows), strict=True))


@pytest.mark.parametrize("side", ["user", "item"])
def test_an_entity_encoded_anew_has_the_very_vector_of_the_space(shop, side, monkeypatch):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    table = pd.read_csv(home / f"{side}s.csv", dtype=str, keep_default_na=False)
    if side == "user":
        had = histories(run, home)
        table["history"] = [had[name] for name in table["user_id"]]
    table = table.sample(frac=1, random_state=3)  # nothing depends on what stands beside a row
    table.to_csv(home / f"again_{side}.csv", index=False)
    found, left_out = embed_items(run.id, str(home / f"again_{side}.csv"))
    assert not left_out
    space = run.space()
    place = {name: at for at, name in enumerate(space.metadata["item_id"]) if space.metadata["side"][at] == side}
    saved = space.vectors[[place[name] for name in found.ids]]
    assert np.allclose(found.vectors, saved, atol=2e-7)
    assert (found.metadata["side"] == side).all()


def test_each_row_alone_is_what_it_is_among_others(shop, monkeypatch):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    table = pd.read_csv(home / "items.csv", dtype=str, keep_default_na=False)
    encoder = run.encoder()
    whole, _ = encoder.embed_table(table, "items.csv")
    alone = [encoder.embed_table(table[i : i + 1], "items.csv")[0].vectors[0] for i in range(0, 30, 7)]
    assert np.allclose(alone, whole.vectors[::7], atol=2e-7)


def test_a_column_that_a_table_lacks_is_named(shop, monkeypatch):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    table = pd.read_csv(home / "items.csv", dtype=str, keep_default_na=False).drop(columns="genres")
    found, told = run.encoder().embed_table(table, "items.csv")
    assert len(found) == 30
    assert told == ["column genres of all rows: not in items.csv"]


def test_a_network_of_other_weights_is_refused(shop, monkeypatch):
    from lab.tower_readers import Entities, read
    from lab.training.two_tower_config import FeatureConfig

    monkeypatch.setenv("LAB_HOME", str(shop[1]))
    feature = FeatureConfig(kind="backbone", model="minilm-l6")
    with pytest.raises(UserError, match="has other weights now than those that the run was trained with"):
        read(feature, {"weights": "others"}, Entities("user", ["a"], new=True))


def test_a_new_query_finds_pages_of_its_topic(shop, monkeypatch, capsys):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    print_neighbors(run.id, ["a goat on a snow summit"], 5, None)
    out = capsys.readouterr().out
    assert "new text, as a user; nearest items" in out
    assert out.count("Hill number") >= 4
    assert "user q" not in out
    print_neighbors(run.id, ["Hill number 1"], 3, None)
    assert "new text" not in capsys.readouterr().out


def test_texts_are_embedded_and_those_without_a_known_word_left_out(shop, monkeypatch):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    (home / "new.txt").write_text("ship sail tide\nsnow goat\n")
    found, left_out = embed_items(run.id, str(home / "new.txt"))
    assert len(found) == 2
    assert not left_out
    assert np.isnan(run.encoder().encode(["", "ship"])).all(axis=1).tolist() == [True, False]
    with pytest.raises(UserError, match=r"not among .*; as a new text it holds nothing that the run knows"):
        print_neighbors(run.id, ["?!"], 3, None)


def test_what_a_run_does_not_read_is_told_in_one_line(shop, monkeypatch):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    pd.DataFrame({"colour": ["red"]}).to_csv(home / "colours.csv", index=False)
    with pytest.raises(UserError, match=r"no column that run .* reads \(users by id, text, age, history; items by id,"):
        embed_items(run.id, str(home / "colours.csv"))
    pd.DataFrame({"item_id": ["new"], "price": ["dear"]}).to_csv(home / "dear.csv", index=False)
    with pytest.raises(UserError, match="'dear', which is no number"):
        embed_items(run.id, str(home / "dear.csv"))


def test_a_run_that_reads_no_texts_says_so(shop, monkeypatch):
    run, home = shop
    monkeypatch.setenv("LAB_HOME", str(home))
    ids = {key: value for key, value in run.config["data"].items() if key == "source"}
    plain = lab.run({"experiment": "two_tower", "data": ids, "dimension": 4, "train": {"epochs": 1}}, quiet=True)
    with pytest.raises(UserError, match=r"not among the 66 items of 'pairs'; run \w+ reads no texts"):
        print_neighbors(plain.id, ["Hill number one"], 3, None)
    (home / "new.txt").write_text("ship sail tide\n")
    with pytest.raises(UserError, match="reads no texts"):
        embed_items(plain.id, str(home / "new.txt"))
