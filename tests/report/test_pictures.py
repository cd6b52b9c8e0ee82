from __future__ import annotations

import base64
import itertools
import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.comparison import compare
from lab.report.dots import Measured, dot_picture, dot_png, round_ticks, spoken
from lab.report.figures import learning_curves, run_figures
from lab.report.headline import headline
from lab.report.scoreboard import scoreboard
from lab.report.style import COLORS, figure_of, png_of
from lab.report.subject import fold
from lab.report.text import file_names, json_for_script, listing, number, share, short, typeset

FINITE = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


@given(st.lists(FINITE, min_size=1, max_size=8))
def test_ticks_are_few_even_and_enclose_the_values(values):
    ticks = round_ticks(values)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= min(values)
    assert max(values) <= ticks[-1]
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    assert len({t["text"] for t in dot_picture("t", [Measured("r", 0, v) for v in values], "")["ticks"]}) == len(ticks)


def test_the_picture_places_means_intervals_and_seeds():
    rows = [
        Measured("a", 0, 0.5, 0.4, 0.7, {0: 0.45, 1: 0.55}, best=True),
        Measured("b", 9, 0.2),
        Measured("c", 1, math.nan),
    ]
    picture = dot_picture("title", rows, "caption")
    first, second = picture["rows"]  # a row without a value is not drawn
    assert {tick["text"]: tick["x"] for tick in picture["ticks"]} == {"0": 0, ".2": 25, ".4": 50, ".6": 75, ".8": 100}
    assert first["mean"] == 62.5
    assert first["interval"] == [50, 87.5]
    assert [dot["text"] for dot in first["dots"]] == ["seed 0: .450", "seed 1: .550"]
    assert len({dot["y"] for dot in first["dots"]}) == 2
    assert (first["range"], first["value"]) == (".40 to .70", ".50")
    assert (second["color"], second["interval"], second["range"]) == (1, None, "")
    assert spoken(rows[0]) == "mean .500; 95 % interval .40 to .70; 2 seeds: .450, .550"
    assert spoken(rows[1]) == "mean .200; no interval"
    assert dot_picture("title", rows[2:], "") is None
    assert dot_png("a $title", rows).startswith(b"\x89PNG")


def rows_with_curves(workshop, curves, kinds=("cbow", "skipgram"), **options):
    runs = [
        workshop.run(seed=seed, config={"kind": kind}, curve=curve, level=None, **options)
        for kind, of_kind in zip(kinds, curves, strict=True)
        for seed, curve in enumerate(of_kind)
    ]
    return fold(runs)


def test_a_curve_shows_all_runs_and_a_schedule_is_left_out(workshop):
    rows = rows_with_curves(workshop, [[[3, 2, 1], [3, 2, 1.5]], [[4, 3, 2.5]]])
    curve = learning_curves(rows)["loss"]
    assert curve.caption == "3 runs, one line each. kind=cbow ends at 1.000 to 1.500; kind=skipgram ends at 2.500."
    svg = base64.b64decode(curve.source.removeprefix("data:image/svg+xml;base64,")).decode()
    ElementTree.fromstring(svg)
    assert svg.count("stroke: var(--k0)") >= 2
    assert COLORS[0] not in svg.split("</style>", 1)[1]  # colours are named, so that they follow the theme
    assert learning_curves(rows_with_curves(workshop, [[[3, 2], [3, 2]], [[3, 2]]])) == {}
    assert len(learning_curves(rows_with_curves(workshop, [[[3, 2]]], kinds=["x"]))) == 1
    assert learning_curves(rows_with_curves(workshop, [[[3], [2]]], kinds=["y"])) == {}


