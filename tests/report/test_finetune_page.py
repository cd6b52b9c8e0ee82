from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from finetune_runs import (
    RATES,
    Spec,
    depth,
    run_of,
    study,
    study_of_both,
    study_of_depths,
    study_of_sizes,
    study_of_strategies,
)
from pages import Page
from workshop import HOSTILE, Workshop

from lab.report.build import build
from lab.report.finetune import finetune_page
from lab.report.finetune_answer import answer, answers, choose, times
from lab.report.finetune_errors import errors_of
from lab.report.finetune_figures import depth_figure
from lab.report.finetune_rates import rate_grid, rate_text
from lab.report.finetune_rows import entry_of, groups_of, split_rows
from lab.report.finetune_sizes import learning_curves, similarity_table, textbook


def group_of(workshop: Workshop, *specs: Spec):
    return groups_of(study(workshop, "study", list(specs)).rows())[0]


def answer_of(workshop: Workshop, *specs: Spec) -> str:
    group = group_of(workshop, *specs)
    return answer(group, choose(group))


@pytest.fixture(scope="module")
def depths(tmp_path_factory) -> tuple[Path, Page]:
    """The report of the study of depths, built once."""
    return built(tmp_path_factory.mktemp("depths"), study_of_depths)


def built(folder: Path, make) -> tuple[Path, Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(folder))
        patch.chdir(folder)
        path = build(make(Workshop(folder)))
    return path, Page(path.read_text(encoding="utf-8"))


# --- the first sentence


def test_the_cheapest_that_is_as_good_is_recommended(workshop):
    text = answer_of(workshop, depth(0, 0.85), depth(3, 0.955), depth(9, 0.955))
    assert re.fullmatch(
        r"Train the last 3 of 9 blocks: accuracy \.955 \[\.\d+, \.\d+\]\. Freezing everything: \.850, worse\. "
        r"Training everything: \.955, just as good, twice the time\.",
        text,
    )


def test_training_everything_is_recommended_where_it_is_better(workshop):
    text = answer_of(workshop, depth(0, 0.85), depth(3, 0.9), depth(9, 0.955))
    assert text.startswith("Train everything: accuracy .955 [")
    assert text.endswith("Freezing everything: .850, worse. Training the last 3 of 9 blocks: .900, worse.")


def test_freezing_everything_is_recommended_where_more_does_not_help(workshop):
    text = answer_of(workshop, depth(0, 0.9), depth(1, 0.9), depth(9, 0.85))
    assert text.startswith("Freeze everything: accuracy .900 [")
    assert "Training everything: .850, worse." in text
    assert "Training the last block of 9: .900, just as good, 3.9 times the time." in text


def test_what_is_not_settled_is_said_first(workshop):
    text = answer_of(workshop, depth(0, 0.9, seeds=2), depth(9, 0.93, seeds=2))
    assert text.startswith("Not settled. Best so far is to train everything: accuracy .930 [")
    assert text.endswith("Freezing everything: .900, no verdict below 3 seeds, 4 % of the time.")


def test_a_control_that_is_not_worse_is_named(workshop):
    control = Spec("pixels", 0.95, method="pixels", control=True)
    text = answer_of(workshop, depth(0, 0.85), depth(9, 0.95, seconds=20), control)
    assert text.startswith("Train everything: accuracy .950 [")
    assert text.endswith("Freezing everything: .850, worse. Raw pixels: .950, cannot be told apart, 1 % of the time.")


def test_the_choice_never_looks_at_test_scores(workshop):
    group = group_of(workshop, depth(0, 0.85), depth(9, 0.95))
    before = choose(group)
    for entry in group.entries:
        for run in entry.row.runs:
            (run.path / "scores" / "classification.accuracy.test.parquet").unlink()
    after = choose(group)
    assert before.entry is after.entry
    assert before.reasons == after.reasons


