from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from scored_runs import ITEMS, scored, seeds_of

import lab
from lab.errors import UserError
from lab.report.comparison import compare
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run


@pytest.fixture
def two_rows(workshop):
    rows = {"architecture=cbow": seeds_of(workshop, 0.22, "c"), "architecture=skipgram": seeds_of(workshop, 0.36, "s")}
    return workshop.study("two", rows)


class TestTheAnswer:
    def test_is_one_or_two_plain_sentences(self, two_rows):
        assert compare(two_rows).answer == (
            "Skip-gram: WordSim-353 Spearman .36 [.30, .41]. CBOW: .21 [.14, .28], worse by .142 [.113, .171]."
        )

    def test_rows_that_cannot_be_told_apart(self, workshop):
        rows = {"a": seeds_of(workshop, 0.30, "a", spread=0.03), "b": seeds_of(workshop, 0.30, "b", spread=0.03)}
        comparison = compare(workshop.study("close", rows))
        assert "cannot be told from it (difference -." in comparison.answer
        assert [row.best for row in comparison.tables[0].rows] == [True, True]
        (sentence,) = comparison.settle
        assert "truly differed by .01" in sentence
        assert "for 80 % it would take" in sentence

    def test_equivalent_rows(self, workshop):
        rows = {name: seeds_of(workshop, 0.3, name, noise=0.002, spread=0.0005) for name in "ab"}
        comparison = compare(workshop.study("same", rows))
        assert ", equivalent within .01 (difference " in comparison.answer
        assert comparison.settle == []

    def test_a_real_difference_that_does_not_matter(self, workshop):
        levels = {"a": 0.304, "b": 0.3}
        rows = {name: seeds_of(workshop, level, name, noise=0.002, spread=0) for name, level in levels.items()}
        assert ", less than the .01 that matters." in compare(workshop.study("small", rows)).answer

    def test_lower_is_better(self, workshop):
        about = {"metric": "loss", "higher_is_better": False}
        rows = {name: seeds_of(workshop, level, name, **about) for name, level in {"high": 4.0, "low": 3.0}.items()}
        comparison = compare(workshop.study("losses", rows))
        assert comparison.answer.startswith("low: WordSim-353 loss (lower is better) 2.99")
        assert ", worse by 1.0" in comparison.answer
        assert [row.best for row in comparison.tables[0].rows] == [False, True]

    def test_a_long_table_is_summed_up(self, workshop):
        levels = {"a": 0.5, "b": 0.499, "c": 0.3, "d": 0.2, "e": 0.1}
        rows = {name: seeds_of(workshop, level, name) for name, level in levels.items()}
        answer = compare(workshop.study("long", rows)).answer
        assert "The other 3 rows are worse, the nearest of them (c, ." in answer
        assert answer.count(". ") == 2

    def test_a_single_run(self, workshop):
        comparison = compare(scored(workshop, 0.3))
        (table,) = comparison.tables
        assert comparison.answer.startswith("word2vec: WordSim-353 Spearman .29 [")
        assert not table.pairs
        assert not table.rows[0].best
        assert "one seed a row says nothing of other seeds" in table.protocol


