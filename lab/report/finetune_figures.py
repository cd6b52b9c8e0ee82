"""The two main figures of a page about fine-tuning: accuracy by depth over training seconds, and one against the other.

Every figure is drawn twice, for a screen and for a phone, both as SVG that follows the reader's light or dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.report.figures import PageFigure, page_figure
from lab.report.finetune_answer import level_with
from lab.report.numbers import digits_for, plain, spoken, with_interval
from lab.report.style import COLORS, GRID, INK, MUTED, drawable, dress
from lab.report.text import count, duration, listing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lab.report.finetune_rows import Entry, Group

DEPTH, OTHER = COLORS[0], COLORS[1]
CONTROL_STYLES = {"untrained": (COLORS[6], (0, (1, 1.6))), "scratch": (COLORS[2], (0, (5, 1.5, 1, 1.5)))}
_BASELINE_STYLE = (MUTED, (0, (5, 2.5)))
_MOST_CONTROLS = 5
_TIMES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1200, 3600, 7200, 18000, 36000, 72000)


def shown_entries(group: Group) -> list[Entry]:
    """What has a place on the x axis: depths from few to many trained blocks, then the other strategies."""
    return [*group.of("depth"), *[entry for entry in group.entries if entry.kind == "strategy"]]


def depth_figure(group: Group, chosen: Entry | None, name: str = "depth") -> PageFigure | None:
    """Accuracy by blocks trained, with the training seconds below; None for fewer than two rows to draw."""
    entries = shown_entries(group)
    if len(entries) < 2:
        return None
    metric = spoken(group.table.metric)
    title = f"{metric[:1].upper()}{metric[1:]} by blocks trained{f', {group.title}' if group.title else ''}"
    numbers = [f"{entry.title} {with_interval(*_numbers(group, entry))} in {duration(entry.cost)}" for entry in entries]
    controls = [f"{entry.title} {plain(group.mean(entry), 3)}" for entry in _controls(group)]
    alt = f"{title}: {'; '.join(numbers)}."
    alt += f" Controls: {listing(controls)}." if controls else ""
    caption = _depth_caption(group, entries, chosen)
    return page_figure(name, lambda width: _draw_depths(group, entries, chosen, width), title, caption, alt)


def _depth_caption(group: Group, entries: Sequence[Entry], chosen: Entry | None) -> str:
    parts = ["A point is one run, the dash the mean, the band its 95 % interval over seeds and test items."]
    level = [entry for entry in level_with(chosen, group) if entry in entries]
    if len(level) > 1:
        parts.append(f"Shaded: {'the choice' if chosen else 'the best'} and what cannot be told from it.")
    if _controls(group):
        parts.append("Dashed: controls.")
    parts.append("Below: seconds to train, the frozen part counted once (lighter).")
    return " ".join(parts)


def _numbers(group: Group, entry: Entry) -> tuple[float, float | None, float | None]:
    line = group.line(entry)
    return line.value or 0.0, line.low, line.high


def _draw_depths(group: Group, entries: Sequence[Entry], chosen: Entry | None, width: float) -> Figure:
    from matplotlib.figure import Figure

    narrow = width < 5
    near, far = _by_distance(group, entries)
    figure = Figure(figsize=(width, 5.0 + 0.3 * narrow + 0.45 * bool(far)), layout="constrained")
    heights = (3.2, 0.22 + 0.22 * len(far), 1) if far else (3.2, 1)
    axes = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    for axis in axes:
        dress(axis)
        axis.grid(axis="y", color=GRID, lw=0.8)
    level = level_with(chosen, group)
    for place, entry in enumerate(entries):
        if entry in level and len(level) > 1:
            for axis in axes[:-1]:
                axis.axvspan(place - 0.5, place + 0.5, color=GRID, alpha=0.55, lw=0, zorder=0)
        _draw_entry(axes[0], place, group, entry)
    _draw_line(axes[0], group, entries)
    _draw_controls(axes[0], group, near)
    if far:
        _draw_far(axes[0], axes[1], group, far)
    _draw_seconds(axes[-1], entries, narrow)
    axes[0].set_ylabel(drawable(spoken(group.table.metric)), fontsize=9)
    _name_depths(axes[-1], entries, chosen, narrow)
    return figure


def _name_depths(axis: Axes, entries: Sequence[Entry], chosen: Entry | None, narrow: bool) -> None:
    axis.set_xticks(range(len(entries)), [_tick(entry, narrow) for entry in entries], fontsize=8 if narrow else 8.5)
    if len(entries) > (6 if narrow else 8):  # side by side they would cover one another
        lines = [_tick(entry, narrow).replace("\n", " ") for entry in entries]
        turned = {"rotation": 90} if narrow else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
        axis.set_xticklabels(lines, **turned)
    for entry, label in zip(entries, axis.get_xticklabels(), strict=True):
        label.set_fontweight("bold" if chosen is entry else "normal")
    blocks = max(entry.blocks for entry in entries)
    axis.set_xlabel(f"blocks trained, of {blocks}" + ("; bold: the choice" if chosen in entries else ""), fontsize=9)
    axis.set_xlim(-0.6, len(entries) - 0.4)


def _draw_entry(axis: Axes, place: int, group: Group, entry: Entry) -> None:
    line = group.line(entry)
    color = DEPTH if entry.kind == "depth" else OTHER
    values = list(line.values.values())
    spread = 0.08 if len(values) > 1 else 0
    for i, value in enumerate(values):
        x = place + spread * (2 * i / max(1, len(values) - 1) - 1)
        axis.plot(x, value, "o", ms=4.6, color=color, alpha=0.85, mew=0, zorder=3)
    axis.plot([place - 0.2, place + 0.2], [group.mean(entry)] * 2, color=color, lw=2.2, zorder=3)
    if entry.kind != "depth":
        low, high = group.bounds(entry)
        axis.fill_between([place - 0.2, place + 0.2], low, high, color=color, alpha=0.22, lw=0, zorder=2)


def _draw_line(axis: Axes, group: Group, entries: Sequence[Entry]) -> None:
    """The curve of the depths and the band around it."""
    depths = [(place, entry) for place, entry in enumerate(entries) if entry.kind == "depth"]
    places, bounds = [float(place) for place, _ in depths], [group.bounds(entry) for _, entry in depths]
    if len(depths) == 1:
        places, bounds = [places[0] - 0.2, places[0] + 0.2], bounds * 2
    else:
        axis.plot(places, [group.mean(entry) for _, entry in depths], color=DEPTH, lw=1.2, alpha=0.7, zorder=2)
    lows, highs = [low for low, _ in bounds], [high for _, high in bounds]
    axis.fill_between(places, lows, highs, color=DEPTH, alpha=0.2, lw=0, zorder=1)


def _controls(group: Group) -> list[Entry]:
    """Controls with a line: those a network has to beat, best first; the majority class only where nothing else is."""
    found = group.of("baseline", "untrained", "scratch")
    telling = [entry for entry in found if entry.facts.get("method") != "majority"] or found
    return sorted(telling, key=lambda entry: -group.mean(entry))[:_MOST_CONTROLS]


def _by_distance(group: Group, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Controls near the rows, and those so far below that on one axis with them the rows would lie flat."""
    shown = [number for entry in entries for number in (*group.bounds(entry), *group.line(entry).values.values())]
    low, high = min(shown), max(shown)
    floor = low - 1.3 * max(high - low, 0.02)
    controls = _controls(group)
    return [e for e in controls if group.mean(e) >= floor], [e for e in controls if group.mean(e) < floor]


