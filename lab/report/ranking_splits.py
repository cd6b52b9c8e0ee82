"""The same recommender under several splits: what it seems to be worth, in one figure and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.report.figures import PageFigure, page_figure
from lab.report.numbers import plain
from lab.report.style import COLORS, drawable, figure_of
from lab.report.text import listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.report.rankings import Ranked

SPOKEN_SPLIT = {
    "random": "random",
    "leave_last_out": "each user's last",
    "time": "one moment",
    "cold_users": "new users",
    "cold_items": "new items",
}
_METHODS = {"ease": "EASE", "als": "iALS", "item_neighbors": "item neighbours", "tfidf": "TF-IDF"}
Values = dict[str, dict[str, float]]


def by_split(found: Sequence[Ranked]) -> Values:
    """Method in words → kind of split → the metric that decides; methods that stand under one split alone left out."""
    values: Values = {}
    for one in found:
        config = one.row.runs[0].config
        kind = ((config.get("data") or {}).get("split") or {}).get("kind", "random")
        if one.row.experiment == "recommender":
            name = (config.get("method") or {}).get("name", "")
            method = _METHODS.get(name, name.replace("_", " "))
        else:
            method = f"two towers, {(config.get('objective') or {}).get('kind', 'in_batch').replace('_', '-')}"
        if one.accuracy is not None:
            values.setdefault(method, {}).setdefault(kind, one.accuracy)
    return {method: own for method, own in values.items() if len(own) > 1}


def splits_figure(found: Sequence[Ranked]) -> PageFigure | None:
    """A line a method over the splits; None where no method was judged under two of them."""
    values = by_split(found)
    if not values:
        return None
    k = found[0].told[0]["at"]
    used = [kind for kind in SPOKEN_SPLIT if any(kind in own for own in values.values())]

    def draw(width: float) -> Figure:
        figure, axis = figure_of(width, 3.6)
        for place, (method, own) in enumerate(values.items()):
            kinds = [kind for kind in used if kind in own]
            color = COLORS[place % len(COLORS)]
            axis.plot([used.index(kind) for kind in kinds], [own[kind] for kind in kinds], "o-", color=color,
                      label=drawable(method, 32))  # fmt: skip
        axis.set_xticks(range(len(used)), [SPOKEN_SPLIT[kind] for kind in used])
        axis.set(xlabel="what is held out", ylabel=f"nDCG@{k}")
        axis.set_ylim(bottom=0)
        axis.margins(x=0.08)
        axis.legend(frameon=False, fontsize=8.5)
        return figure

    return page_figure(
        "ranking by split",
        draw,
        "The same model under another split",
        split_sentence(values, k),
        "; ".join(
            f"{m}: {listing([f'{SPOKEN_SPLIT[s]} {plain(v, 3)}' for s, v in o.items()])}" for m, o in values.items()
        ),
    )


def split_sentence(values: Values, k: int) -> str:
    """How far the split alone moves the method that it moves most."""
    method, own = max(values.items(), key=lambda pair: max(pair[1].values()) - min(pair[1].values()))
    high, low = max(own, key=own.__getitem__), min(own, key=own.__getitem__)
    return (
        f"By the split alone, nDCG@{k} of {method} goes from {plain(own[high], 3)} ({SPOKEN_SPLIT[high]}) to "
        f"{plain(own[low], 3)} ({SPOKEN_SPLIT[low]}): numbers under different splits cannot be compared."
    )
