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
HOW = {"random": "of each user, 80 / 10 / 10 %", "time": "before and after one moment"}


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
        **({"below_popularity": "below the most popular items: ndcg@10 .3 against .4"} if lift > 0.8 else {}),
        "cleaning": [{"name": "duplicates", "count": 3, "what": "the same pair again"},
                     {"name": "bots", "count": 0, "what": "none"}],
        "split": {"how": HOW[kind], "notes": [], "sizes": {"train": 2000},
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
    (group,) = page.groups
    assert group.title == ""
    assert group.slices["head"] == ["Row", "Users that training knows (50)", "New users (10)"]
    assert group.slices["rows"] == [["two towers", ".400", ".200"], ["EASE", ".300", ".150"]]
    head, row = group.beyond["head"], group.beyond["rows"][1]
    assert head == ["Row", "nDCG@10", "Coverage", "Gini", "Popularity lift"]
    assert row[2:] == [".500", ".700", ".900"]
    assert len(group.beyond["notes"]) == 4
    assert group.beyond["notes"][-1] == "EASE: below the most popular items: nDCG@10 .3 against .4."
    assert page.figure.alt.startswith("two towers: nDCG@10 .4")
    assert group.split["rows"][1] == ["test", "300", "50 + 10", "40 + 5", "48 + 9", "250"]
    assert page.cleaning["rows"] == [["duplicates", "3", "the same pair again"]]


def test_users_are_called_users(record):
    html = build(record).read_text(encoding="utf-8")
    page = Page(html)
    assert "60 test users" in html
    assert "60 test items" not in html
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


@pytest.fixture
def splits(workshop):
    """Two rows under two splits each."""
    runs = {}
    for kind, how, level in (("random", "random split of each user", 0.33), ("time", "split at one moment", 0.16)):
        runs[f"two towers, {how}"] = [ranked(workshop, "two_tower", level / 2, 0.2, seed, kind) for seed in range(3)]
        runs[f"EASE, {how}"] = [ranked(workshop, "recommender", level, 0.5, kind=kind)]
    return workshop.study("splits", runs)


def test_the_same_method_under_two_splits_is_one_figure_and_one_sentence(splits):
    page = rankings_page(splits.rows())
    assert page.sentence.startswith("By the split alone, nDCG@10 of EASE goes from .330 (random) to .160 (one moment)")
    assert page.by_split.alt.startswith("nDCG@10 of two towers: random .165 and one moment .080; nDCG@10 of EASE")
    assert "one moment: 10 beside 50" in page.by_split.caption
    assert page.figure is None


def test_rows_of_two_splits_share_no_table_and_are_called_what_they_are(splits):
    first, second = rankings_page(splits.rows()).groups
    assert [first.title, second.title] == ["Random split of each user", "Split at one moment"]
    for group in (first, second):
        assert [row[0] for row in group.beyond["rows"]] == ["two towers", "EASE"]
    html = build(splits).read_text(encoding="utf-8")
    page = Page(html)
    titles = [element.text for element in page.all("h3")]
    assert "Ranking nDCG@10 (random split of each user)" in titles
    assert "Ranking nDCG@10 (split at one moment)" in titles
    assert "By the split alone" in html
    assert html.count("EASE, split at one moment") < html.count(">EASE<")


def test_rows_without_words_in_common_are_told_apart_by_how_they_were_split(workshop):
    runs = {kind: [ranked(workshop, "recommender", 0.3, 0.5, kind=kind)] for kind in ("random", "time")}
    page = rankings_page(workshop.study("plain", runs).rows())
    assert [group.title for group in page.groups] == ["Of each user, 80 / 10 / 10 %", "Before and after one moment"]
