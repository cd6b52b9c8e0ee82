"""The part of a page about serving: what a second stage adds to the first, and what an index costs and finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.embeddings.index import KINDS, SPOKEN_KIND
from lab.errors import LabError
from lab.report.figures import PageFigure, page_figure
from lab.report.numbers import plain
from lab.report.style import COLORS, INK, figure_of
from lab.report.text import minus, typeset

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from lab.evaluation.intervals import Estimate
    from lab.runs.run import Run
    from lab.runs.study import Row

_NAMES = {"ndcg": "nDCG", "recall": "Recall", "mrr": "MRR"}


@dataclass
class ServingPage:
    """Everything about serving, for the template."""

    sentences: list[str]
    stages: dict[str, Any]
    indexes: list[tuple[dict[str, Any], PageFigure]] = field(default_factory=list)

    @property
    def figures(self) -> list[PageFigure]:
        """All figures, for the folder beside the page."""
        return [figure for _, figure in self.indexes]


def serving_page(rows: Sequence[Row]) -> ServingPage | None:
    """The page about the rows that are funnels; None where none of them is finished."""
    found = [Staged(row, told) for row in rows if (told := [t for run in row.runs if (t := _told(run))])]
    if not found:
        return None
    page = ServingPage([one.sentence() for one in found], _stages_table(found))
    for one in found:
        run, measured = next(((r, m) for r in one.row.runs if (m := _json(r, "serving"))), (None, None))
        if run is not None and measured:
            several = f" of {one.row.label}" if len(found) > 1 else ""
            page.indexes.append((_index_table(run, measured, several), _index_figure(measured, several)))
    return page


@dataclass(frozen=True)
class Staged:
    """A row of funnels, and what each of its runs told of both stages."""

    row: Row
    told: list[dict[str, Any]]

    @property
    def at(self) -> int:
        """The cut-off of the metrics."""
        return self.told[0]["stages"]["at"]

    def mean(self, stage: str, metric: str) -> float:
        """The mean over runs of a metric of the `first` or `second` stage."""
        values = [told["stages"][stage][metric] for told in self.told]
        return sum(values) / len(values)

    def milliseconds(self, stage: str) -> str:
        """`0.3 (p99 0.9)`: the median over runs' users, the mean over runs."""
        values = [told["milliseconds"][stage] for told in self.told]
        p50, p99 = (sum(value[name] for value in values) / len(values) for name in ("p50", "p99"))
        return f"{plain(p50, 2)} (p99 {plain(p99, 2)})"

    def difference(self, metric: str) -> Estimate | None:
        """Second stage minus first, paired by user and seed; None where runs judge other users."""
        from lab.evaluation.intervals import difference_estimate

        part = self.told[0]["judged"]
        first, second = (self._scores(name, metric, part) for name in ("first_stage", "ranking"))
        if first is None or second is None or first.shape != second.shape:
            return None
        return difference_estimate(second, first, paired=True)

    def _scores(self, evaluation: str, metric: str, part: str) -> np.ndarray | None:
        import numpy as np

        tables = [run.scores(evaluation, metric, part).sort_values("id") for run in self.row.runs]
        same = all(list(table["id"]) == list(tables[0]["id"]) for table in tables)
        return np.stack([table["value"].to_numpy() for table in tables]) if same else None

    def sentence(self) -> str:
        """Whether the second stage is worth having, in a sentence."""
        metric = f"ndcg@{self.at}"
        first, second = self.mean("first", metric), self.mean("second", metric)
        moved = f"nDCG@{self.at} {plain(first, 3)} → {plain(second, 3)}"
        estimate = self.difference(metric)
        if estimate is None:
            return typeset(f"{self.row.label}: {moved}; the runs judge other users, so there is no interval.")
        low, high = estimate.interval()
        verdict = (
            "the second stage is worth having"
            if low > 0
            else "the second stage makes the lists worse"
            if high < 0
            else "the second stage is not worth it, it is inside the noise"
        )
        return typeset(f"{self.row.label}: {verdict}: {moved} ({_signed(estimate)}).")


def _told(run: Run) -> dict[str, Any] | None:
    told = _json(run, "funnel") if run.experiment == "funnel" else None
    return told if told and "stages" in told else None


def _json(run: Run, name: str) -> dict[str, Any] | None:
    try:
        return run.json(name)
    except LabError:
        return None


def _signed(estimate: Estimate) -> str:
    low, high = estimate.interval()
    value, *ends = (f"{'+' if number >= 0 else ''}{plain(number, 3)}" for number in (estimate.value, low, high))
    return typeset(f"{value} [{', '.join(ends)}]")