class TestSeeds:
    @pytest.mark.parametrize("seeds", [1, 2])
    def test_fewer_than_three_name_no_winner(self, workshop, seeds):
        rows = {"a": seeds_of(workshop, 0.9, "a", seeds), "b": seeds_of(workshop, 0.1, "b", seeds)}
        comparison = compare(workshop.study("few", rows))
        assert "worse" not in comparison.answer
        assert comparison.answer.endswith("With fewer than three seeds a row no winner is named.")
        assert {pair.difference.verdict for pair in comparison.pairs} == {"cannot tell"}
        assert comparison.settle[0].startswith("A winner is named from three seeds a row on: a has ")
        assert "fewer than 3 seeds" in repr(comparison)

    def test_a_deterministic_recipe_needs_one(self, workshop):
        fixed = scored(workshop, 0.9, key="p", experiment="pretrained")
        comparison = compare(workshop.study("mixed", {"mine": seeds_of(workshop, 0.3, "m"), "theirs": [fixed]}))
        mine, theirs = comparison.tables[0].rows
        assert (theirs.status, theirs.best, mine.best) == ("deterministic", True, False)
        assert "worse by" in comparison.answer

    def test_identical_seeds_are_deterministic(self, workshop):
        same = [scored(workshop, 0.5, seed, spread=0, noise=0) for seed in range(3)]
        (table,) = compare(*same).tables
        assert table.rows[0].status == "deterministic"
        assert "nothing else varied" in table.protocol

    def test_failed_seeds_are_told(self, workshop):
        broken = workshop.run(seed=2, level=None, status="failed", error="ValueError: no room")
        rows = {"a": [*seeds_of(workshop, 0.3, "a", 2), broken], "b": seeds_of(workshop, 0.2, "b")}
        table = compare(workshop.study("broken", rows)).tables[0]
        assert table.rows[0].status == "2 of 3 seeds, 1 failed: ValueError: no room"
        assert table.rows[0].seeds == 2

    def test_a_row_without_a_finished_run_stands_in_the_table(self, workshop):
        broken = workshop.run(seed=0, level=None, status="failed", error="ValueError: no room")
        study = workshop.study("one-broken", {"a": seeds_of(workshop, 0.3, "a"), "b": [broken]})
        comparison = compare(study)
        assert [(row.label, row.value) for row in comparison.tables[0].rows][1] == ("b", None)
        assert "0 of 1 seed, 1 failed: ValueError: no room" in comparison.to_markdown()
        assert comparison.to_frame()["value"].isna().tolist() == [False, True]

    def test_matching_seeds_are_paired(self, workshop):
        matching = compare(*seeds_of(workshop, 0.3, "a"), *seeds_of(workshop, 0.2, "b"))
        other = compare(*seeds_of(workshop, 0.3, "c"), *(scored(workshop, 0.2, s, key="d") for s in (7, 8, 9)))
        assert [c.pairs[0].difference.paired for c in (matching, other)] == [True, False]
        assert "paired by item and seed" in matching.protocol
        assert "paired by item, Holm" in other.protocol


class TestWhatSharesATable:
    def test_other_test_items_have_a_table_of_their_own(self, workshop):
        rows = {"a": seeds_of(workshop, 0.3, "a"), "b": seeds_of(workshop, 0.3, "b", items=100)}
        comparison = compare(workshop.study("items", rows))
        assert [table.title for table in comparison.tables] == [
            "WordSim-353 Spearman (150 test items)",
            "WordSim-353 Spearman (100 test items)",
        ]
        assert comparison.pairs == []

    @pytest.mark.parametrize(
        ("about", "headed"),
        [
            ({"test_fingerprint": "t2"}, "test set t2"),
            ({"protocol": "missing words count as zero"}, "missing words count as zero"),
            ({"ids": [f"other {i}" for i in range(ITEMS)]}, "items "),
            ({"higher_is_better": False}, "lower is better"),
            ({"scores": False}, "no scores per item"),
        ],
    )
    def test_tables_are_headed_by_what_differs(self, workshop, about, headed):
        rows = {"a": seeds_of(workshop, 0.3, "a"), "b": seeds_of(workshop, 0.3, "b", **about)}
        tables = compare(workshop.study("apart", rows)).tables
        assert len(tables) == 2
        assert headed in tables[1].title
        assert len({table.title for table in tables}) == 2

    def test_only_what_differs_is_in_the_heading(self, workshop):
        told = "loss of predicting a word from {}, {} predictions; lower is better"
        rows = {
            "a": seeds_of(workshop, 0.3, "a", protocol=told.format("its window", "6,611")),
            "b": seeds_of(workshop, 0.3, "b", protocol=told.format("one neighbour", "32,856"), test_fingerprint="t2"),
        }
        assert [table.title for table in compare(workshop.study("losses", rows)).tables] == [
            "WordSim-353 Spearman (loss of predicting a word from its window; 6,611 predictions)",
            "WordSim-353 Spearman (loss of predicting a word from one neighbour; 32,856 predictions)",
        ]

    def test_items_are_matched_by_id_not_by_place(self, workshop):
        values = 0.4 * np.random.default_rng(0).standard_normal(ITEMS)
        runs = []
        for key, order in (("a", np.arange(ITEMS)), ("b", np.arange(ITEMS)[::-1])):
            for seed in range(3):
                run = scored(workshop, 0.3, seed, key=key, scores=False)
                artifacts = Artifacts(run.path)
                shown = values + (0.001 * seed + (0.1 if key == "b" else 0))
                artifacts.scores("wordsim353", "spearman", [f"pair {i}" for i in order], shown[order])
                runs.append(run)
        (pair,) = compare(*runs).pairs
        assert pair.difference.value == pytest.approx(-0.1)
        assert pair.difference.high - pair.difference.low < 1e-6

    def test_parts_of_a_test_are_not_rows(self, workshop):
        run = scored(workshop, 0.3)
        results = json.loads((run.path / "results.json").read_text())["results"]
        part = {**results[0], "label": "section 1", "primary": False}
        write_json(run.path / "results.json", {"results": [*results, part]})
        assert len(compare(Run(run.path), metric="spearman").tables) == 1

    def test_without_scores_nothing_is_said_of_differences(self, workshop):
        rows = {name: seeds_of(workshop, level, name, scores=False) for name, level in [("a", 0.3), ("b", 0.2)]}
        comparison = compare(workshop.study("bare", rows))
        (table,) = comparison.tables
        assert table.pairs == []
        assert not any(row.best for row in table.rows)
        assert table.rows[0].low < table.rows[0].value < table.rows[0].high
        assert comparison.answer.endswith("No scores per item were kept, so no verdict is given.")

    def test_the_same_config_on_changed_data_is_another_row(self, workshop):
        data = {"fingerprint": "9" * 32, "counts": {"documents": 107}, "description": "107 articles"}
        before, after = seeds_of(workshop, 0.3, "a"), seeds_of(workshop, 0.4, "a", info={"data": data})
        labels = [row.label for row in compare(*before, *after).tables[0].rows]
        assert labels == ["word2vec (data ffff)", "word2vec (data 9999)"]


