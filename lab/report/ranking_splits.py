"""The same recommender under several splits: what it seems to be worth, in one figure and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.report.autoencoder_figures import spread
from lab.report.figures import PageFigure, page_figure
from lab.report.numbers import plain
from lab.report.style import COLORS, INK, drawable, dress
from lab.report.text import listing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lab.report.ranking_groups import SplitGroup

SPOKEN_SPLIT = {
    "random": "random",
    "leave_last_out": "each user's last",
    "time": "one moment",
    "cold_users": "new users",
    "cold_items": "new items",
}
_RANDOM = "random items"
Values = dict[str, dict[str, float]]


def by_split(groups: Sequence[SplitGroup], metric: str) -> Values:
    """Row in words → kind of split → a metric, of the users that training knows where there are some.

    Rows that stand under one kind of split alone are left out.
    """
    values: Values = {}
    for group in groups:
        for one in group.ranked:
            warm = one.slices(metric).get(("user", "warm"))
            value = warm[1] if warm else one.value(metric)
            if value is not None:
                values.setdefault(one.row.label, {}).setdefault(one.split_kind, value)
    return {label: own for label, own in values.items() if len(own) > 1}


def splits_figure(groups: Sequence[SplitGroup]) -> PageFigure | None:
    """A line a row over the splits, recall beside nDCG; None where no row was judged under two kinds of them."""
    k = groups[0].ranked[0].told[0]["at"]
    metrics = {f"Recall@{k}": by_split(groups, f"recall@{k}"), f"nDCG@{k}": by_split(groups, f"ndcg@{k}")}
    shown = {name: values for name, values in metrics.items() if values}
    if not shown:
        return None
    used = [kind for kind in SPOKEN_SPLIT if any(kind in own for values in shown.values() for own in values.values())]

    def draw(width: float) -> Figure:
        from matplotlib.figure import Figure

        beside = width > 5 and len(shown) > 1
        figure = Figure(figsize=(width, 3.4 if beside or len(shown) == 1 else 6.4), layout="constrained")
        axes = figure.subplots(*((1, len(shown)) if beside else (len(shown), 1)), squeeze=False)
        for axis, (name, values) in zip(axes.flat, shown.items(), strict=True):
            _lines(axis, values, used)
            axis.set_title(name, fontsize=9.5, loc="left", color=INK)
        return figure

    return page_figure(
        "ranking by split",
        draw,
        "The same models under other splits",
        f"Means over runs, of users that training knows{_new_users(groups)}.",
        "; ".join(
            f"{name} of {m}: {listing([f'{SPOKEN_SPLIT[s]} {plain(v, 3)}' for s, v in o.items()])}"
            for name, values in shown.items()
            for m, o in values.items()
        ),
        wide=8.6,
    )


def _lines(axis: Axes, values: Values, used: Sequence[str]) -> None:
    """A line a row, named at its right end."""
    dress(axis)
    top = max(value for own in values.values() for value in own.values())
    ends = []
    for place, (label, own) in enumerate(values.items()):
        kinds = [kind for kind in used if kind in own]
        color = COLORS[place % len(COLORS)]
        places = [used.index(kind) for kind in kinds]
        axis.plot(places, [own[kind] for kind in kinds], "o-", color=color, markersize=4.5)
        ends.append((own[kinds[-1]], places[-1], drawable(label, 30), color))
    ends.sort(key=lambda end: end[0])
    heights = spread([end[0] for end in ends], 0.062 * top, 0, 1.08 * top)
    for (value, at, label, color), height in zip(ends, heights, strict=True):
        axis.annotate(
            label, (at, value), (len(used) - 1 + 0.14, height), fontsize=8, color=color, va="center",
            annotation_clip=False, arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": color, "shrinkB": 4},
        )  # fmt: skip
    axis.set_xticks(range(len(used)), [SPOKEN_SPLIT[kind].replace(" ", "\n", 1) for kind in used])
    axis.set_ylim(0, 1.1 * top)
    axis.margins(x=0.08)
    axis.yaxis.set_major_formatter(lambda value, _: plain(value, 2))


def _new_users(groups: Sequence[SplitGroup]) -> str:
    """How many users a split judges beside those of the figure."""
    said = []
    for group in groups:
        slices = group.ranked[0].slices(group.ranked[0].metric)
        if ("user", "cold") in slices and ("user", "warm") in slices:
            kind = SPOKEN_SPLIT[group.ranked[0].split_kind]
            said.append(f"{kind}: {slices['user', 'cold'][0]:,} beside {slices['user', 'warm'][0]:,}")
    return f" (there are new ones too under {listing(said)}; they are in the tables)" if said else ""


def split_sentence(groups: Sequence[SplitGroup]) -> str:
    """How far the split alone moves the row that it moves most, by recall; "" where no row stands under two."""
    k = groups[0].ranked[0].told[0]["at"]
    for name, metric in ((f"Recall@{k}", f"recall@{k}"), (f"nDCG@{k}", f"ndcg@{k}")):
        values = {label: own for label, own in by_split(groups, metric).items() if label != _RANDOM}
        if values:
            label, own = max(values.items(), key=lambda pair: max(pair[1].values()) - min(pair[1].values()))
            steps = sorted(own.items(), key=lambda pair: -pair[1])
            told = [f"{plain(value, 3)} ({SPOKEN_SPLIT[kind]})" for kind, value in steps]
            between = f" over {listing(told[1:-1])}" if len(told) > 2 else ""
            return (
                f"By the split alone, {name} of {label} goes from {told[0]}{between} to {told[-1]}: "
                "numbers under different splits cannot be compared."
            )
    return ""
