"""What a page says of rankings, from runs of made-up numbers."""

from __future__ import annotations

import numpy as np
import pytest
from pages import Page

from lab.report.build import build
from lab.report.numbers import judge_noun, spoken
from lab.report.rankings import rankings_page
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run

USERS = 60


def ranked(workshop, experiment, level, lift, seed=0, kind="random"):
    """A finished run that ranked for sixty users, and told what its lists are like."""
    method = {"method": {"name": "ease"}} if experiment == "recommender" else {"objective": {"kind": "in_batch"}}
    config = {**method, "data": {"source": "pairs.csv", "split": {"kind": kind}}}
    run = workshop.run(experiment, seed, config, level=None)
    artifacts = Artifacts(run.path)
    values = np.clip(level + 0.1 * np.random.default_rng(seed).standard_normal(USERS), 0, 1)
    ids = [f"user {i}" for i in range(USERS)]
    artifacts.result("ranking", "ndcg@10", float(values.mean()), split="test", n=USERS, primary=True)
    artifacts.scores("ranking", "ndcg@10", ids, values, split="test")
    counts = {"users_known": 50, "users_unknown": 10, "items_known": 40, "items_unknown": 5, "warm_users": 48,
              "cold_users": 9, "interactions": 300, "interactions_known": 250}  # fmt: skip
    told = {
        "at": 10, "judged": "test", "users": USERS,
        "beyond": {"coverage": 0.5, "gini": 0.7, "popularity_lift": lift},
        "slices": [{"by": "user", "slice": "warm", "users": 50, "ndcg@10": level},
                   {"by": "user", "slice": "cold", "users": 10, "ndcg@10": level / 2}],
        "cleaning": [{"name": "duplicates", "count": 3, "what": "the same pair again"},
                     {"name": "bots", "count": 0, "what": "none"}],
        "split": {"how": "of each user, 80 / 10 / 10 %", "notes": [], "sizes": {"train": 2000},
                  "scorable": {"validation": {**counts, "interactions": 0}, "test": counts}},
    }  # fmt: skip
    artifacts.save_json(experiment, told)
    write_json(run.path / "results.json", {"results": artifacts.results})
    return Run(run.path)


@pytest.fixture
def record(workshop):
    runs = {
        "two towers": [ranked(workshop, "two_tower", 0.4, 0.6, seed) for seed in range(3)],
        "EASE": [ranked(workshop, "recommender", 0.3, 0.9)],
    }
    return workshop.study("pairs", runs)


def test_the_page_says_for_whom_and_what_the_lists_are_like(record):
    page = rankings_page(record.rows())
    assert page.slices["head"] == ["Row", "Users that training knows (50)", "New users (10)"]
    assert page.slices["rows"] == [["two towers", ".400", ".200"], ["EASE", ".300", ".150"]]
    head, row = page.beyond["head"], page.beyond["rows"][1]
    assert head == ["Row", "nDCG@10", "Coverage", "Gini", "Popularity lift"]
    assert row[2:] == [".500", ".700", ".900"]
    assert len(page.beyond["notes"]) == 3
    assert page.figure.alt.startswith("two towers: nDCG@10 .4")
    (split,) = page.splits
    assert split["rows"][1] == ["test", "300", "50 + 10", "40 + 5", "48 + 9", "250"]
    assert page.cleaning["rows"] == [["duplicates", "3", "the same pair again"]]


def test_users_are_called_users(record):
    html = build(record).read_text(encoding="utf-8")
    page = Page(html)
    assert "60 test users" in html
    assert "test items" not in html
    assert "Ndcg" not in html
    assert any(element.text == "For whom the lists are good" for element in page.all("h3"))


def test_pages_about_other_things_have_no_such_part(workshop):
    assert rankings_page(workshop.study("words", {"skip-gram": [workshop.run()]}).rows()) is None


def test_names_with_a_cutoff():
    assert spoken("ndcg@10") == "nDCG@10"
    assert spoken("recall@20") == "recall@20"
    assert spoken("simlex999") == "SimLex-999"
    assert judge_noun("ranking") == "test user"
    assert judge_noun("simlex999") == "test item"


def test_the_same_method_under_two_splits_is_one_sentence(workshop):
    runs = {kind: [ranked(workshop, "recommender", level, 0.5, kind=kind)] for kind, level in (("random", 0.33),
            ("time", 0.16))}  # fmt: skip
    page = rankings_page(workshop.study("splits", runs).rows())
    assert page.figure is None
    assert "nDCG@10 of EASE goes from .3" in page.by_split.caption
    assert "(one moment)" in page.by_split.caption
    assert len(page.splits) == 1