class TestMetrics:
    @pytest.fixture
    def runs(self, workshop):
        found = []
        for key, level in (("a", 0.4), ("b", 0.2)):
            for run in seeds_of(workshop, level, key):
                more = Artifacts(run.path)
                more.results = run.results.to_dict("records")
                for metric, split in (("pearson", "test"), ("loss", "validation")):
                    values = np.linspace(0, 1, 20) + 0.01 * run.seed
                    more.scores("wordsim353", metric, map(str, range(20)), values, split=split)
                    more.result("wordsim353", metric, values.mean(), split=split, n=20, primary=metric == "loss")
                write_json(run.path / "results.json", {"results": more.results})
                found.append(Run(run.path))
        return found

    def test_primary_metrics_on_test_items_come_by_default(self, runs):
        assert [(t.metric, t.split, t.primary) for t in compare(*runs).tables] == [("spearman", "test", True)]

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("pearson", {"pearson"}),
            ("wordsim353/Pearson", {"pearson"}),
            ("wordsim353 spearman", {"spearman"}),
            ("wordsim353", {"spearman", "pearson"}),
            ("loss", {"loss"}),
            ("wordsim353/validation", {"loss"}),
        ],
    )
    def test_others_by_name(self, runs, asked, found):
        tables = compare(*runs, metric=asked).tables
        assert {table.metric for table in tables} == found
        assert not any(table.primary for table in tables)

    def test_validation_data_are_named_as_such(self, runs):
        assert compare(*runs, metric="loss").tables[0].title == "WordSim-353 loss on validation data"

    def test_a_metric_that_nobody_has(self, runs):
        with pytest.raises(UserError, match=r"no run has a result 'spaerman'; nearest: .*spearman"):
            compare(*runs, metric="spaerman")

    def test_a_row_without_it_is_noted(self, workshop, runs):
        other = scored(workshop, 0.3, key="other", primary=False, metric="kendall", experiment="pretrained")
        notes = compare(*runs, other).notes
        assert notes == ["pretrained is in no table: it has no primary result."]


class TestTargets:
    def test_references_and_lists(self, two_rows):
        whole = compare(two_rows)
        assert compare("two") == compare(str(two_rows.path)) == compare([two_rows.rows()]) == whole
        run = two_rows.runs()[0]
        assert compare(run.id) == compare(run) == compare(run.path)

    def test_a_run_counts_once(self, two_rows):
        assert compare(two_rows, two_rows.runs(), "two") == compare(two_rows)

    def test_rows_of_two_studies_are_told_apart(self, workshop):
        first = workshop.study("first", {"a": seeds_of(workshop, 0.3, "x")})
        second = workshop.study("second", {"a": seeds_of(workshop, 0.3, "y")})
        assert [row.label for row in compare(first, second).tables[0].rows] == ["a (first)", "a (second)"]

    def test_loose_runs_are_folded_by_config(self, workshop):
        table = compare(*seeds_of(workshop, 0.3, "a"), *seeds_of(workshop, 0.2, "b")).tables[0]
        assert [(row.label, row.seeds) for row in table.rows] == [("row=a", 3), ("row=b", 3)]

    def test_what_cannot_be_compared(self, home):
        with pytest.raises(UserError, match="name studies or runs"):
            compare()
        with pytest.raises(UserError, match="not int"):
            compare(3)
        with pytest.raises(UserError, match="nowhere"):
            compare("nowhere")
        with pytest.raises(UserError, match="margin must be above 0"):
            compare("x", margin=0)

    def test_a_study_that_has_not_begun(self, workshop):
        broken = workshop.run(seed=0, level=None, status="failed", error="ValueError: no room")
        comparison = compare(workshop.study("nothing", {"a": [broken]}))
        assert comparison.tables == []
        assert comparison.answer == "a: 0 of 1 seed, 1 failed: ValueError: no room."
        assert repr(comparison)
        assert comparison.to_frame().empty


