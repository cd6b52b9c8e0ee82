from __future__ import annotations

import base64
import csv
import io

import numpy as np
from matplotlib.figure import Figure

from lab.report.figure_data import DRAWN, MOST_ROWS, csv_uri, drawn_rows, recorded_rows
from lab.report.figures import page_figure


def read(uri: str) -> list[list[str]]:
    head, content = uri.split(",", 1)
    assert head == "data:text/csv;charset=utf-8;base64"
    return list(csv.reader(io.StringIO(base64.b64decode(content).decode())))


def marks(rows, mark: str) -> list[list[str]]:
    return [row for row in rows if row[2] == mark]


def test_every_kind_of_mark_is_in_the_table():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([1, 2], [0.25, 0.5], label="line")
    left.plot([0], [0], transform=left.transAxes)  # a decoration
    left.axhline(0.75, label="level")
    left.fill_between([1, 2], [0, 0.1], [0.3, 0.6], label="band")
    left.errorbar([1], [0.5], yerr=[[0.1], [0.2]], label="error")
    right.bar([0, 1], [3, 4])
    right.set_xticks([0, 1], ["one\nrow", "other"])
    right.scatter([0, 1], [5, 6], label="seeds")
    right.set_title("Right")
    head, *rows = drawn_rows(figure)
    assert head == DRAWN
    points = marks(rows, "point")
    assert ["1", "line", "point", "2", "0.5", "", ""] in points
    assert len([row for row in points if row[1] == "line"]) == 2
    assert marks(rows, "level") == [["1", "level", "level", "", "0.75", "", ""]]
    assert marks(rows, "band") == [
        ["1", "band", "band", "1", "0", "1", "0.3"],
        ["1", "band", "band", "2", "0.1", "2", "0.6"],
    ]
    assert [row[3:] for row in marks(rows, "interval")] == [["1", "0.4", "1", "0.7"]]
    assert [row[:1] + row[6:] for row in marks(rows, "bar")] == [["Right", "3"], ["Right", "4"]]
    assert [row[3:5] for row in marks(rows, "dot")] == [["one row", "5"], ["other", "6"]]


def test_cells_of_a_heatmap_have_their_names():
    figure = Figure()
    axis = figure.subplots()
    axis.pcolormesh(np.array([[0.125, 0.5], [0.75, np.nan]]))
    axis.set_xticks([0.5, 1.5], ["a", "b"])
    axis.set_yticks([0.5, 1.5], ["c", "d"])
    rows = drawn_rows(figure)[1:]
    assert [row[1:5] for row in rows] == [
        ["0.125", "cell", "a", "c"], ["0.5", "cell", "b", "c"], ["0.75", "cell", "a", "d"], ["nan", "cell", "b", "d"],
    ]  # fmt: skip


def test_what_a_run_recorded_is_columns_or_lines():
    assert recorded_rows({"epoch": [1, 2], "loss": [0.5, 0.25]}) == [["epoch", "loss"], [1, 0.5], [2, 0.25]]
    mixed = recorded_rows({"auroc": 0.9, "inner": {"a": [1, 2], "b": [{"c": 3}]}})
    assert mixed == [["what", "value"], ["auroc", 0.9], ["inner.a", "[1, 2]"], ["inner.b.0.c", 3]]


def test_a_table_comes_back_as_it_was_whatever_is_in_it():
    rows = [["name", "value"], ['quo"ted, text', "1"], ["two\nlines <b>", "–"], ["\ud800", "x"]]
    assert read(csv_uri(rows)) == [*rows[:3], ["?", "x"]]
    assert csv_uri([["head"]]) == csv_uri([]) == ""


def test_a_long_table_keeps_every_second_row():
    rows = [["step"], *([str(i)] for i in range(2 * MOST_ROWS - 1))]
    assert read(csv_uri(rows))[1:4] == [["0"], ["2"], ["4"]]


def test_a_figure_of_the_page_has_its_data():
    def draw(width: float) -> Figure:
        figure = Figure(figsize=(width, 2))
        figure.subplots().plot([1, 2], [3, 4])
        return figure

    made = page_figure("Some: name", draw, "Title", "", "alt", narrow=False)
    assert made.file == "some-name"
    assert [row[3:5] for row in read(made.csv)[1:]] == [["1", "3"], ["2", "4"]]