def test_over_folds_the_choice_rests_on_what_is_out_of_fold(workshop):
    levels = {0: 0.8, 3: 0.95, 9: 0.93}
    group = group_of(workshop, *[depth(t, v, folds=True, seeds=5, spread=0.002) for t, v in levels.items()])
    choice = choose(group)
    assert choice.settled
    assert answer(group, choice).startswith("Train the last 3 of 9 blocks: accuracy .950 [")
    assert "Freezing everything: .800, worse." in answer(group, choice)
    assert group.table.over == "fold"


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(1.1, "about the same time"), (2.05, "twice the time"), (0.5, "half the time"), (3.4, "3.4 times the time"),
     (41.2, "41 times the time"), (0.34, "a third of the time"), (0.04, "4 % of the time"),
     (0.001, "less than 1 % of the time")],
)  # fmt: skip
def test_times_in_words(ratio, words):
    assert times(ratio) == words


# --- learning rates


def test_the_grid_marks_choices_warns_of_edges_and_ranks_at_shared_rates(workshop):
    levels = {0: 0.85, 3: 0.952, 9: 0.955}
    rates = rate_grid(group_of(workshop, *[depth(t, v, rates=RATES, seeds=1) for t, v in levels.items()]))
    assert rates.warnings == [
        "At the edge: all frozen chose .01, the highest rate tried, so a better one may lie beyond; try .03 too."
    ]
    assert rates.sentence.startswith(
        "At one rate shared by all rows, the best would have been: at 1e-4 and .001, everything trained; at .003 and "
        ".01, last 3 of 9 blocks. With its own rate for each row it is everything trained"
    )
    assert rates.table["head"] == [
        "Place",
        "All at 1e-4",
        "All at .001",
        "All at .003",
        "All at .01",
        "Each at its own",
    ]
    everything, some = "everything trained", "last 3 of 9 blocks"
    assert rates.table["rows"][0] == [
        "Best", f"{everything} .925", f"{everything} .955", f"{some} .952", f"{some} .922", f"{everything} .955",
    ]  # fmt: skip
    assert [row[0] for row in rates.table["rows"]] == ["Best", "2nd", "3rd"]
    assert "all frozen: .760 at 1e-4, .790 at .001, .820 at .003, .850 at .01" in rates.figure.alt


def test_a_rate_that_broke_is_an_end_that_was_seen(workshop):
    group = group_of(workshop, depth(0, 0.85, rates=RATES, seeds=1), depth(9, 0.955, rates=RATES, seeds=1))
    assert rate_grid(group).warnings
    for entry in group.entries:
        broken = {"changes": {"train.learning_rate": 0.03}, "status": "failed", "validation": None}
        entry.row.candidates.append(broken)
    assert rate_grid(group).warnings == []


def test_without_a_choice_there_is_no_grid(workshop):
    assert rate_grid(group_of(workshop, depth(0, 0.85, seeds=1), depth(9, 0.9, seeds=1))) is None


def test_rates_are_written_short():
    assert [rate_text(rate) for rate in [*RATES, 2.5e-5, 1.0]] == ["1e-4", ".001", ".003", ".01", "2.5e-5", "1"]


# --- sizes


def test_learning_curves_and_the_textbook_beside_what_was_measured(workshop):
    groups = groups_of(study_of_sizes(workshop).rows())
    curves = learning_curves(groups)
    assert [one.title for one in curves] == [
        "Accuracy by number of labels, flowers5",
        "Accuracy by number of labels, xray",
    ]
    captions = [figure.caption for one in curves for figure in one.curves]
    assert len(captions) == 6
    assert all(re.match(r"(300 more labels: \+\d\.\d points expected \[|Flat since )", text) for text in captions)
    table = similarity_table(groups)
    assert table.head == ["Labels", "flowers5, similarity .68", "xray, similarity .36"]
    assert [row["label"] for row in table.rows] == ["100 labels", "200 labels", "1,200 labels"]
    first, last = table.rows[0]["cells"], table.rows[-1]["cells"]
    assert (first[0]["best"], first[0]["rule"], first[0]["agrees"]) == ("all frozen", "freeze everything", "agrees")
    assert (first[1]["rule"], first[1]["agrees"]) == ("train the last blocks", "measured otherwise")
    assert last[0] == {
        "best": "everything trained", "value": ".960", "rule": "train everything", "hatched": False, "agrees": "agrees"
    }  # fmt: skip
    assert any(cell["hatched"] for row in table.rows for cell in row["cells"])
    found = answers(groups, [choose(group) for group in groups])
    assert [one.place for one in found] == ["flowers5, 1,200 labels", "xray, 1,200 labels"]
    assert found[0].less.startswith("With 200 labels, ")
    assert "with 100 labels, freeze everything (.880)" in found[0].less


