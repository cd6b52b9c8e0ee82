"""The part of a page that is about rankings: for whom lists are good, what they are like, on which pairs they rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.report.figures import PageFigure, page_figure
from lab.report.numbers import plain
from lab.report.ranking_splits import splits_figure
from lab.report.style import COLORS, MUTED, drawable, figure_of
from lab.report.text import count, minus, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.runs.run import Run
    from lab.runs.study import Row

EXPERIMENTS = ("two_tower", "recommender")
_BEYOND = {
    "coverage": "Coverage: the share of all items that stand in anybody's list.",
    "gini": "Gini: how unevenly items are shown; 0 all alike, near 1 always the same few.",
    "mean_popularity": "Mean popularity: of a shown item, as the share of training users who had it.",
    "popularity_lift": "Popularity lift: how much more popular the shown items are than what the same users had "
    "before; 0 is no more (Abdollahpouri et al. 2019).",
    "intra_list_diversity": "Diversity within a list: the mean cosine distance of two items of it, in the model's own "
    "space (Ziegler et al. 2005).",
    "share_tied": "Tied: the share of lists at whose end the score does not decide; a seeded hash does.",
}
_HEADS = {
    "coverage": "Coverage",
    "gini": "Gini",
    "mean_popularity": "Mean popularity",
    "popularity_lift": "Popularity lift",
    "intra_list_diversity": "Diversity within a list",
    "share_tied": "Tied",
}
_SLICES = {
    ("user", "warm"): "users that training knows",
    ("user", "cold"): "new users",
    ("item", "head"): "popular items",
    ("item", "tail"): "rare items",
}


@dataclass(frozen=True)
class Ranked:
    """A row whose runs ranked, and what each of them told: `{"at", "users", "beyond", "slices", …}`."""

    row: Row
    color: int
    told: list[dict[str, Any]]

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return f"ndcg@{self.told[0]['at']}"

    def beyond(self, name: str) -> float | None:
        """The mean over runs of a number of the lists as a whole."""
        return _mean([told["beyond"].get(name) for told in self.told])

    @property
    def accuracy(self) -> float | None:
        """The mean over runs of the metric that decides."""
        values = [
            result["value"]
            for run in self.row.runs
            for result in run.results.to_dict("records")
            if (result["evaluation"], result["metric"]) == ("ranking", self.metric)
            and result["split"] == self.told[0]["judged"]
        ]
        return _mean(values)

    def slices(self) -> dict[tuple[str, str], tuple[int, float]]:
        """Slice → users and mean of the metric that decides, over runs; users are those of the first run."""
        found: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for told in self.told:
            for part in told["slices"]:
                found.setdefault((part["by"], part["slice"]), []).append((part["users"], part[self.metric]))
        return {key: (own[0][0], sum(value for _, value in own) / len(own)) for key, own in found.items()}


@dataclass
class RankingsPage:
    """Everything about rankings, for the template."""

    beyond: dict[str, Any]
    slices: dict[str, Any]
    figure: PageFigure | None
    by_split: PageFigure | None
    splits: list[dict[str, Any]] = field(default_factory=list)
    cleaning: dict[str, Any] | None = None

    @property
    def figures(self) -> list[PageFigure]:
        """All figures, for the folder beside the page."""
        return [figure for figure in (self.by_split, self.figure) if figure]


def rankings_page(rows: Sequence[Row]) -> RankingsPage | None:
    """The page about the rows that rank; None where none of them is finished. A row's place gives its colour."""
    found = []
    for place, row in enumerate(rows):
        told = [facts for run in row.runs if (facts := _facts(run))]
        if told:
            found.append(Ranked(row, place % len(COLORS), told))
    if not found:
        return None
    moved = splits_figure(found)  # lists of several splits are of other users, and share no other figure
    return RankingsPage(
        beyond=_beyond_table(found),
        slices=_slices_table(found),
        figure=None if moved else _lift_figure(found),
        by_split=moved,
        splits=_splits_tables(found),
        cleaning=_cleaning_table(found),
    )


def _facts(run: Run) -> dict[str, Any] | None:
    if run.experiment not in EXPERIMENTS:
        return None
    try:
        told = run.json(run.experiment)
    except LabError:
        return None
    return told if "beyond" in told else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None


def _cell(value: float | None) -> str:
    return "–" if value is None else minus(plain(value, 3))


def _beyond_table(found: Sequence[Ranked]) -> dict[str, Any]:
    names = [name for name in _BEYOND if any(one.beyond(name) is not None for one in found)]
    k = found[0].told[0]["at"]
    return {
        "label": "What the lists are like as a whole",
        "caption": f"The first {k} of each list, means over runs.",
        "head": ["Row", f"nDCG@{k}", *(_HEADS[name] for name in names)],
        "rows": [[one.row.label, _cell(one.accuracy), *(_cell(one.beyond(name)) for name in names)] for one in found],
        "notes": [_BEYOND[name] for name in names],
    }