def test_a_hostile_metric_is_text_in_the_drawing(workshop):
    run = workshop.run(level=None)
    name = "</text><script>alert(1)</script> $\\frac{"
    lines = [json.dumps({"step": i, name: i * 1.5, "time": 0}) for i in range(3)]
    (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (curve,) = learning_curves(fold([type(run)(run.path)])).values()
    tree = ElementTree.fromstring(base64.b64decode(curve.source.split(",")[1]))
    assert not [e for e in tree.iter() if e.tag.endswith("script")]
    assert any("<script>alert(1)" in (e.text or "") for e in tree.iter())


def test_figures_are_grouped_by_name_first_seeds_before_the_rest(workshop):
    def figure(i: int) -> dict:
        drawing, axis = figure_of(1, 1)
        axis.plot([0, i])
        return {"figure": png_of(drawing, 30), "title": "Parts", "caption": f"c{i}"}

    runs = [
        workshop.run(
            seed=seed, config={"kind": kind}, level=None, figures={"parts": figure(k + seed), "same": figure(9)}
        )
        for k, kind in enumerate(["a", "b"])
        for seed in range(2)
    ]
    groups = run_figures(fold(runs))
    parts, same = groups
    assert [f.title for f in parts.figures] == ["kind=a, seed 0", "kind=b, seed 1"]  # b's first seed equals a's second
    assert [f.title for f in parts.more] == ["kind=a, seed 1"]
    assert len(same.figures) == 1
    assert not same.figures[0].wide
    assert replace(same.figures[0], png=png_of(figure_of(3, 1)[0], 30)).wide
    assert same.more == []
    folded = run_figures(fold(runs), in_curves={"parts"})[0]
    assert folded.figures == []
    assert len(folded.more) == 3


def rows_at(workshop, *levels: float, seeds: int = 3):
    runs = [
        workshop.run(seed=seed, config={"model": {"kind": f"k{i}"}}, level=level)
        for i, level in enumerate(levels)
        for seed in range(seeds)
    ]
    return fold(runs)


def test_the_headline_is_a_chain_of_few_rows(workshop):
    rows = rows_at(workshop, 0.2, 0.6, 0.601)
    text = headline(compare(rows).tables[0])
    assert text.count(".") - text.count("(.") == 1
    assert text.startswith("On WordSim-353 (Spearman), kind=k2 (.6")
    assert "k2" in text.split("cannot be told from")[0] or "does as well as" in text
    assert text.endswith("which does better than kind=k0 (.21).") or "which does better than kind=k0" in text


def test_the_headline_of_one_row_of_few_seeds_and_of_many_rows(workshop):
    rows = rows_at(workshop, 0.2, 0.3, 0.4, 0.5, 0.9)
    assert "reaches .2" in headline(compare(rows[:1]).tables[0])
    many = headline(compare(rows).tables[0])
    assert "kind=k4 (.9" in many
    assert "does better than all 4 others, the next being kind=k3 (.5" in many
    few = headline(compare(rows_at(workshop, 0.2, 0.9, seeds=2)).tables[0])
    assert "is so far above" in few


def test_secondary_tests_have_tables_and_everything_else_is_listed(workshop):
    rows = rows_at(workshop, 0.2, 0.5)
    run = rows[0].runs[0]
    frame = json.loads((run.path / "results.json").read_text())
    extra = {"evaluation": "probe", "metric": "accuracy", "split": "validation", "n": 7, "higher_is_better": True}
    frame["results"].append({**extra, "value": 0.25, "primary": False})
    frame["results"].append({**extra, "split": "test", "label": "a section", "value": -0.5, "primary": False})
    (run.path / "results.json").write_text(json.dumps(frame))
    rows = fold([type(r)(r.path) for row in rows for r in row.runs])
    board = scoreboard(rows)
    assert [table["title"] for table in board.tables] == [
        "WordSim-353 Spearman", "SimLex-999 Spearman", "Google analogies accuracy",
    ]  # fmt: skip
    assert "The answer does not rest on this test." in board.tables[1]["protocol"][0]
    assert board.other["rows"] == [
        ["probe · accuracy · validation", "7", ".250"],
        ["probe · accuracy · a section", "7", "−.500"],
    ]
    assert len(board.dots.rows) == 2
    assert board.dots.rows[0].best


def test_numbers_and_words():
    assert [number(v) for v in (0.4366, -0.02, 2.5, 12480.2, None, math.nan, -math.inf)] == [
        ".437", "−.020", "2.500", "12,480", "–", "–", "−∞",
    ]  # fmt: skip
    assert share(0.654) == "65.4\u00a0%"
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcdefgh"), most=4) == "a, b, c and 5 more"
    assert short("abcdef", 4) == "abc…"
    assert (
        typeset("-.22 [-.34, -.10], skip-gram, 2025-01-01, a-1") == "−.22 [−.34,\u00a0−.10], skip-gram, 2025-01-01, a-1"
    )
    names = file_names(["a b", "a/b", "Ünï", "🦔", "", "x" * 500])
    assert len(set(names.values())) == 6
    assert all(name.isascii() and len(name) <= 62 for name in names.values())


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_a_script_is_the_same_value_and_cannot_end_the_script(value):
    text = json_for_script(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")