def test_the_textbook_rule():
    assert textbook(100, 0.9) == "freeze everything"
    assert textbook(100, 0.1) == "train the last blocks"
    assert textbook(5000, 0.1) == textbook(5000, 0.9) == "train everything"


# --- the page


def test_the_page_opens_with_the_answer_and_holds_every_section(depths):
    path, page = depths
    assert page.one("p", class_="answer").text.startswith("Train everything: accuracy .955 [")
    expected = ["answer", "certainty", "table", "cost", "rates", "representation", "frozen", "mistakes", "check",
                "figures", "errors", "differ", "data", "config"]  # fmt: skip
    assert [e.attributes["id"] for e in page.all("section")] == expected
    links = [e.attributes["href"] for e in page.elements if e.tag == "a" and "nav" in e.inside]
    assert links == [f"#{name}" for name in expected]
    names = {file.stem for file in (path.parent / "figures").iterdir()}
    assert {"answer", "cost", "learning-rates", "probes", "confusion", "calibration"} <= names
    assert {"map-fine-tuning-before-last-block", "map-fine-tuning-after-everything-trained"} <= names


def test_figures_hold_what_was_measured(depths):
    page = depths[1]
    alts = [e.attributes["alt"] for e in page.all("img")]
    main = next(alt for alt in alts if alt.startswith("Accuracy by blocks trained: "))
    assert "all frozen .850 [" in main
    assert "last 3 of 9 blocks .952 [" in main
    assert main.endswith("Controls: from scratch .710, raw pixels .620 and untrained backbone .450.")
    cost = next(alt for alt in alts if alt.startswith("Accuracy against training time: "))
    assert "everything trained .955 in 20 s" in cost
    assert all(alts)
    assert len(page.all("source")) >= 4  # a drawing of its own for phones
    assert {e.attributes["srcset"][:18] for e in page.all("source")} == {"data:image/svg+xml"}


def test_sections_say_what_was_frozen_saved_mistaken_and_checked(depths):
    page = depths[1]
    frozen = page.one("section", id="frozen").text
    assert "45,000 of 45,000 parameters of the backbone are trained (100.0\u00a0%)." in frozen
    assert "every frozen block was compared with the pretrained one bit by bit" in frozen
    assert "there is no frozen prefix" in frozen
    mistakes = page.one("section", id="mistakes").text
    assert "camera: phone" in mistakes
    assert "1 slice with more mistakes than the average" in mistakes
    check = page.one("section", id="check").text
    assert "Split: random, shares of “label” kept; 600 train, 600 validation and 600 test." in check
    assert "differ by less than .021" in check
    assert "cannot tell the splits apart" in check
    certainty = page.one("section", id="certainty").text
    assert "The test numbers are shown once and were not used for the choice." in certainty


def test_the_page_is_accessible(depths):
    page = depths[1]
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag) and "nav" not in e.inside]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for section in page.all("section"):
        assert page.one("h2", id=section.attributes["aria-labelledby"]).text
    for box in [e for e in page.all("div") if e.attributes.get("class") == "scroll"]:
        assert box.attributes["tabindex"] == "0"
        assert box.attributes["aria-label"]


def test_word_vectors_follow_on_a_page_of_both(tmp_path_factory):
    _, page = built(tmp_path_factory.mktemp("both"), study_of_both)
    assert page.one("p", class_="answer").text.startswith("Train the last 3 of 9 blocks: accuracy .952 [")
    sections = [e.attributes["id"] for e in page.all("section")]
    assert (
        sections.index("answer") < sections.index("representation") < sections.index("beside") < sections.index("maps")
    )
    assert "skip-gram" in page.one("section", id="beside").text
    assert "neighbors" in sections
    panes = [e for e in page.all("canvas") if e.attributes["id"].startswith("map-canvas-")]
    assert [e.attributes["id"] for e in panes] == [f"map-canvas-{k}" for k in range(len(panes))]
    assert len(panes) == len(page.map_data["panes"])
    assert len(page.all("input", id="map-search")) == 1
    assert page.map_data["colorCount"] == 10  # as many classes; the words have eight clusters
    assert [pane["named"] for pane in page.map_data["panes"]][-2:] == [True, True]
    assert not any(pane["named"] for pane in page.map_data["panes"][:-2])


