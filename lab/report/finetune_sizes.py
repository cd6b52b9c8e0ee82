"""More labels: a learning curve a depth with what more would bring, and the best depth by size and similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.report.figure_data import drawn_rows
from lab.report.figures import PageFigure, page_figure
from lab.report.finetune_rows import Entry, Group
from lab.report.numbers import plain, spoken
from lab.report.style import COLORS, GRID, dress
from lab.report.text import count, data_uri, minus, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lab.evaluation.learning_curve import HiddenSize

FEW = 1000  # labels; the textbook's "small data set", for which it gives no number
NEAR = 0.5  # similarity; half-way between an untrained network and the best strategy
MORE = 300  # labels, or fewer where that would extrapolate beyond twice the largest size
TEXTBOOK = (
    "The textbook's rule (Stanford CS231n, transfer learning): few labels and a near task, freeze everything; few and "
    "far, train the last blocks only; many, train everything. It names no numbers; here few is under {few:,} labels, "
    "and near is a similarity of at least {near}."
)


@dataclass(frozen=True)
class Curve:
    """One depth over growing data: `sizes` ascending, with the entry and group of each."""

    title: str
    color: int
    places: list[tuple[int, Group, Entry]]

    @property
    def sizes(self) -> list[int]:
        """Labels trained on, ascending."""
        return [size for size, _, _ in self.places]

    def by_seed(self) -> list[dict[int, float]]:
        """The metric by size, then by seed."""
        return [dict(group.line(entry).values) for _, group, entry in self.places]

    def values(self) -> list[list[float]]:
        """The metric by size, of all seeds."""
        return [list(values.values()) for values in self.by_seed()]


@dataclass
class Sizes:
    """What the template shows of one task: all curves in one figure, then each with what more labels would bring."""

    title: str
    overview: PageFigure
    curves: list[PageFigure]


def learning_curves(groups: Sequence[Group]) -> list[Sizes]:
    """The curves of every task with two or more data sizes."""
    found = []
    for task in dict.fromkeys(group.task for group in groups):
        here = sorted((group for group in groups if group.task == task), key=lambda group: group.size)
        curves = _curves(here)
        if curves:
            found.append(_sizes(task, here[0], curves))
    return found


def _curves(groups: Sequence[Group]) -> list[Curve]:
    kept: dict[tuple[str, str], list[tuple[int, Group, Entry]]] = {}
    for group in groups:
        for entry in [*group.of("depth"), *group.of("strategy", "baseline", "scratch")]:
            if entry.facts.get("method") != "majority":
                kept.setdefault((entry.kind, entry.title), []).append((group.size, group, entry))
    longer = {key: places for key, places in kept.items() if len({size for size, _, _ in places}) > 1}
    return [Curve(title, number % len(COLORS), places) for number, ((_, title), places) in enumerate(longer.items())]


def _sizes(task: str, group: Group, curves: Sequence[Curve]) -> Sizes:
    metric = spoken(group.table.metric)
    place = f", {task}" if group.several_tasks else ""
    title = f"{metric[:1].upper()}{metric[1:]} by number of labels{place}"
    ends = "; ".join(
        f"{curve.title} from {plain(_means(curve)[0], 3)} at {curve.sizes[0]:,} to {plain(_means(curve)[-1], 3)} at "
        f"{curve.sizes[-1]:,}"
        for curve in curves
    )
    overview = page_figure(
        f"labels {task}",
        lambda width: _draw_all(curves, metric, width),
        title,
        "Means over seeds; the axis of labels is logarithmic.",
        f"{title}: {ends}.",
    )
    everything = [value for curve in curves for values in curve.values() for value in values]
    limits = (min(everything) - 0.02, max(everything) + 0.02)
    return Sizes(title, overview, [_one(task, curve, metric, limits) for curve in curves if _speaks(curve)])


def _speaks(curve: Curve) -> bool:
    return curve.places[0][2].kind in ("depth", "strategy")


def _means(curve: Curve) -> list[float]:
    return [sum(values) / len(values) for values in curve.values()]


def _one(task: str, curve: Curve, metric: str, limits: tuple[float, float]) -> PageFigure:
    from lab.report.style import figure_of, png_of, svg_of

    figure, axis = figure_of(3.6, 2.7)
    axis.grid(axis="y", color=GRID, lw=0.8)
    _draw_curve(axis, curve, banded=True)
    _size_axis(axis, curve.sizes)
    axis.set_ylim(*limits)
    axis.set_ylabel(metric, fontsize=9)
    said = expectation(curve)
    numbers = ", ".join(f"{plain(mean, 3)} at {size:,}" for size, mean in zip(curve.sizes, _means(curve), strict=True))
    title = curve.title[:1].upper() + curve.title[1:]
    return PageFigure(
        name=f"labels {task} {curve.title}",
        png=png_of(figure),
        title=title,
        caption=typeset(said),
        alt=typeset(f"{title}: {metric} {numbers}. {said}"),
        source=data_uri(svg_of(figure), "image/svg+xml"),
        paper=False,
        data=drawn_rows(figure),
    )


def expectation(curve: Curve) -> str:
    """`300 more labels: +1.8 points expected [0.6, 3.1]`, or `flat since 400`."""
    from lab.evaluation.learning_curve import expected_gain

    higher = curve.places[0][1].table.higher_is_better
    seeds = sorted({seed for values in curve.by_seed() for seed in values})
    values = [[by_seed.get(seed, float("nan")) for by_seed in curve.by_seed()] for seed in seeds]
    errors = [[1 - value if higher else value for value in line] for line in values]
    found = expected_gain(curve.sizes, errors, MORE)
    if found is None:
        return "Three sizes of two seeds each are needed to say what more labels would bring."
    hidden = found.hidden
    checked = "" if hidden is None else _checked(hidden, curve.sizes[-1])
    said = found.sentence()
    return f"{said[:1].upper()}{said[1:]}.{checked}"


def _checked(hidden: HiddenSize, size: int) -> str:
    """How well the largest size was foretold from the smaller ones."""
    foretold, measured = plain(1 - hidden.predicted, 3), plain(1 - hidden.observed, 3)
    return f" Checked by hiding {size:,}: foretold {foretold}, measured {measured}."


def _draw_all(curves: Sequence[Curve], metric: str, width: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.0 if width > 5 else 4.4), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    axis.grid(axis="y", color=GRID, lw=0.8)
    for curve in curves:
        _draw_curve(axis, curve, banded=False)
    _size_axis(axis, sorted({size for curve in curves for size in curve.sizes}))
    axis.set_ylabel(metric, fontsize=9)
    legend = figure.legend(loc="outside upper left", fontsize=8, frameon=False, ncols=3 if width > 5 else 1)
    for text in legend.get_texts():
        text.set_color("#1c2126")
    return figure


def _draw_curve(axis: Axes, curve: Curve, *, banded: bool) -> None:
    color = COLORS[curve.color]
    dashed = "--" if curve.places[0][2].kind not in ("depth", "strategy") else "-"
    axis.plot(curve.sizes, _means(curve), dashed, color=color, lw=1.7, marker="o", ms=4, label=curve.title)
    if not banded:
        return
    bounds = [group.bounds(entry) for _, group, entry in curve.places]
    axis.fill_between(curve.sizes, [b[0] for b in bounds], [b[1] for b in bounds], color=color, alpha=0.2, lw=0)
    for size, values in zip(curve.sizes, curve.values(), strict=True):
        axis.plot([size] * len(values), values, "o", color=color, ms=3, alpha=0.6, mew=0)


def _size_axis(axis: Axes, sizes: Sequence[int]) -> None:
    from matplotlib.ticker import NullLocator

    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(axis="x", labelsize=8, rotation=45 if len(sizes) > 5 else 0)
    axis.set_xlabel("labels", fontsize=9)


# --- data size × similarity


@dataclass
class Similarity:
    """The table of data size × task, tasks ordered by similarity, for the template."""

    head: list[str]
    rows: list[dict[str, Any]]
    notes: list[str]


def similarity_table(groups: Sequence[Group]) -> Similarity | None:
    """The best measured depth in each cell beside the textbook's; None where there is but one size of one task."""
    groups = [group for group in groups if len(group.of("depth")) > 1]
    if len(groups) < 2:
        return None
    names = dict.fromkeys(group.task for group in groups)
    tasks = {task: similarity_of([group for group in groups if group.task == task]) for task in names}
    ordered = sorted(tasks, key=lambda task: -_or(tasks[task], -1.0))
    sizes = sorted({group.size for group in groups})
    by_place = {(group.task, group.size): group for group in groups}
    rows = []
    for size in sizes:
        cells = [_cell(by_place.get((task, size)), tasks[task], size) for task in ordered]
        rows.append({"label": count(size, "label"), "cells": cells})
    heads = [f"{task}, similarity {_similarity(tasks[task])}" for task in ordered]
    notes = [
        "In each cell the depth with the best mean on test items; hatched where it cannot be told from other depths.",
        TEXTBOOK.format(few=FEW, near=plain(NEAR, 1)),
        "Similarity of a task to the pretraining: where the nearest-neighbour accuracy on frozen features lies between "
        "that of an untrained backbone (0) and the best strategy's accuracy (1), at the largest number of labels.",
    ]
    return Similarity(["Labels", *heads], rows, notes)


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _similarity(value: float | None) -> str:
    return "unknown" if value is None else minus(plain(value, 2))


