"""The part of a page that is about rankings: for whom lists are good, what they are like, on which pairs they rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.report.figures import PageFigure, page_figure
from lab.report.numbers import plain
from lab.report.ranking_groups import Ranked, SplitGroup, split_groups
from lab.report.ranking_neighbors import pair_neighbors
from lab.report.ranking_splits import split_sentence, splits_figure
from lab.report.style import COLORS, MUTED, drawable, figure_of
from lab.report.text import minus, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.report.map_data import MapSource
    from lab.runs.study import Row

_RANDOM = "random items"
MOST_COLUMNS = 5
_TASKS = {
    "wikipedia-links": "Users are paragraphs of Wikipedia articles, items the titles of other articles. The task: "
    "given a {new}paragraph, rank all titles so that those it links to come first.",
    "wikipedia-search": "Users are headings of Wikipedia articles, items their sections. The task: given a "
    "{new}heading with its article's title, rank all sections so that its own comes first.",
}
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


@dataclass
class GroupTables:
    """What is said of the rows of one split; `title` is "" where there is but one."""

    title: str
    slices: dict[str, Any]
    beyond: dict[str, Any]
    split: dict[str, Any] | None
    examples: dict[str, Any] | None


@dataclass
class RankingsPage:
    """Everything about rankings, for the template. `sentence`: what another split does to the same model, or "".

    `neighbors`: tables of what lies near popular items, as `neighbor_tables` makes them. `task`: what is asked, in
    words, where the data are packaged.
    """

    groups: list[GroupTables]
    figure: PageFigure | None
    by_split: PageFigure | None
    sentence: str
    cleaning: dict[str, Any] | None
    neighbors: list[dict[str, Any]]
    task: str = ""

    @property
    def figures(self) -> list[PageFigure]:
        """All figures, for the folder beside the page."""
        return [figure for figure in (self.by_split, self.figure) if figure]


def rankings_page(
    rows: Sequence[Row], spaces: Sequence[MapSource] = (), names: Sequence[str] = ()
) -> RankingsPage | None:
    """The page about the rows that rank; None where none of them is finished. A row's place gives its colour.

    `spaces`: those of both sides; `names`: items whose neighbours are asked for, instead of the most popular ones.
    """
    groups = split_groups(rows)
    if not groups:
        return None
    moved = splits_figure(groups)
    return RankingsPage(
        groups=[_tables(group) for group in groups],
        figure=_lift_figure(groups[0].ranked) if len(groups) == 1 else None,
        by_split=moved,
        sentence=split_sentence(groups) if moved else "",
        cleaning=_cleaning_table(groups[0].ranked),
        neighbors=pair_neighbors(spaces, names),
        task=" ".join(dict.fromkeys(_task(one) for group in groups for one in group.ranked if _task(one))),
    )


def _task(one: Ranked) -> str:
    source = str((one.row.runs[0].config.get("data") or {}).get("source", ""))
    new = one.split_kind == "cold_users"
    return _TASKS[source].format(new="new " if new else "") if source in _TASKS else ""


def _tables(group: SplitGroup) -> GroupTables:
    found = group.ranked
    title = f"{group.title[:1].upper()}{group.title[1:]}"
    return GroupTables(title, _slices_table(found), _beyond_table(found), _split_table(found), _examples(found))


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
        "notes": [*(_BEYOND[name] for name in names), *_below(found)],
    }


def _below(found: Sequence[Ranked]) -> list[str]:
    """A flag for rows that are worse than popularity, outside the interval; drawing at random is meant to be."""
    notes = []
    for one in found:
        below = next((told["below_popularity"] for told in one.told if told.get("below_popularity")), "")
        if below and one.row.label != _RANDOM:
            notes.append(typeset(f"{one.row.label}: {below.replace('ndcg', 'nDCG')}."))
    return notes


def _slices_table(found: Sequence[Ranked]) -> dict[str, Any]:
    means = [one.slices(found[0].metric) for one in found]
    keys = list(dict.fromkeys(key for own in means for key in own))
    users = {key: {own[key][0] for own in means if key in own} for key in keys}
    heads = [f"{_SLICES.get(key, ': '.join(key))} ({_span(users[key])})" for key in keys]
    return {
        "label": "For whom the lists are good",
        "caption": f"nDCG@{found[0].told[0]['at']} by slice, means over runs; in brackets the users who are judged. "
        "Popular items are the most popular fifth of the training part, rare ones all others; the lists are the same, "
        "and only those items count as to be found.",
        **_turned(
            ["Row", *(head[:1].upper() + head[1:] for head in heads)],
            [
                [one.row.label, *(_cell(own[key][1] if key in own else None) for key in keys)]
                for one, own in zip(found, means, strict=True)
            ],
        ),
    }


def _turned(head: list[str], rows: list[list[str]]) -> dict[str, Any]:
    """A table whose longer side runs down the page."""
    if len(head) - 1 > max(len(rows), MOST_COLUMNS):
        (_, *head), *rows = [list(line) for line in zip(head, *rows, strict=True)]
        head = ["Slice", *head]
    return {"head": head, "rows": rows}


def _span(numbers: set[int]) -> str:
    """`943`, or `940 to 943` where rows differ."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _split_table(found: Sequence[Ranked]) -> dict[str, Any] | None:
    """How many of whom the parts of the split can score at all."""
    split = found[0].told[0].get("split") or {}
    if not split.get("scorable"):
        return None
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
    return {
        "label": "Whom and what the split can score",
        "caption": typeset(
            f"{split['how'][:1].upper()}{split['how'][1:]}. Users and items as known to training + new; what learns "
            "from ids alone can score known ones only."
        ),
        "head": ["Part", "Pairs", "Users", "Items", "Users with a known item to find", "Pairs known on both sides"],
        "rows": rows,
    }


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
            axis.plot([lift], [value], "o", color=COLORS[one.color % len(COLORS)], markersize=7)
            axis.annotate(
                drawable(one.row.label, 32), (lift, value), (-7 if left else 7, 4), textcoords="offset points",
                ha="right" if left else "left", fontsize=8.5, color=COLORS[one.color % len(COLORS)],
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


def _examples(found: Sequence[Ranked]) -> dict[str, Any] | None:
    """The lists of a few users, as the best row that told them has them: what was found is marked."""
    telling = [one for one in found if one.told[0].get("examples")]
    if not telling:
        return None
    best = max(telling, key=lambda one: one.accuracy or 0.0)
    rows = [
        [
            example["user"],
            "; ".join(f"✓ {name}" if hit else name for name, hit in example["list"]),
            "; ".join(example["missed"]) or "–",
        ]
        for example in best.told[0]["examples"]
    ]
    return {
        "label": "A few lists",
        "caption": f"{best.row.label}, first run: the first {len(best.told[0]['examples'][0]['list'])} of users drawn "
        "at random; ✓ marks what was held out and found.",
        "head": ["User", "List, best first", "Held out and not in it"],
        "rows": rows,
    }
