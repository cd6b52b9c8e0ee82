"""What a comparison can be asked for: several metrics, unlike tests side by side, LaTeX, settings as columns."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from scored_runs import scored, seeds_of
from workshop import HOSTILE

from lab.cli import main
from lab.report.comparison import compare
from lab.report.comparison_latex import escaped
from lab.report.comparison_overview import overview
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run


@pytest.fixture
def unlike(workshop):
    rows = {
        "a": seeds_of(workshop, 0.3, "a"),
        "b": seeds_of(workshop, 0.4, "b", items=100),
        "c": seeds_of(workshop, 0.2, "c"),
    }
    return workshop.study("unlike", rows)


@pytest.fixture
def two_metrics(workshop):
    """Three rows with two metrics on the same items, of which the second turns the order round."""
    rows = {}
    for key, level in (("a", 0.2), ("b", 0.4), ("c", 0.41)):
        rows[key] = []
        for run in seeds_of(workshop, level, key):
            more = Artifacts(run.path)
            for result in run.results.to_dict("records"):
                more.results.append(result)
            values = 1 - run.scores("wordsim353", "spearman")["value"]
            more.scores("wordsim353", "loss", [f"pair {i}" for i in range(len(values))], values)
            about = {"split": "test", "n": len(values), "test_fingerprint": "t1"}
            more.result("wordsim353", "loss", values.mean(), **about)
            write_json(run.path / "results.json", {"results": more.results})
            rows[key].append(Run(run.path))
    return workshop.study("metrics", rows)


class TestSeveralMetrics:
    def test_they_stand_in_one_table_in_the_order_asked(self, two_metrics):
        comparison = compare(two_metrics, metric=["loss", "spearman", "loss"])
        assert [table.metric for table in comparison.tables] == ["loss", "spearman"]
        whole = overview(comparison.tables)
        assert whole.head == ["row", "WordSim-353 loss", "WordSim-353 Spearman"]
        assert [cells[0] for cells, _ in whole.lines] == ["a", "b", "c"]
        for place, table in enumerate(comparison.tables, start=1):
            assert [bold[place] for _, bold in whole.lines] == [row.best for row in table.rows]
        assert repr(comparison).splitlines()[2].split() == [*["row", "WordSim-353", "loss", "WordSim-353", "Spearman"]]

    def test_one_metric_needs_none(self, two_metrics):
        assert overview(compare(two_metrics).tables) is None

    def test_metrics_of_different_rows_are_not_put_together(self, workshop, unlike):
        assert overview(compare(unlike).tables) is None


class TestAllowDifferent:
    def test_unlike_rows_are_marked_and_nothing_is_said_of_them(self, unlike):
        assert len(compare(unlike).tables) == 2
        (table,) = compare(unlike, allow_different=True).tables
        assert [(row.label, row.mark) for row in table.rows] == [("a", "¹"), ("c", "¹"), ("b", "²")]
        assert table.pairs == []
        assert table.settle is None
        assert not any(row.best or row.against_best for row in table.rows)
        assert "tested: ¹ 150 test items; ² 100 test items" in table.measured
        assert re.search(r"\b(better|worse|equivalent|cannot be told)\b", table.answer) is None

    def test_values_and_intervals_are_those_of_the_tables_apart(self, unlike):
        apart = {row.label: (row.value, row.low, row.high) for table in compare(unlike).tables for row in table.rows}
        (table,) = compare(unlike, allow_different=True).tables
        assert {row.label: (row.value, row.low, row.high) for row in table.rows} == apart

    def test_rows_that_agree_are_compared_as_ever(self, workshop):
        rows = {"a": seeds_of(workshop, 0.3, "a"), "b": seeds_of(workshop, 0.2, "b")}
        study = workshop.study("alike", rows)
        assert compare(study, allow_different=True).to_dict() == compare(study).to_dict()

    def test_the_marks_show_in_every_format(self, unlike):
        comparison = compare(unlike, allow_different=True)
        for shown in (repr(comparison), comparison.to_markdown(), comparison._repr_html_(), comparison.to_latex()):
            assert "b²" in shown
        assert comparison.to_frame()["row"].tolist() == ["a¹", "c¹", "b²"]


class TestOtherVersions:
    def test_runs_by_another_version_of_the_recipe_say_so(self, workshop):
        from lab.config.experiments import load_recipe

        now = load_recipe("word2vec").version
        rows = {
            "new": seeds_of(workshop, 0.3, "a", info={"recipe_version": now}),
            "old": seeds_of(workshop, 0.2, "b", info={"recipe_version": now - 1}),
        }
        (table,) = compare(workshop.study("versions", rows)).tables
        assert [row.status for row in table.rows] == [
            "3 seeds",
            f"3 seeds; by version {now - 1} of word2vec, now {now}",
        ]


class TestLatex:
    def test_bold_is_by_the_rule_and_the_rule_stands_in_the_caption(self, two_metrics):
        text = compare(two_metrics).to_latex()
        assert r"{c} & 3 seeds & \textbf{.4" in text
        assert r"{a} & 3 seeds & ." in text
        assert r"Holm-adjusted over 3 pairs at .05" in text
        assert text.count(r"\begin{tabular}{llll}") == 1

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_nothing_in_a_label_is_a_command(self, text):
        plain = escaped(text)
        for known in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}", r"\ldots{}", "$-$"):
            plain = plain.replace(known, "")
        for known in (r"\textless{}", r"\textgreater{}", r"\textbar{}", r"$\times$", r"$\pm$"):
            plain = plain.replace(known, "")
        assert re.search(r"(?<!\\)[$&#_%{}~^\\](?![$&#_%{}])", plain) is None
        assert plain.isprintable()


class TestVerb:
    def test_settings_are_columns_of_the_csv(self, workshop, capsys, tmp_path):
        for kind, level in (("cbow", 0.2), ("skipgram", 0.3)):
            for window in (2, 5):
                config = {"model": {"architecture": kind, "window": window}}
                for seed in range(3):
                    scored(workshop, level, seed, key=f"{kind}{window}", config=config)
        frame = compare(*[str(path.parent) for path in workshop.folder.rglob("run.json")]).to_frame()
        assert set(map(str, frame["setting:model.window"])) == {"2", "5"}
        assert set(frame["setting:model.architecture"]) == {"cbow", "skipgram"}

    def test_every_option(self, two_metrics, capsys):
        arguments = ["compare", "metrics", "--metric", "loss", "--metric", "spearman", "--margin", "0.02"]
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--allow-different", "--format", "csv"])
        assert ended.value.code == 0
        import io

        frame = pd.read_csv(io.StringIO(capsys.readouterr().out))
        assert set(frame["metric"]) == {"loss", "spearman"}
        with pytest.raises(SystemExit):
            main([*arguments, "--format", "latex"])
        assert r"\toprule" in capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            main(["compare", "metrics", "--margin", "-1"])
        assert ended.value.code == 2
        assert "margin must be above 0" in capsys.readouterr().err
