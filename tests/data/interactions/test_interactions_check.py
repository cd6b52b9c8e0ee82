"""The data check of pairs: `lab show` of a MovieLens folder, a table and packaged pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lab.data.interactions.check import check_pairs, shown_source
from lab.data.interactions.config import InteractionsConfig
from lab.data.show import holds_pairs, is_source
from lab.data.show import shown_source as shown
from lab.errors import UserError


@pytest.fixture
def ratings(put):
    """Forty users of a power law of thirty items, in a MovieLens folder; and each pair as the csv has it."""
    rng = np.random.default_rng(0)
    pairs = sorted({(int(u), int(30 * rng.random() ** 2)) for u in range(40) for _ in range(12)})
    lines = [f"{u},{i},{1 + (u + i) % 5},{1_000_000_000 + 3600 * n}" for n, (u, i) in enumerate(pairs)]
    put("films/ratings.csv", "\n".join(["userId,movieId,rating,timestamp", *lines, ""]))
    movies = "\n".join(f"{i},Film {i} (1999),Drama|War" for i in range(31))
    put("films/movies.csv", f"movieId,title,genres\n{movies}\n")
    return pairs


def test_everything_is_counted_and_is_plain_data(ratings, tmp_path):
    told = json.loads(json.dumps(check_pairs(InteractionsConfig(source=str(tmp_path / "films"))).to_dict()))
    users, items = (np.unique(side, return_counts=True)[1] for side in zip(*ratings, strict=True))
    assert told["columns"] == {"user": "userId", "item": "movieId", "value": "rating", "timestamp": "timestamp"}
    assert told["known"] == {"items": ["title", "year", "genres"]}
    assert told["density"] == pytest.approx(len(ratings) / (len(users) * len(items)))
    assert told["users"] == {
        "median": np.median(users), "least": users.min(), "most": users.max(), "single": (users == 1).sum()
    }  # fmt: skip
    assert told["head"] == pytest.approx(np.sort(items)[::-1][: round(len(items) / 5)].sum() / len(ratings))
    assert told["half"] * len(items) == pytest.approx(
        next(n for n in range(1, 99) if np.sort(items)[::-1][:n].sum() >= len(ratings) / 2)
    )
    assert told["span"][0] == "2001-09-09 01:46:40 UTC"
    assert [split["kind"] for split in told["splits"]] == [
        "random",
        "leave_last_out",
        "time",
        "cold_users",
        "cold_items",
    ]
    last = told["splits"][1]
    assert last["sizes"]["test"] == last["users"][0] == 40
    assert not last["problem"]
    assert told["splits"][3]["users"] == [0, 4]


def test_what_cleaning_would_do_is_listed_with_its_rows(put):
    rows = ["u1,a,5", "u1,a,4", ",b,3", "u2,b,bad", "u2", *(f"u{n % 9},i{n % 7},3" for n in range(60, 120))]
    file = put("pairs.csv", "\n".join(["user_id,item_id,rating", *rows, ""]))
    text = shown_source(str(file))
    assert "user = user_id, item = item_id, value = rating" in text
    assert "malformed         1: not as many cells (row 4)" in text
    assert "missing user      1: no user (row 2)" in text
    assert "(row 3)" in text
    assert "a run ends with an error for malformed, missing user, impossible value unless data.skip_broken=true" in text
    assert "the pair again; the first stays (row" in text
    assert "a run ends" not in shown_source(str(file), ["data.skip_broken=true"])
    assert "not possible: leave_last_out, time: needs times" in text
    assert "value below 4, no positive" in shown_source(str(file), ["positive_from=4"])


def test_which_sources_are_pairs(put, tmp_path):
    pairs = put("pairs.csv", "userId,movieId\n1,2\n")
    labelled = put("texts.csv", "user_id,item_id,text,label\n1,2,a b c,x\n")
    odd = put("odd.csv", "reader,book\nann,emma\nbob,emma\n")
    put("ml/u.data", "1\t2\t3\t4\n")
    assert holds_pairs(str(pairs), [])
    assert not holds_pairs(str(labelled), [])
    assert not holds_pairs(str(odd), [])
    assert holds_pairs(str(odd), ["data.user=reader", "item=book"])
    assert "user = reader, item = book" in shown(str(odd), ["data.user=reader", "item=book"])
    assert holds_pairs(str(tmp_path / "ml"), [])
    assert holds_pairs("wikipedia-links", [])
    assert not holds_pairs("digits", [])
    assert is_source(str(tmp_path / "ml" / "u.data"))
    assert is_source("wikipedia-search")


@pytest.mark.parametrize(
    ("name", "content", "keys", "error"),
    [
        ("empty.csv", "user_id,item_id\n", [], "no interactions left"),
        ("none.csv", "", ["user=a"], "an empty file"),
        ("other.csv", "user_id,thing\n1,2\n", ["data.user=user_id"], "which column is the item"),
        ("some.csv", "user_id,item_id\n1,2\n", ["data.usr=x"], r"unknown key data\.usr; did you mean data\.user"),
    ],
    ids=["empty", "nothing", "no item", "unknown key"],
)
def test_bad_data_end_with_one_line(put, name, content, keys, error):
    with pytest.raises(UserError, match=error):
        shown(str(put(name, content)), keys)


def test_packaged_links():
    text = shown("wikipedia-links", [])
    assert text.startswith("18,816 links of 3,998 users and 14,143 items")
    assert "of users     text, article, section" in text
    assert "0 + 400" in text