def _draw_controls(axis: Axes, group: Group, controls: Sequence[Entry]) -> None:
    """Dashed lines with their names."""
    for entry in controls:
        color, dashes = CONTROL_STYLES.get(entry.kind, _BASELINE_STYLE)
        axis.axhline(group.mean(entry), color=color, lw=1.3, ls=dashes, zorder=1)
    _label_lines(axis, [(entry, group.mean(entry)) for entry in controls])


def _draw_far(top: Axes, axis: Axes, group: Group, far: Sequence[Entry]) -> None:
    """The controls far below, on a piece of the axis of their own; slanted marks say that it is broken."""
    values = [group.mean(entry) for entry in far]
    room = max(max(values) - min(values), 0.02)
    axis.set_ylim(min(values) - 0.35 * room, max(values) + 0.75 * room)
    axis.set_yticks([min(values), max(values)] if len(far) > 1 else values)
    axis.set_yticklabels([plain(value, 2) for value in axis.get_yticks()])
    axis.grid(False)
    _draw_controls(axis, group, far)
    marks: dict[str, Any] = {"marker": [(-1, -0.6), (1, 0.6)], "ms": 8, "ls": "none", "color": MUTED, "clip_on": False}
    top.plot([0], [0], transform=top.transAxes, **marks)
    axis.plot([0], [1], transform=axis.transAxes, **marks)
    top.spines["bottom"].set_visible(False)
    top.tick_params(axis="x", length=0)


