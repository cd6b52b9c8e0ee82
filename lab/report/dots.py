"""The picture of the answer: a point for each seed and an interval for each row, in the page and as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.report.figure_data import csv_uri
from lab.report.numbers import digits_for, plain
from lab.report.style import COLORS, drawable, figure_of, png_of
from lab.report.text import count, minus, number, slug

_HEIGHTS = (15.0, 9.5, 20.5, 12.0, 18.0)  # where dots of one row stand, so that equal values are all seen


@dataclass(frozen=True)
class Measured:
    """One row of a table: `mean` with its interval `low` to `high` (None: no interval), `values` by seed.

    `color` is its place in the palette; `note` stands small under the label.
    """

    label: str
    color: int
    mean: float
    low: float | None = None
    high: float | None = None
    values: dict[int, float] = field(default_factory=dict)
    best: bool = False
    note: str = ""

    @property
    def between(self) -> str:
        """`.387 to .487`, or nothing where there is no interval."""
        if self.low is None or self.high is None:
            return ""
        digits = digits_for(self.low, self.high)
        return f"{minus(plain(self.low, digits))} to {minus(plain(self.high, digits))}"

    @property
    def numbers(self) -> list[float]:
        """Everything that must be inside the picture."""
        return [
            v for v in (self.mean, self.low, self.high, *self.values.values()) if v is not None and math.isfinite(v)
        ]


@dataclass(frozen=True)
class Dots:
    """The picture of a table, to be drawn in the page and as PNG."""

    title: str
    rows: list[Measured]
    caption: str

    def in_page(self) -> dict[str, Any] | None:
        """For the template; see `dot_picture`."""
        return dot_picture(self.title, self.rows, self.caption)

    def png(self) -> bytes:
        """The same picture as PNG."""
        return dot_png(self.title, self.rows)


def dot_picture(title: str, rows: Sequence[Measured], caption: str) -> dict[str, Any] | None:
    """Positions in percent of the width, for the template; None where there is nothing to show."""
    rows = [row for row in rows if math.isfinite(row.mean)]
    if not rows:
        return None
    ticks = round_ticks([value for row in rows for value in row.numbers])
    left, right = ticks[0], ticks[-1]

    def place(value: float) -> float:
        return round(100 * (min(max(value, left), right) - left) / (right - left), 3)

    return {
        "title": title,
        "caption": caption,
        "csv": csv_uri(_table(rows)),
        "file": slug(title),
        "ticks": [{"x": place(tick), "text": _tick_text(tick, ticks)} for tick in ticks],
        "rows": [
            {
                "label": row.label,
                "note": row.note,
                "color": row.color % len(COLORS),
                "best": row.best,
                "mean": place(row.mean),
                "interval": [place(row.low), place(row.high)] if row.low is not None and row.high is not None else None,
                "dots": [
                    {"x": place(value), "y": _HEIGHTS[i % len(_HEIGHTS)], "text": f"seed {seed}: {number(value)}"}
                    for i, (seed, value) in enumerate(sorted(row.values.items()))
                ],
                "value": minus(plain(row.mean, digits_for(row.low, row.high))),
                "range": row.between,
                "spoken": spoken(row),
            }
            for row in rows
        ],
    }


def _table(rows: Sequence[Measured]) -> list[list[Any]]:
    """The rows with their values a seed, as they would be saved."""
    seeds = sorted({seed for row in rows for seed in row.values})
    values = [[row.values.get(seed) for seed in seeds] for row in rows]
    lines = [[row.label, row.mean, row.low, row.high, *own] for row, own in zip(rows, values, strict=True)]
    return [["row", "mean", "low", "high", *(f"seed {seed}" for seed in seeds)], *lines]


def spoken(row: Measured) -> str:
    """The row in words, for who cannot see the picture."""
    parts = [f"mean {number(row.mean)}", f"95 % interval {row.between}" if row.between else "no interval"]
    if row.values:
        parts.append(f"{count(len(row.values), 'seed')}: {', '.join(number(value) for value in row.values.values())}")
    return "; ".join(parts)


def round_ticks(values: Sequence[float], most: int = 6) -> list[float]:
    """At most `most` + 1 round numbers, evenly spaced, whose first and last enclose all values."""
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    low, high = low - 0.03 * spread, high + 0.03 * spread
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(m for m in (1, 2, 5, 10, 20) if math.ceil(high / m / step) - math.floor(low / m / step) <= most)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _tick_text(tick: float, ticks: Sequence[float]) -> str:
    step = ticks[1] - ticks[0]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return minus(plain(tick, min(decimals, 9))) if tick else "0"


def dot_png(title: str, rows: Sequence[Measured]) -> bytes:
    """The same picture as PNG."""
    rows = [row for row in rows if math.isfinite(row.mean)]
    figure, axis = figure_of(7.2, 1.2 + 0.42 * len(rows))
    for place, row in enumerate(rows):
        color = COLORS[row.color % len(COLORS)]
        if row.low is not None and row.high is not None:
            axis.plot([row.low, row.high], [place, place], color=color, lw=7, alpha=0.28, solid_capstyle="butt")
        for i, value in enumerate(row.values.values()):
            height = place + (_HEIGHTS[i % len(_HEIGHTS)] - 15) / 30
            axis.plot(value, height, "o", ms=5.5, mfc="white", mec=color, mew=1.4)
        axis.plot([row.mean, row.mean], [place - 0.3, place + 0.3], color=color, lw=2.5)
    axis.set_yticks(range(len(rows)), [drawable(row.label) for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_title(drawable(title, 90), loc="left", fontsize=10.5)
    axis.grid(axis="x", color="#e4e2dd", lw=0.8)
    axis.set_axisbelow(True)
    axis.spines[["left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    return png_of(figure)