def similarity_of(groups: Sequence[Group]) -> float | None:
    """Between 0 and 1: the frozen kNN accuracy on the scale from the untrained backbone's to the best strategy's."""
    group = max(groups, key=lambda group: group.size)
    from lab.evaluation.transferability import similarity_to_pretraining

    frozen = _knn(group, "depth", "strategy")
    untrained = _knn(group, "untrained")
    values = [group.line(entry).value for entry in group.of("depth", "strategy")]
    best = max((value for value in values if value is not None), default=None)
    if frozen is None or untrained is None or best is None:
        kept = [entry.facts.get("similarity") for entry in group.entries]
        return next((float(value) for value in kept if value is not None), None)
    return similarity_to_pretraining(frozen, untrained, best)


def _knn(group: Group, *kinds: Any) -> float | None:
    for entry in group.of(*kinds):
        probes = [probe for probe in entry.facts.get("probes") or [] if probe.get("stage", "before") == "before"]
        if probes and probes[-1].get("knn") is not None:
            return float(probes[-1]["knn"])
    return None


def textbook(size: int, similarity: float | None) -> str:
    """What the rule says for this many labels and this similarity."""
    if size >= FEW:
        return "train everything"
    if similarity is None:
        return "freeze, or train the last blocks"
    return "freeze everything" if similarity >= NEAR else "train the last blocks"


def _cell(group: Group | None, similarity: float | None, size: int) -> dict[str, Any]:
    if group is None:
        return {"best": "–", "value": "", "rule": textbook(size, similarity), "hatched": False, "agrees": ""}
    depths = group.of("depth")
    sign = 1 if group.table.higher_is_better else -1
    best = max(depths, key=lambda entry: sign * group.mean(entry))
    level = [entry for entry in depths if entry is not best and _level(group, entry, best)]
    rule = textbook(size, similarity)
    fits = [entry for entry in [best, *level] if _follows(entry, rule)]
    agrees = "agrees" if fits == [best, *level] else "not refuted" if fits else "measured otherwise"
    value = plain(group.mean(best), 3)
    return {"best": best.title, "value": value, "rule": rule, "hatched": bool(level), "agrees": agrees}


def _level(group: Group, entry: Entry, best: Entry) -> bool:
    return group.table.verdict(entry.label, best.label) != "worse"


def _follows(entry: Entry, rule: str) -> bool:
    if rule == "train everything":
        return entry.trained == entry.blocks
    if rule == "freeze everything":
        return not entry.trained
    return 0 < entry.trained < entry.blocks or (rule.startswith("freeze") and not entry.trained)