def _label_lines(axis: Axes, lines: Sequence[tuple[Entry, float]]) -> None:
    """The names of the dashed lines at their right end, just above them and clear of each other."""
    low, high = axis.get_ylim()
    figure = axis.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    step = 13 * figure.dpi / 100 * (high - low) / axis.bbox.height
    taken: list[float] = []
    for entry, value in sorted(lines, key=lambda pair: pair[1]):
        y = max([value, *(other + step for other in taken)])
        taken.append(y)
        color = CONTROL_STYLES.get(entry.kind, _BASELINE_STYLE)[0]
        text = f"{drawable(entry.title)} {plain(value, 3)}"
        axis.annotate(
            text, (0.995, y), (0, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="bottom", fontsize=8, color=color, zorder=4,
        )  # fmt: skip


def _draw_seconds(axis: Axes, entries: Sequence[Entry], narrow: bool) -> None:
    for place, entry in enumerate(entries):
        color = DEPTH if entry.kind == "depth" else OTHER
        prefix, train = entry.seconds("prefix"), entry.seconds("train")
        axis.bar(place, train, 0.5, color=color, lw=0, zorder=2)
        axis.bar(place, prefix, 0.5, bottom=train, color=color, alpha=0.45, lw=0, zorder=2)
        axis.annotate(
            duration(prefix + train), (place, prefix + train), (0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=7.5 if narrow else 8, color=INK,
        )  # fmt: skip
    most = max(entry.cost for entry in entries) or 1.0
    axis.set_ylim(0, 1.28 * most)
    axis.set_ylabel("seconds", fontsize=9)


def _tick(entry: Entry, narrow: bool) -> str:
    if entry.kind != "depth":
        return drawable(entry.title, 28).replace(" ", "\n")
    if not entry.trained:
        return "0\nhead only"
    name = drawable(entry.first_trained, 12 if narrow else 18)
    start = "from\n" if narrow else "from "
    return f"{entry.trained}\nall" if entry.trained == entry.blocks else f"{entry.trained}\n{start}{name}"


def cost_figure(group: Group, chosen: Entry | None, name: str = "cost") -> PageFigure | None:
    """Accuracy against training seconds, the rows that nothing cheaper beats joined; None for fewer than two rows."""
    entries = [entry for entry in [*shown_entries(group), *_controls(group)] if entry.cost > 0]
    if len(entries) < 2:
        return None
    metric = spoken(group.table.metric)
    title = f"{metric[:1].upper()}{metric[1:]} against training time{f', {group.title}' if group.title else ''}"
    front = [entry.title for entry in _front(group, entries)]
    numbers = "; ".join(
        f"{entry.title} {plain(group.mean(entry), digits_for(*_numbers(group, entry)[1:]))} in {duration(entry.cost)}"
        for entry in entries
    )
    return page_figure(
        name,
        lambda width: _draw_costs(group, entries, chosen, width),
        title,
        f"Up and to the left is better; bars are 95 % intervals. On the line, {count(len(front), 'row')} whose mean "
        "nothing cheaper reaches.",
        f"{title}: {numbers}.",
    )


def _front(group: Group, entries: Sequence[Entry]) -> list[Entry]:
    """Rows by cost, each with a better mean than all cheaper ones."""
    sign = 1 if group.table.higher_is_better else -1
    front: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.cost):
        if not front or sign * group.mean(entry) > sign * group.mean(front[-1]):
            front.append(entry)
    return front


def _draw_costs(group: Group, entries: Sequence[Entry], chosen: Entry | None, width: float) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(width, 3.9), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    axis.grid(color=GRID, lw=0.8)
    front = _front(group, entries)
    axis.plot(
        [e.cost for e in front],
        [group.mean(e) for e in front],
        color=MUTED,
        lw=1,
        zorder=1,
        drawstyle="steps-post",
    )
    for entry in entries:
        value, low, high = _numbers(group, entry)
        color = {"depth": DEPTH, "strategy": OTHER}.get(entry.kind, MUTED)
        if low is not None and high is not None:
            axis.plot([entry.cost, entry.cost], [low, high], color=color, lw=4, alpha=0.25, solid_capstyle="butt")
        axis.plot(entry.cost, value, "o", ms=7 if entry is chosen else 5, color=color, zorder=3)
    axis.set_xscale("log")
    costs = [entry.cost for entry in entries]
    axis.set_xlim(min(costs) / 1.5, max(costs) * (2.8 if width < 5 else 2.0))
    axis.xaxis.set_minor_locator(NullLocator())
    ticks = [tick for tick in _TIMES if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    ticks = ticks[:: -(-len(ticks) // (5 if width < 5 else 9)) or 1]
    axis.set_xticks(
        ticks, [f"{t:g} s" if t < 60 else f"{t // 60:g} min" if t < 3600 else f"{t // 3600:g} h" for t in ticks]
    )
    axis.set_xlabel("training time, logarithmic", fontsize=9)
    axis.set_ylabel(drawable(spoken(group.table.metric)), fontsize=9)
    figure.draw_without_rendering()
    _label_points(axis, group, entries, chosen)
    return figure


def _label_points(axis: Axes, group: Group, entries: Sequence[Entry], chosen: Entry | None) -> None:
    """Names beside the points, where they touch neither another name nor a point; the first free side is taken."""
    boxes: list[tuple[float, float, float, float]] = []
    places = {id(e): axis.transData.transform((e.cost, group.mean(e))) for e in entries}
    boxes += [(x - 4, y - 4, x + 4, y + 4) for x, y in places.values()]
    for entry in sorted(entries, key=lambda e: -group.mean(e)):
        x, y = places[id(entry)]
        text = drawable(entry.title, 26)
        wide, tall = 6.3 * len(text), 13.0
        for dx, dy, side in ((7, 10, "left"), (-7, 10, "right"), (7, -10, "left"), (-7, -10, "right"), (7, 24, "left"),
                             (7, -24, "left"), (-7, -24, "right"), (-7, 24, "right"), (-7, -38, "right")):  # fmt: skip
            left = x + dx if side == "left" else x + dx - wide
            box = (left, y + dy - tall / 2, left + wide, y + dy + tall / 2)
            inside = axis.bbox.x0 < box[0] and box[2] < axis.bbox.x1 and axis.bbox.y0 < box[1] and box[3] < axis.bbox.y1
            if inside and not any(_touch(box, other) for other in boxes):
                break
        boxes.append(box)
        scale = 72 / axis.figure.dpi
        axis.annotate(
            text, (entry.cost, group.mean(entry)), (dx * scale, dy * scale), textcoords="offset points", ha=side,
            va="center", fontsize=8, color=INK, fontweight="bold" if entry is chosen else "normal", zorder=4,
        )  # fmt: skip


def _touch(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]
