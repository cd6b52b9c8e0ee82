"""One look for every figure that the report draws itself (matplotlib without a window, constrained layout)."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lab.report.text import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe palette (2008) without its yellow, with a violet and a grey; as in report.css.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d2045", "#526163")
# For classes, of which there may be more: four that stay apart from these and from each other, for colour-blind readers
# too (tests/report/test_colors.py).
CLASS_COLORS = (*COLORS, "#885b2a", "#afc566", "#233086", "#0e370d")
FAINT = "#b9bec4"

INK, MUTED, GRID = "#1c2126", "#69737e", "#e4e2dd"
_RULE = "#bfc4c9"
_DARK = {**dict(zip(COLORS, ("#4fa8e0", "#f0813a", "#2fc49a", "#e09cc3", "#f2b93b", "#9ad4f7", "#c956af", "#c3f5d8"),
                    strict=True)), INK: "#e7e9ec", MUTED: "#909aa5", _RULE: "#59626b", GRID: "#2e343a"}  # fmt: skip


def figure_of(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of so many inches with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    return figure, axis


def dress(axis: Axes) -> None:
    """Give a pair of axes the look of all others."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[:].set_color(_RULE)
    axis.tick_params(colors=INK, labelsize=9)
    axis.xaxis.label.set_color(INK)
    axis.yaxis.label.set_color(INK)
    axis.title.set_color(INK)
    axis.set_axisbelow(True)


def drawable(text: Any, length: int = 40) -> str:
    """A label for matplotlib: shortened, without control characters or dollar signs that would start a formula."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in short(str(text), length))
    return kept.replace("$", r"\$").strip() or " "


def png_of(figure: Figure, dpi: int = 200) -> bytes:
    """The figure as PNG."""
    return _saved(figure, format="png", dpi=dpi)


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG on a transparent ground, whose colours follow the reader's light or dark theme."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lab", "font.family": "sans-serif"}):
        text = _saved(figure, format="svg", transparent=True, metadata={"Date": None}).decode()
    names = {color: f"--k{i}" for i, color in enumerate(_DARK)}
    for color, name in names.items():
        text = text.replace(color, f"var({name})")
    light = "".join(f"{name}:{color};" for color, name in names.items())
    dark = "".join(f"{names[color]}:{other};" for color, other in _DARK.items())
    style = (
        f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif!important}</style>"
    )
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match.group(1) + style, text, count=1).encode()


def _saved(figure: Figure, **options: Any) -> bytes:
    target = BytesIO()
    with missing_glyphs_are_boxes():
        figure.savefig(target, **options)
    return target.getvalue()


@contextmanager
def missing_glyphs_are_boxes() -> Iterator[None]:
    """Keep matplotlib from warning of each character that its font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield
