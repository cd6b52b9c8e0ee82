"""Where the chosen strategy errs: confusion, classes, calibration, slices, and its most confident mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.report.figures import PageFigure, page_figure
from lab.report.numbers import plain
from lab.report.style import COLORS, GRID, MUTED, drawable, dress
from lab.report.text import count, minus, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.report.finetune_rows import Entry

MOST_CLASSES = 40  # in the confusion matrix; beyond it only the most frequent confusions are listed
MOST_SLICES, MOST_MISTAKES = 8, 24  # slices beside those that are surely worse
_PICTURE = ("data:image/png;base64,", "data:image/jpeg;base64,")


@dataclass
class Errors:
    """What the template shows of one entry, seed by seed folded into its first run."""

    introduction: str
    figures: list[PageFigure]
    confused: list[str]
    classes: dict[str, Any] | None
    slices: dict[str, Any] | None
    mistakes: list[dict[str, str]]


def errors_of(entry: Entry, place: str = "") -> Errors | None:
    """Everything about the mistakes of the entry's first run on its test items; None where it kept nothing."""
    facts = entry.facts
    confusion, classes = facts.get("confusion"), [str(name) for name in facts.get("classes") or []]
    figures = []
    if confusion and len(classes) == len(confusion) <= MOST_CLASSES:
        figures.append(_confusion_figure(confusion, classes, place))
    if facts.get("calibration"):
        figures.append(_calibration_figure(facts["calibration"], place))
    mistakes = [_mistake(mistake) for mistake in (facts.get("mistakes") or [])[:MOST_MISTAKES]]
    if not figures and not mistakes and not facts.get("per_class"):
        return None
    seed = f", seed {entry.run.seed}" if len(entry.row.runs) > 1 else ""
    return Errors(
        introduction=f"Test items, as {entry.title}{seed} predicted them.",
        figures=figures,
        confused=_confused(confusion, classes) if confusion else [],
        classes=_classes(facts.get("per_class") or []),
        slices=_slices(facts.get("slices") or []),
        mistakes=mistakes,
    )


def _confused(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[str]:
    """The most frequent confusions in words."""
    pairs = [
        (confusion[i][j], classes[i], classes[j])
        for i in range(len(classes))
        for j in range(len(classes))
        if i != j and confusion[i][j]
    ]
    return [f"{a} taken for {b} ({count(n, 'time')})" for n, a, b in sorted(pairs, reverse=True)[:5]]


def _confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str], place: str) -> PageFigure:
    right = sum(confusion[i][i] for i in range(len(classes)))
    items = sum(sum(row) for row in confusion)
    worst = "; ".join(_confused(confusion, classes)[:3]) or "no mistakes"
    return page_figure(
        f"confusion {place}".strip(),
        lambda width: _draw_confusion(confusion, classes, min(width, 5.2)),
        "Confusion matrix",
        f"Rows: the label; columns: the prediction. {right:,} of {items:,} are right.",
        f"Confusion matrix of {count(len(classes), 'class', 'classes')}: {right} of {items} right; {worst}.",
    )


def _draw_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str], width: float) -> Figure:
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(classes)
    figure = Figure(figsize=(width, width * 0.92), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    scale = LinearSegmentedColormap.from_list("blues", ["#f4f7fa", "#0a4a7a"])
    axis.pcolormesh(shares, cmap=scale, vmin=0, vmax=1, edgecolors="face", lw=0.3)
    if n <= 16:
        for i in range(n):
            for j in range(n):
                if counts[i, j]:
                    color = "#ffffff" if shares[i, j] > 0.45 else "#000000"
                    text = axis.text(j + 0.5, i + 0.5, f"{int(counts[i, j])}", ha="center", va="center", color=color)
                    text.set_fontsize(9 if n <= 8 else 7)
    ticks = np.arange(n) + 0.5
    size = 8.5 if n <= 12 else 6.5
    axis.set_xticks(ticks, [drawable(name, 14) for name in classes], rotation=90 if n > 4 else 0, fontsize=size)
    axis.set_yticks(ticks, [drawable(name, 14) for name in classes], fontsize=size)
    axis.invert_yaxis()
    axis.set_aspect("equal")
    axis.set_xlabel("predicted", fontsize=9)
    axis.set_ylabel("label", fontsize=9)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def _calibration_figure(bins: Sequence[Mapping[str, Any]], place: str) -> PageFigure:
    known = [b for b in bins if b.get("confidence") is not None and b.get("accuracy") is not None]
    gaps = [(b["confidence"] - b["accuracy"], _items(b)) for b in known]
    items = sum(n for _, n in gaps) or 1
    over = sum(gap * n for gap, n in gaps) / items
    error = sum(abs(gap) * n for gap, n in gaps) / items
    said = "On average it is " + (
        "as sure as it is right" if abs(over) < 0.01 else f"{'too sure' if over > 0 else 'not sure enough'} by "
        f"{plain(abs(over), 3)}"
    )  # fmt: skip
    return page_figure(
        f"calibration {place}".strip(),
        lambda width: _draw_calibration(known, min(width, 4.4)),
        "Calibration",
        f"How often it is right (up) by how sure it is (right); on the diagonal both agree. {said}; expected "
        f"calibration error {plain(error, 3)}.",
        "Calibration: "
        + "; ".join(f"confidence {plain(b['confidence'], 2)}, right {plain(b['accuracy'], 2)}" for b in known)
        + ".",
    )


def _items(part: Mapping[str, Any]) -> int:
    return int(part.get("count") or part.get("n") or 0)


def _draw_calibration(bins: Sequence[Mapping[str, Any]], width: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, width * 0.95), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    axis.grid(color=GRID, lw=0.8)
    low = min([0.5, *(b["confidence"] for b in bins), *(b["accuracy"] for b in bins)])
    axis.plot([low, 1], [low, 1], ls=(0, (4, 3)), color=MUTED, lw=1.2)
    axis.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], color=COLORS[0], lw=1.4)
    most = max((_items(b) for b in bins), default=1) or 1
    sizes = [18 + 90 * _items(b) / most for b in bins]
    axis.scatter(
        [b["confidence"] for b in bins], [b["accuracy"] for b in bins], s=sizes, color=COLORS[0], zorder=3, lw=0
    )
    axis.set_xlabel("confidence", fontsize=9)
    axis.set_ylabel("share that is right", fontsize=9)
    axis.set_xlim(low - 0.03, 1.02)
    axis.set_ylim(min(low, *(b["accuracy"] for b in bins)) - 0.03, 1.02)
    return figure


def _classes(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not rows:
        return None
    listed = sorted(rows, key=lambda row: 2.0 if row.get("f1") is None else float(row["f1"]))
    return {
        "label": "By class",
        "caption": "Worst first.",
        "head": ["Class", "Test items", "Precision", "Recall", "F1"],
        "rows": [
            [str(row.get("class")), f"{int(row.get('support') or row.get('n') or 0):,}",
             *(_number(row.get(key)) for key in ("precision", "recall", "f1"))]
            for row in listed
        ],
    }  # fmt: skip


def _slices(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not rows:
        return None
    listed = sorted(rows, key=lambda row: (not row.get("worse"), row.get("accuracy") or 0.0))
    worse = [row for row in rows if row.get("worse")]
    shown = listed[: max(MOST_SLICES, len(worse))]
    left = f" The {len(shown)} lowest of {len(rows)}." if len(rows) > len(shown) else ""
    said = (
        f"{count(len(worse), 'slice')} with more mistakes than the average, after Holm's correction."
        if worse
        else "No slice has surely more mistakes than the average (after Holm's correction)."
    )
    return {
        "label": "By slice",
        "caption": f"{said}{left}",
        "head": ["Slice", "Items", "Accuracy", "Against the average", "p (Holm)", "Verdict"],
        "rows": [
            [
                _slice_name(row),
                f"{int(row.get('n') or row.get('count') or 0):,}",
                _number(row.get("accuracy")),
                _number(row.get("difference")),
                _p(row.get("p_holm")),
                "worse" if row.get("worse") else "–",
            ]
            for row in shown
        ],
    }


def _slice_name(row: Mapping[str, Any]) -> str:
    """`camera: phone`; of a cluster of features, which items are typical of it."""
    typical = ", ".join(short(str(item), 24) for item in (row.get("items") or [])[:3])
    like = f", like {typical}" if typical and row.get("column") == "cluster" else ""
    return f"{row.get('column')}: {short(str(row.get('value')), 80)}{like}"


def _mistake(mistake: Mapping[str, Any]) -> dict[str, str]:
    """One mistake for the template; a picture is shown only where it stands in the record itself."""
    image = str(mistake.get("image") or "")
    return {
        "id": short(str(mistake.get("id", "")), 120),
        "label": short(str(mistake.get("label", "")), 60),
        "predicted": short(str(mistake.get("predicted", "")), 60),
        "probability": _number(mistake.get("probability"), 2),
        "text": short(str(mistake.get("text") or ""), 400),
        "image": image if image.startswith(_PICTURE) else "",
    }


def _number(value: Any, digits: int = 3) -> str:
    return minus(plain(float(value), digits)) if value is not None else "–"


def _p(value: Any) -> str:
    return "–" if value is None else "< .001" if value < 0.001 else plain(float(value), 3)
