"""Sheets of small pictures, such as a model sees and makes them, with words and numbers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from lab.runs.writer import RunWriter

INK, MUTED, GRID = "#1c2126", "#69737e", "#e4e2dd"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe and Ito's, as in the report
GAP, APART = 0.08, 0.25  # between pictures, and more of it, in heights of a picture
SHARP = 48  # pixels that a picture is at least drawn with


@dataclass(frozen=True)
class Row:
    """A row of a sheet.

    `pictures`: (m, C, H, W) floats from 0 to 1, C 1 or 3. `label` stands at its left; `notes`, one a picture, below
    them; `heading` above it, flush left, with more room; `apart`: numbers of the pictures that have a space before
    them; `above`: room above, in heights of a picture.
    """

    pictures: np.ndarray
    label: str = ""
    notes: Sequence[str] = ()
    heading: str = ""
    apart: Sequence[int] = ()
    above: float = field(default=GAP)


@dataclass(frozen=True)
class Drawn:
    """A figure with its words: the arguments of `RunWriter.figure`."""

    name: str
    figure: Figure
    title: str
    caption: str
    data: dict[str, Any]
    alt: str

    def keep(self, run: RunWriter) -> None:
        """Put it into a run."""
        run.figure(self.name, self.figure, title=self.title, caption=self.caption, data=self.data, alt=self.alt)


def draw_sheet(rows: Sequence[Row], columns: Sequence[str] = (), size: float = 0.56) -> Figure:
    """Draw rows of pictures of one shape, each pixel a square. `columns`: words above the first row's pictures.

    `size`: inches a picture is high (and wide, where it is square).
    """
    from matplotlib.figure import Figure

    strips = [_strip(row) for row in rows]
    wide = max(strip.shape[1] / strip.shape[0] for strip, _ in strips)
    margin = 0.02 + max(_text_width(row.label) for row in rows) / size
    tops, bottom = _tops(rows, 0.45 if any(columns) else 0.0)
    figure = Figure(figsize=((margin + wide + 0.05) * size, bottom * size))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(-margin, wide + 0.05), ylim=(bottom, 0))
    axis.axis("off")
    for middle, words in zip(strips[0][1], columns, strict=False):
        axis.text(middle, tops[0] - 0.1, words, **_text(7.5, MUTED, "center"))
    for row, top, (strip, middles) in zip(rows, tops, strips, strict=True):
        right = strip.shape[1] / strip.shape[0]
        axis.imshow(strip, extent=(0, right, top + 1, top), interpolation="nearest", aspect="auto")
        if row.heading:
            axis.text(-margin, top - 0.2, row.heading, weight="bold", **_text(9, INK))
        if row.label:
            axis.text(-0.12, top + 0.5, row.label, **_text(8, MUTED, "right", "center"))
        for middle, note in zip(middles, row.notes, strict=False):
            axis.text(middle, top + 1.08, note, **_text(7, MUTED, "center", "top"))
    return figure


def _strip(row: Row) -> tuple[np.ndarray, list[float]]:
    """The pictures of a row side by side, (height, width, 3), and the middle of each, in heights of a picture.

    One array, as drawing each picture for itself takes ten times as long; a pixel is made a square of many.
    """
    count, channels, height, width = row.pictures.shape
    times = -(-SHARP // height)
    shown = np.clip(row.pictures, 0, 1).transpose(0, 2, 3, 1)
    shown = np.repeat(shown, 3, axis=3) if channels == 1 else shown
    shown = shown.repeat(times, axis=1).repeat(times, axis=2)
    tall, across = height * times, width * times
    gaps = [round(tall * (GAP * (at > 0) + APART * (at in row.apart))) for at in range(count)]
    lefts = np.cumsum(gaps) + across * np.arange(count)
    strip = np.ones((tall, lefts[-1] + across, 3), dtype=np.float32)
    for left, picture in zip(lefts, shown, strict=True):
        strip[:, left : left + across] = picture
    return strip, [(left + across / 2) / tall for left in lefts]


def _tops(rows: Sequence[Row], head: float) -> tuple[list[float], float]:
    """Where each row begins, and where the sheet ends, in heights of a picture."""
    tops, y = [], head
    for row in rows:
        y += 0.6 if row.heading else row.above
        tops.append(y)
        y += 1 + (0.32 if row.notes else 0.0)
    return tops, y + 0.05


def _text_width(text: str) -> float:
    """Inches that 8-point text takes, about."""
    return 0.064 * max(map(len, text.split("\n"))) + (0.12 if text else 0.0)


def _text(size: float, color: str, across: str = "left", up: str = "bottom") -> dict[str, Any]:
    return {"fontsize": size, "color": color, "ha": across, "va": up}


def dress(axis: Axes) -> None:
    """Give a pair of axes the look of the report's own figures."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[:].set_color("#bfc4c9")
    axis.tick_params(colors=INK, labelsize=9)
    axis.xaxis.label.set(color=INK, fontsize=9)
    axis.yaxis.label.set(color=INK, fontsize=9)
    axis.title.set_color(INK)
    axis.set_axisbelow(True)
    axis.grid(axis="y", color=GRID, linewidth=0.8)


def log_ticks(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5 times the powers of ten, as people write numbers."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(LogLocator(subs=()))
    axis.set_major_formatter(lambda value, place: f"{value:g}".removeprefix("0") if 1e-4 <= value < 1 else f"{value:g}")


def small(number: Any) -> str:
    """A number with two telling digits, without a leading zero: 0.0083 → `.0083`, 12.3 → `12`."""
    value = float(f"{number:.2g}") if abs(number) < 9.95 else float(number)  # .0996 has the digits of .10
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    if abs(value) < 1e-5:
        return "0" if value == 0 else f"{value:.0e}"
    if abs(value) >= 9.95:
        return f"{value:,.0f}"
    digits = max(0, 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
