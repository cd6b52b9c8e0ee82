"""Packaged interactions, and the data sets that stand for what a user brings."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lab.data.interactions.config import InteractionSplitConfig
from lab.data.interactions.split import split_interactions
from lab.data.wikipedia import articles


def test_wikipedia_links_are_those_of_the_paragraphs(load):
    found = load("wikipedia-links")
    links = {
        (f"{article.title}/{at}/{number}", link.target)
        for article in articles()
        for at, section in enumerate(article.sections)
        for number, paragraph in enumerate(section.paragraphs)
        for link in paragraph.links
        if paragraph.kind == "prose"
    }
    assert {(found.users[u], found.items[i]) for u, i in zip(found.user, found.item, strict=True)} == links
    assert len(found) == len(links) == 18_816
    assert (len(found.users), len(found.items)) == (3_998, 14_143)
    assert found.item_table.text.tolist() == found.items
    assert found.user_table.text.str.split().str.len().median() > 30


def test_wikipedia_search_finds_a_section_by_its_heading(load):
    found = load("wikipedia-search")
    assert len(found) == len(found.items) == 1_537
    at = found.users.index("Albert Einstein: Travels abroad") if "Albert Einstein: Travels abroad" in found.users else 0
    row = int(np.flatnonzero(found.user == at)[0])
    assert found.item_table.article.iloc[found.item[row]] == found.user_table.article.iloc[at]
    assert (found.item_table.text.str.split().str.len() >= 10).all()
    parts = split_interactions(found, InteractionSplitConfig(kind="cold_users"))
    assert len(parts.test) == 154


@pytest.mark.realdata
def test_movielens_as_the_csv_module_reads_it(shared_data, load, triples):
    folder = shared_data / "ml-latest-small"
    found = load(folder)
    with open(folder / "ratings.csv", newline="", encoding="utf-8") as file:
        rows = [(r["userId"], r["movieId"], float(r["rating"]), float(r["timestamp"])) for r in csv.DictReader(file)]
    assert triples(found) == rows
    assert (len(found.users), len(found.items)) == (610, 9_724)
    assert sum(step.count for step in found.cleaning) == 0
    with open(folder / "movies.csv", newline="", encoding="utf-8") as file:
        titles = {r["movieId"]: r["title"] for r in csv.DictReader(file)}
    assert found.item_table.title.tolist() == [titles[item].strip() for item in found.items]
    assert found.item_table.genres.map(len).mean() > 2
    core = load(folder, k_core=5, positive_from=4)
    assert core.value.min() >= 4
    assert min(np.bincount(core.user).min(), np.bincount(core.item).min()) >= 5


@pytest.mark.realdata
def test_movielens_splits(shared_data, load):
    found = load(shared_data / "ml-latest-small")
    sizes = {}
    for kind in ("random", "leave_last_out", "time", "cold_users", "cold_items"):
        parts = split_interactions(found, InteractionSplitConfig(kind=kind))
        sizes[kind] = [len(index) for index in parts.parts().values()]
        assert sum(sizes[kind]) == 100_836
    assert sizes["random"] == [81_200, 9_818, 9_818]
    assert sizes["leave_last_out"] == [99_616, 610, 610]
    assert abs(np.array(sizes["time"]) / 100_836 - [0.8, 0.1, 0.1]).max() < 0.001


@pytest.mark.realdata
def test_scifact_ranks_the_whole_corpus(shared_data, load):
    folder = shared_data / "scifact"
    found = load(
        folder / "beir_qrels_test.tsv",
        users=str(folder / "beir_queries.jsonl"),
        items=str(folder / "corpus_train.csv"),
        item_id="doc_id",
        catalogue="all",
        positive_from=1,
    )
    assert (len(found), len(found.users), len(found.items)) == (339, 300, 5_183)
    with open(folder / "beir_queries.jsonl", encoding="utf-8") as file:
        queries = {(row := json.loads(line))["_id"]: row["text"] for line in file}
    assert found.user_table.text.tolist() == [queries[user] for user in found.users]
    assert found.item_table.title.notna().all()
    assert all(step.count == 0 for step in found.cleaning)