def _stages_table(found: Sequence[Staged]) -> dict[str, Any]:
    at = found[0].at
    metrics = [f"{name}@{at}" for name in _NAMES]
    head = ["Row", "Candidates", "Found among them"]
    head += [f"{_NAMES[metric.partition('@')[0]]}@{at}" for metric in metrics]
    rows = []
    for one in found:
        k = one.told[0]["stages"]["candidates"]
        cells = [one.row.label, str(k), minus(plain(one.mean("first", f"recall@{k}"), 3))]
        for metric in metrics:
            estimate = one.difference(metric)
            moved = f"{plain(one.mean('first', metric), 3)} → {plain(one.mean('second', metric), 3)}"
            cells.append(f"{moved} ({_signed(estimate)})" if estimate else moved)
        rows.append([*cells, one.milliseconds("first"), one.milliseconds("second")])
    taught = found[0].told[0]["taught"]
    return {
        "label": "Both stages",
        "caption": "First stage alone → after the second, means over runs; in brackets the difference, paired by user, "
        "with its 95 % interval.",
        "head": [*head, "First stage, ms a user", "Second stage, ms a user"],
        "rows": rows,
        "notes": [
            "Found among them: the share of what is to be found that the candidates hold, which no order of them can "
            "exceed.",
            f"The second stage learned from validation pairs of {taught['users']:,} users that the towers' training "
            "never saw; its epoch was chosen by users whom each part of it had not learned from.",
            "Milliseconds of the processor, one user at a time on one thread, median and 99th percentile.",
        ],
    }


def _index_table(run: Run, measured: dict[str, Any], of: str) -> dict[str, Any]:
    at, queries, host = measured["at"], measured["queries"], run.info.get("host") or {}
    rows = []
    for point in measured["points"]:
        chosen = all(point[key] == value for key, value in measured["chosen"].items())
        rows.append(
            [
                point["name"] + (" (used)" if chosen else ""),
                *(minus(plain(point[f"recall@{k}"], 3)) for k in at),
                *(plain(point[name], 3) for name in ("p50", "p99")),
                plain(point["build_seconds"], 2),
                plain(point["bytes"] / 1e6, 2),
            ]
        )
    compared = "cosine" if measured["metric"] == "cosine" else "inner product"
    return {
        "label": f"Indexes{of}",
        "caption": f"{measured['count']:,} items of {measured['dimension']} dimensions, {compared}; "
        f"{queries['count']:,} {queries['what']} as queries, one at a time on one thread, warm. Recall is against "
        "exact search; of each kind until it finds 99.9 %.",
        "head": ["Index", *(f"Recall@{k}" for k in at), "p50, ms", "p99, ms", "Build, s", "Memory, MB"],
        "rows": rows,
        "notes": [
            f"Times are the processor's, on {host.get('processor') or host.get('machine') or 'an unknown machine'}; "
            "memory is that of the index as written to a file."
        ],
    }


def _index_figure(measured: dict[str, Any], of: str) -> PageFigure:
    """What an index finds against how long it takes, a line a kind."""
    k = measured["at"][-1]
    lines = {kind: [p for p in measured["points"] if p["kind"] == kind] for kind in KINDS}
    lines = {kind: points for kind, points in lines.items() if points}

    def draw(width: float) -> Figure:
        figure, axis = figure_of(width, 3.4)
        for place, (kind, points) in enumerate(lines.items()):
            axis.plot([p["p50"] for p in points], [p[f"recall@{k}"] for p in points], "o-", color=COLORS[place],
                      markersize=5, label=SPOKEN_KIND[kind])  # fmt: skip
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
        axis.tick_params(which="both", colors=INK, labelsize=9)
        axis.set(xlabel="median milliseconds a query (log scale)", ylabel=f"Recall@{k}")
        axis.set_ylim(top=1.03)
        axis.legend(frameon=False, fontsize=9, loc="lower right", labelcolor=INK)
        return figure

    best = min((p for p in measured["points"] if p[f"recall@{k}"] >= 0.95), key=lambda p: p["p50"])
    flat = next((p for p in measured["points"] if p["kind"] == "flat"), best)
    quicker = "" if best is flat else f", against {plain(flat['p50'], 3)} of exact search"
    return page_figure(
        f"recall against latency{of}",
        draw,
        f"What an index finds, and how quickly{of.replace(' of ', ': ', 1)}",
        f"Further up finds more of the exact {k} best; further left is quicker. The quickest that finds 95 % is "
        f"{best['name']}: {plain(best['p50'], 3)} ms{quicker}.",
        "; ".join(f"{p['name']}: recall {plain(p[f'recall@{k}'], 3)}, {plain(p['p50'], 3)} ms"
                  for p in measured["points"]),
    )  # fmt: skip
