"""The learning-rate grid: what each row tried on validation data, what it chose, and what one shared rate says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.report.figures import PageFigure, page_figure
from lab.report.finetune_rows import Entry
from lab.report.numbers import plain, spoken
from lab.report.style import COLORS, INK, drawable, dress
from lab.report.text import listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.report.finetune_rows import Group

RATE = "train.learning_rate"


@dataclass
class RateGrid:
    """What the template shows: the heat map, warnings of choices at the edge, and the ranking at each shared rate."""

    figure: PageFigure
    warnings: list[str]
    sentence: str
    table: dict[str, Any] | None


@dataclass(frozen=True)
class Tried:
    """One row of the grid: the validation value of each rate that was tried (the best, where other keys varied too).

    `broke`: rates that gave no value, as the loss was no longer a number.
    """

    entry: Entry
    values: Mapping[float, float]
    chosen: float | None
    broke: frozenset[float] = frozenset()


def rate_grid(group: Group, name: str = "learning rates") -> RateGrid | None:
    """The grid of one group; None where no row tried several rates."""
    tried = [_tried(entry) for entry in [*group.of("depth"), *group.of("strategy", "scratch", "untrained")]]
    tried = [row for row in tried if len(row.values) > 1]
    if not tried:
        return None
    rates = sorted({rate for row in tried for rate in row.values})
    metric = spoken(_metric(tried[0].entry))
    title = f"Validation {metric} by learning rate{f', {group.title}' if group.title else ''}"
    said = "; ".join(
        f"{row.entry.title}: {', '.join(f'{plain(v, 3)} at {rate_text(r)}' for r, v in sorted(row.values.items()))}"
        for row in tried
    )
    figure = page_figure(
        name,
        lambda width: _draw(tried, rates, width),
        title,
        "First seed of each row; framed: the rate it chose for itself, with which its other seeds were run.",
        f"{title}: {said}.",
    )
    return RateGrid(figure, edge_warnings(tried), shared_sentence(tried), _ranking(tried, rates))


def _tried(entry: Entry) -> Tried:
    values: dict[float, float] = {}
    sign = 1
    for candidate in entry.row.candidates:
        result, rate = candidate.get("validation"), (candidate.get("changes") or {}).get(RATE)
        if result and rate is not None and result.get("value") is not None:
            sign = 1 if result.get("higher_is_better", True) else -1
            value = float(result["value"])
            best = values.get(float(rate))
            values[float(rate)] = value if best is None else sign * max(sign * best, sign * value)
    chosen = entry.row.chosen.get(RATE)
    failed = [candidate["changes"] for candidate in entry.row.candidates if candidate.get("status") == "failed"]
    broke = frozenset(float(changes[RATE]) for changes in failed if changes.get(RATE) is not None) - set(values)
    return Tried(entry, values, None if chosen is None else float(chosen), broke)


def _metric(entry: Entry) -> str:
    found = [candidate["validation"]["metric"] for candidate in entry.row.candidates if candidate.get("validation")]
    return found[0] if found else "accuracy"


def _higher_is_better(tried: Sequence[Tried]) -> bool:
    results = [c.get("validation") for row in tried for c in row.entry.row.candidates]
    return next((bool(result.get("higher_is_better", True)) for result in results if result), True)


def rate_text(rate: float) -> str:
    """A learning rate as people write it: `.003`, `1e-4`."""
    if rate < 0.001:
        mantissa, _, exponent = f"{rate:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{rate:g}".replace("0.", ".", 1)


def edge_warnings(tried: Sequence[Tried]) -> list[str]:
    """One sentence for each end of the grid that rows chose, naming them; beyond a rate that broke there is no end."""
    found = []
    for end, word in ((max, "highest"), (min, "lowest")):
        rows = [row for row in tried if row.chosen is not None and row.chosen == end({*row.values, *row.broke})]
        for rate in sorted({row.chosen for row in rows if row.chosen is not None}):
            names = listing([row.entry.title for row in rows if row.chosen == rate])
            found.append(
                f"At the edge: {names} chose {rate_text(rate)}, the {word} rate tried, so a better one may lie beyond; "
                f"try {rate_text(_beyond(rate, up=end is max))} too."
            )
    return found


def _beyond(rate: float, *, up: bool) -> float:
    """The next rate of 1, 3, 10, 30, … that is at least twice this one, or at most half of it."""
    ladder = [float(f"{digit}e{power}") for power in range(-12, 6) for digit in (1, 3)]
    return min(r for r in ladder if r >= 1.99 * rate) if up else max(r for r in ladder if r <= rate / 1.99)


def ranking_at(tried: Sequence[Tried], rate: float | None) -> list[tuple[Tried, float]]:
    """The rows best first at one rate for all, or (None) each at its own choice."""
    sign = -1 if _higher_is_better(tried) else 1
    at = [(row, row.values.get(row.chosen or -1.0) if rate is None else row.values.get(rate)) for row in tried]
    known = [(row, value) for row, value in at if value is not None]
    return sorted(known, key=lambda pair: sign * pair[1])


def shared_sentence(tried: Sequence[Tried]) -> str:
    """What would have come out best at each single rate, beside the choice of each row for itself."""
    own = ranking_at(tried, None)
    if len(own) < 2:
        return ""
    rates = sorted({rate for row in tried for rate in row.values})
    winners: dict[str, list[str]] = {}
    for rate in rates:
        ranked = ranking_at(tried, rate)
        if len(ranked) > 1:
            winners.setdefault(ranked[0][0].entry.title, []).append(rate_text(rate))
    best = own[0][0].entry.title
    if not winners:
        return ""
    if list(winners) == [best]:
        return f"At every single shared rate {best} would have been best too."
    said = "; ".join(f"at {listing(rates)}, {title}" for title, rates in winners.items())
    return (
        f"At one rate shared by all rows, the best would have been: {said}. With its own rate for each row it is "
        f"{best}: at a shared rate the answer is whatever the rate makes it."
    )


def _ranking(tried: Sequence[Tried], rates: Sequence[float]) -> dict[str, Any] | None:
    """The ranking at each single shared rate, and the one in which each row has its own; None for a single row."""
    if len(tried) < 2:
        return None

    def places(rate: float | None) -> list[str]:
        ranked = [f"{row.entry.title} {plain(value, 3)}" for row, value in ranking_at(tried, rate)]
        return [*ranked, *["–"] * (len(tried) - len(ranked))]

    ordinals = ["Best", "2nd", "3rd", *(f"{n}th" for n in range(4, len(tried) + 1))]
    columns = [ordinals[: len(tried)], *map(places, rates), places(None)]
    return {
        "label": "Ranking at each single shared rate",
        "caption": "Validation data, first seed of each row.",
        "head": ["Place", *(f"All at {rate_text(rate)}" for rate in rates), "Each at its own"],
        "rows": [list(row) for row in zip(*columns, strict=True)],
    }


def _draw(tried: Sequence[Tried], rates: Sequence[float], width: float) -> Figure:
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    grid = np.array([[row.values.get(rate, np.nan) for rate in rates] for row in tried])
    figure = Figure(figsize=(width, 1.0 + 0.42 * len(tried)), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    known = grid[np.isfinite(grid)]
    low, high = float(known.min()), float(known.max())
    low = max(low, high - 0.35 * max(abs(high), 1e-9)) if high > 0 else low  # one that broke must not flatten the rest
    mesh = axis.pcolormesh(grid, cmap="cividis", vmin=low, vmax=high, edgecolors="face", lw=0.4)
    for y, row in enumerate(tried):
        for x, rate in enumerate(rates):
            value = row.values.get(rate)
            if value is None:
                continue
            dark = (value - low) / ((high - low) or 1) < 0.55
            axis.text(
                x + 0.5, y + 0.5, plain(value, 3), ha="center", va="center", color="#ffffff" if dark else "#000000",
                fontsize=8.5, fontweight="bold" if rate == row.chosen else "normal",
            )  # fmt: skip
            if rate == row.chosen:
                axis.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, fill=False, ec=COLORS[1], lw=2.6))
    axis.set_xticks(np.arange(len(rates)) + 0.5, [rate_text(rate) for rate in rates])
    axis.set_yticks(np.arange(len(tried)) + 0.5, [drawable(row.entry.title, 20) for row in tried])
    axis.invert_yaxis()
    axis.set_xlabel("learning rate", fontsize=9, color=INK)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    mesh.set_rasterized(False)
    return figure