def _slices_table(found: Sequence[Ranked]) -> dict[str, Any]:
    means = [one.slices() for one in found]
    keys = list(dict.fromkeys(key for own in means for key in own))
    users = {key: {own[key][0] for own in means if key in own} for key in keys}
    heads = [f"{_SLICES.get(key, ': '.join(key))} ({_span(users[key])})" for key in keys]
    return {
        "label": "For whom the lists are good",
        "caption": f"nDCG@{found[0].told[0]['at']} by slice, means over runs; in brackets the users who are judged. "
        "Popular items are the most popular fifth of the training part, rare ones all others; the lists are the same, "
        "and only those items count as to be found.",
        "head": ["Row", *(head[:1].upper() + head[1:] for head in heads)],
        "rows": [
            [one.row.label, *(_cell(own[key][1] if key in own else None) for key in keys)]
            for one, own in zip(found, means, strict=True)
        ],
    }


def _span(numbers: set[int]) -> str:
    """`943`, or `66 to 943` where rows under several splits differ."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _splits_tables(found: Sequence[Ranked]) -> list[dict[str, Any]]:
    """A table for each way the pairs were split: how many of whom its parts can score at all."""
    by_split: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for one in found:
        split = one.told[0].get("split") or {}
        if split.get("scorable"):
            by_split.setdefault(split["how"], (split, []))[1].append(one.row.label)
    tables = []
    for how, (split, labels) in by_split.items():
        rows = [["train", f"{split['sizes']['train']:,}", "", "", "", ""]]
        for part, counts in split["scorable"].items():
            if not counts["interactions"]:
                continue
            numbers = [
                f"{counts['users_known']:,} + {counts['users_unknown']:,}",
                f"{counts['items_known']:,} + {counts['items_unknown']:,}",
                f"{counts['warm_users']:,} + {counts['cold_users']:,}",
                f"{counts['interactions_known']:,}",
            ]
            rows.append([part, f"{counts['interactions']:,}", *numbers])
        which = "" if len(labels) == len(found) else f" ({count(len(labels), 'row')})"
        tables.append(
            {
                "label": f"The split{which}",
                "caption": typeset(f"{how[:1].upper()}{how[1:]}. Known to training + new."),
                "head": [
                    "Part",
                    "Pairs",
                    "Users",
                    "Items",
                    "Users with a known item to find",
                    "Pairs known on both sides",
                ],
                "rows": rows,
            }
        )
    return tables


def _cleaning_table(found: Sequence[Ranked]) -> dict[str, Any] | None:
    steps = [step for step in found[0].told[0].get("cleaning") or [] if step["count"]]
    if not steps:
        return None
    rows = [[step["name"], f"{step['count']:,}", step["what"]] for step in steps]
    return {"label": "Cleaning", "caption": "", "head": ["Step", "Pairs", "What"], "rows": rows}


def _lift_figure(found: Sequence[Ranked]) -> PageFigure | None:
    """How good lists are against how much more popular than their users' own items what they show is."""
    points = [
        (one, lift, value)
        for one in found
        if (lift := one.beyond("popularity_lift")) is not None and (value := one.accuracy) is not None
    ]
    if len(points) < 2:
        return None
    k = found[0].told[0]["at"]

    def draw(width: float) -> Figure:
        figure, axis = figure_of(width, 3.8)
        axis.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        rightmost = max(lift for _, lift, _ in points)
        leftmost = min(lift for _, lift, _ in points)
        for one, lift, value in points:
            left = lift > (rightmost + leftmost) / 2
            axis.plot([lift], [value], "o", color=COLORS[one.color], markersize=7)
            axis.annotate(
                drawable(one.row.label, 32), (lift, value), (-7 if left else 7, 4), textcoords="offset points",
                ha="right" if left else "left", fontsize=8.5, color=COLORS[one.color],
            )  # fmt: skip
        axis.set(xlabel="popularity lift of the lists (0: as popular as what their users had)", ylabel=f"nDCG@{k}")
        axis.margins(0.08, 0.14)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
        return figure

    best = max(points, key=lambda point: point[2])
    return page_figure(
        "accuracy against popularity lift",
        draw,
        "Good lists, and how popular what they show is",
        f"A point is the mean of a row. Further up is better; further right, lists show what everybody has. "
        f"{best[0].row.label} has the best nDCG@{k}, {plain(best[2], 3)}, at a lift of {plain(best[1], 2)}.",
        "; ".join(f"{one.row.label}: nDCG@{k} {plain(v, 3)}, lift {plain(lift, 2)}" for one, lift, v in points),
    )