class TestBy:
    @pytest.fixture
    def grid(self, workshop):
        rows = {}
        for window in (2, 5):
            for kind, level in (("cbow", 0.2), ("skipgram", 0.3)):
                config = {"model": {"architecture": kind, "window": window}}
                rows[kind, window] = seeds_of(workshop, level, f"{kind}{window}", config=config)
        return [run for runs in rows.values() for run in runs]

    def test_other_settings_are_held_fixed(self, grid):
        comparison = compare(*grid, by="architecture")
        assert [table.title for table in comparison.tables] == [
            "WordSim-353 Spearman (window=2)",
            "WordSim-353 Spearman (window=5)",
        ]
        labels = [[row.label for row in table.rows] for table in comparison.tables]
        assert labels == [["architecture=cbow", "architecture=skipgram"]] * 2
        assert len(compare(*grid).pairs) == 6
        assert len(comparison.pairs) == 2

    def test_a_setting_that_does_not_differ(self, grid):
        with pytest.raises(UserError, match=r"by='windov': expected .*model\.window"):
            compare(*grid, by="windov")


class TestViews:
    def test_plain_data(self, two_rows):
        plain = compare(two_rows).to_dict()
        table = json.loads(json.dumps(plain, allow_nan=False))["tables"][0]
        assert table["ranked"] == ["architecture=skipgram", "architecture=cbow"]
        assert table["pairs"][0]["difference"]["verdict"] == "worse"
        assert table["rows"][0]["values"].keys() == {"0", "1", "2"}

    def test_frame(self, two_rows):
        frame = compare(two_rows).to_frame()
        assert frame["row"].tolist() == ["architecture=cbow", "architecture=skipgram"]
        assert frame["best"].tolist() == [False, True]
        assert frame["verdict"].tolist()[0] == "worse"
        gap = frame["value"][0] - frame["value"][1]
        assert frame["difference"][0] == pytest.approx(gap)
        assert frame["difference_low"][0] < gap < frame["difference_high"][0] < 0

    def test_markdown(self, two_rows):
        lines = compare(two_rows).to_markdown().splitlines()
        assert "| architecture=skipgram | 3 seeds | **.36 [.30, .41]** |  |" in lines
        assert "| architecture=cbow | 3 seeds | .21 [.14, .28] | -.142 [-.171, -.113], worse |" in lines
        assert any(".250 (.250)" in line for line in lines)  # the permutation with the least it could be

    def test_plain_text(self, two_rows):
        shown = repr(compare(two_rows)).splitlines()
        assert "* architecture=skipgram  3 seeds  .36 [.30, .41]" in shown
        assert any(line.startswith("95 % intervals over 3 seeds and 150 test items") for line in shown)

    @pytest.mark.parametrize(
        "label",
        ["<script>alert(1)</script>", "a\"b'c&d", "x|y", "*bold* _i_ `c`", "\u202eright", "a\nb", "\x1b[31mred"],
    )
    def test_labels_show_as_they_are(self, workshop, label):
        rows = {label: seeds_of(workshop, 0.3, "a"), "other": seeds_of(workshop, 0.2, "b")}
        comparison = compare(workshop.study("odd", rows))
        reader = Texts()
        reader.feed(comparison._repr_html_())
        assert label in reader.texts
        assert reader.tags <= {"p", "h4", "table", "tr", "td", "th", "small", "strong", "details", "summary"}
        assert "\x1b" not in repr(comparison)
        assert "<script" not in comparison.to_markdown()
        rows_shown = [line for line in comparison.to_markdown().splitlines() if line.startswith("| ")]
        assert {line.replace("\\|", "").count("|") for line in rows_shown} == {5, 8}

    def test_the_same_numbers_every_time(self, two_rows):
        assert json.dumps(compare("two").to_dict()) == json.dumps(lab.compare(two_rows).to_dict())


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)
