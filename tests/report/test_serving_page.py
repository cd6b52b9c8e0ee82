"""What a page says of funnels and indexes, from runs of made-up numbers."""

from __future__ import annotations

import numpy as np
import pytest
from pages import Page

from lab.evaluation.intervals import difference_estimate
from lab.report.build import build
from lab.report.serving import serving_page
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run

USERS = 80


def point(name, kind, effort, recall, p50):
    found = {"recall@10": min(1.0, recall + 0.1), "recall@100": recall, "p50": p50, "p99": 3 * p50}
    return {"name": name, "kind": kind, "effort": effort, "build_seconds": 0.5, "bytes": 2_000_000, **found}


MEASURED = {
    "queries": {"count": 1000, "what": "users"}, "count": 5000, "dimension": 64, "metric": "cosine", "at": [10, 100],
    "points": [point("flat (exact)", "flat", 0, 1.0, 0.2), point("IVF, nprobe 1", "ivf", 1, 0.4, 0.01),
               point("IVF, nprobe 16", "ivf", 16, 0.97, 0.05), point("HNSW, efSearch 100", "hnsw", 100, 0.99, 0.08)],
    "chosen": {"kind": "hnsw", "effort": 100},
}  # fmt: skip


def funnel(workshop, gain, seed=0, measured=None):
    """A finished funnel whose second stage adds `gain` to what the first finds for eighty users."""
    run = workshop.run("funnel", seed, {"retriever": "run:abc"}, level=None)
    artifacts = Artifacts(run.path)
    rng = np.random.default_rng(seed)
    first = np.clip(0.3 + 0.1 * rng.standard_normal(USERS), 0, 1)
    second = first + gain + 0.01 * rng.standard_normal(USERS)
    ids = [f"user {i}" for i in range(USERS)]
    for metric in ("ndcg@10", "recall@10", "mrr@10"):
        artifacts.result("ranking", metric, float(second.mean()), split="test", n=USERS, primary=metric == "ndcg@10")
        artifacts.scores("ranking", metric, ids, second, split="test")
        artifacts.result("first_stage", metric, float(first.mean()), split="test", n=USERS)
        artifacts.scores("first_stage", metric, ids, first, split="test")
    means = [dict.fromkeys(("ndcg@10", "recall@10", "mrr@10"), float(v.mean())) for v in (first, second)]
    stages = {"candidates": 100, "at": 10, "first": {**means[0], "recall@100": 0.7}, "second": means[1]}
    told = {
        "judged": "test", "at": 10, "users": USERS, "stages": stages, "taught": {"users": 70, "pairs": 300},
        "beyond": {"coverage": 0.5, "gini": 0.7}, "slices": [],
        "milliseconds": {"users": 80, "first": {"p50": 0.3, "p99": 0.9}, "second": {"p50": 1.2, "p99": 2.0}},
    }  # fmt: skip
    artifacts.save_json("funnel", told)
    if measured:
        artifacts.save_json("serving", measured)
    write_json(run.path / "results.json", {"results": artifacts.results})
    return Run(run.path)


@pytest.fixture
def record(workshop):
    return workshop.study("served", {"funnel": [funnel(workshop, 0.05, seed, MEASURED) for seed in range(2)]})


def test_both_stages_stand_beside_each_other_with_their_difference(record):
    rows = record.rows()
    page = serving_page(rows)
    (row,) = page.stages["rows"]
    assert page.stages["head"][:4] == ["Row", "Candidates", "Found among them", "nDCG@10"]
    assert row[:3] == ["funnel", "100", ".700"]
    scores = [
        np.stack([run.scores(name, "ndcg@10", "test").sort_values("id")["value"] for run in rows[0].runs])
        for name in ("ranking", "first_stage")
    ]
    low, high = difference_estimate(*scores, paired=True).interval()
    assert f"[+{low:.3f}, +{high:.3f}]".replace("0.", ".") in row[3].replace("\u00a0", " ")
    assert row[-2:] == [".30 (p99 .90)", "1.20 (p99 2.00)"]
    assert "the second stage is worth having" in page.sentences[0]


def test_a_gain_inside_the_noise_is_said_to_be_none(workshop):
    page = serving_page(workshop.study("served", {"funnel": [funnel(workshop, 0.0)]}).rows())
    assert "is not worth it, it is inside the noise" in page.sentences[0]
    worse = serving_page(workshop.study("worse", {"funnel": [funnel(workshop, -0.05, 3)]}).rows())
    assert "makes the lists worse" in worse.sentences[0]
    assert not page.indexes
    assert not page.figures


def test_indexes_are_a_table_and_a_figure(record):
    page = serving_page(record.rows())
    ((table, figure),) = page.indexes
    assert table["rows"][0] == ["flat (exact)", "1.000", "1.000", ".200", ".600", ".50", "2.00"]
    assert table["rows"][3][0] == "HNSW, efSearch 100 (used)"
    assert "1,000 users as queries" in table["caption"]
    assert page.figures == [figure]
    assert "The quickest that finds 95 % is IVF, nprobe 16: .050 ms" in figure.caption


def test_the_page_holds_them(record):
    page = Page(build(record).read_text(encoding="utf-8"))
    assert any(element.text == "Serving" for element in page.all("h2"))
    assert any(element.text == "Both stages" for element in page.all("h3"))


def test_pages_about_other_things_have_no_such_part(workshop):
    assert serving_page(workshop.study("words", {"skip-gram": [workshop.run()]}).rows()) is None