def test_after_a_study_the_terminal_says_the_same(workshop, capsys):
    from lab.terminal import print_outcome

    print_outcome(study_of_both(workshop), write_report=False)
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("Train the last 3 of 9 blocks: accuracy .952 [")
    assert lines[0].endswith(
        "Freezing everything: .850, worse. Training everything: .955, just as good, twice the time."
    )
    assert "WordSim-353" in lines[1]
    assert "classification" not in lines[1]


def test_strategies_stand_beside_the_depths(workshop):
    group = groups_of(study_of_strategies(workshop).rows())[0]
    choice = choose(group)
    assert answer(group, choice).startswith("LP-FT: accuracy .810 [")
    assert "LoRA .805" in depth_figure(group, choice.entry).alt
    assert errors_of(choice.entry).mistakes[0]["text"] == "A film of no great <length>."


def test_several_splits_of_one_task_stand_in_one_picture(workshop):
    kinds = (("random", 0.95), ("grouped", 0.8))
    specs = [depth(3, level, label=f"{kind} row", test=kind, how=kind) for kind, level in kinds]
    record = study(workshop, "splits", specs)
    rows = record.rows()
    tries = [run_of(workshop, depth(3, level, test="random", how="random", spread=0), 0) for level in (0.93, 0.97)]
    rows[0].candidates[:] = [{"run_id": run.id, "changes": {"train.penalty": 1}} for run in tries]
    page = finetune_page(rows)
    assert page.answers[0].text.startswith("What the split does to the accuracy of the same model: random: .950 [")
    assert [(row["label"], row["value"]) for row in page.splits["rows"]] == [
        ("random", ".950"),
        ("… chosen on test", ".970"),
        ("grouped", ".800"),
    ]


@pytest.mark.parametrize(
    ("about", "title"),
    [
        ({"kind": "surgical", "strategy": {"blocks": [1, "head"]}}, "surgical, 1 and head"),
        ({"kind": "lp_ft", "trained": 3}, "LP-FT, last 3"),
        ({"kind": "plain", "trained": 9, "strategy": {"layer_decay": 0.7}}, "layer decay .7"),
        ({"kind": "new", "label": "a new one"}, "a new one"),
    ],
)
def test_strategies_have_short_names(workshop, about, title):
    spec = Spec(about.get("label", "x"), 0.9, about.get("trained", 9), kind=about["kind"], seeds=1)
    spec.strategy = about.get("strategy", {})
    assert entry_of(study(workshop, "s", [spec]).rows()[0]).title == title


def test_one_run_makes_a_page(workshop):
    page = Page(build(run_of(workshop, depth(3, 0.9, spread=0), 0)).read_text())
    assert page.one("p", class_="answer").text.startswith("Training the last 3 of 9 blocks: accuracy .900 [")
    assert page.all("circle")  # with one row there is nothing to draw over depth


def test_rows_of_other_kinds_are_left_alone(workshop):
    rows = study_of_both(workshop).rows()
    ours, others = split_rows(rows)
    assert [row.experiment for row in others] == ["word2vec", "word2vec"]
    assert split_rows(others) == ([], others)
    baselines = [row for row in ours if row.experiment == "baseline"]
    assert split_rows(baselines) == ([], baselines)


def test_hostile_names_show_as_text(workshop):
    classes = [HOSTILE[0], HOSTILE[1], HOSTILE[4]]
    specs = [depth(t, v, label=HOSTILE[t % 3] + str(t), source=HOSTILE[3]) for t, v in ((0, 0.8), (9, 0.9))]
    specs[1].spaces = True
    specs.append(Spec(HOSTILE[5], 0.5, 9, kind=HOSTILE[1], source=HOSTILE[3]))
    html = build(study(workshop, "hostile", specs, classes=classes)).read_text()
    page = Page(html)
    assert len(page.all("script")) == 3
    assert not [e for e in page.elements if any(name.startswith("on") for name in e.attributes)]
    assert {e.attributes["src"][:11] for e in page.all("img")} == {"data:image/"}
    assert HOSTILE[1] in page.one("section", id="mistakes").text
    assert "{{ 7 * 7 }}" in HOSTILE[2]
