"""Curves by epoch: one value, or an autoencoder's reconstruction and regulariser apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab.pictures import BLUE, MUTED, ORANGE, Drawn, dress, log_ticks, small

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REGULARISERS = {
    "sparse": "weighted mean absolute code",
    "variational": "divergence from the prior (nats a picture)",
    "vq": "weighted distance of the codes from the codebook",
}
ERRORS = {
    "mse": "reconstruction: mean squared error a pixel",
    "bce": "reconstruction: binary cross-entropy a pixel (nats)",
}

History = Sequence[Mapping[str, float]]


def curve_by_epoch(epochs: Sequence[int], values: Sequence[float], words: str, kept: int | None = None) -> Figure:
    """Draw one value by epoch; `words`: what it is; `kept`: the epoch whose weights stand, marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5.4, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.plot(epochs, values, "o-", color=BLUE, markersize=4)
    if kept is not None:
        axis.plot([kept], [values[list(epochs).index(kept)]], "o", color=ORANGE, markersize=7)
    axis.set(xlabel="epochs trained", ylabel=words)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#dddddd")
    return figure


def loss_curves(history: History, kind: str, loss: str, reference: tuple[str, float] | None = None) -> Drawn:
    """Draw the parts of the loss by epoch.

    `history`: of `lab.training.loop.Fitted`. `kind`, `loss`: the objective's. `reference`: a name and a squared error
    on held-out items to hold the curve against, e.g. PCA's.
    """
    from matplotlib.figure import Figure

    second = {"variational": "divergence"}.get(kind, "regulariser")
    panels = [("reconstruction", ERRORS[loss])]
    panels += [(second, REGULARISERS[kind])] if second in history[0] else []
    figure = Figure(figsize=(4.1 * len(panels) + 1.2, 3.3), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for axis, (name, words) in zip(axes, panels, strict=True):
        _curve(axis, history, name, words)
    if reference:
        _level(axes[0], *reference)
    axes[0].set_yscale("log")
    log_ticks(axes[0].yaxis)
    axes[0].legend(fontsize=8, facecolor="white", edgecolor="none", framealpha=1)
    return Drawn(
        "losses",
        figure,
        "Reconstruction and regulariser by epoch" if len(panels) > 1 else "Reconstruction error by epoch",
        _caption(history, panels, kind, loss, reference),
        {"history": [dict(row) for row in history], "reference": list(reference) if reference else None},
        "Curves that fall by epoch: " + ", ".join(words for _, words in panels),
    )


def _curve(axis: Axes, history: History, name: str, words: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [row["epoch"] for row in history]
    mark = "o" if len(history) <= 30 else ""
    for key, color, label in ((name, BLUE, "training"), (f"validation_{name}", ORANGE, "validation")):
        if key in history[0]:
            axis.plot(epochs, [row[key] for row in history], color=color, marker=mark, markersize=3, label=label)
    axis.set(xlabel="epoch")
    axis.set_title(words, fontsize=9, loc="left")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    dress(axis)


def _level(axis: Axes, name: str, value: float) -> None:
    axis.axhline(value, color=MUTED, linewidth=1.2, linestyle="--", label=name)


def _caption(
    history: History, panels: list[tuple[str, str]], kind: str, loss: str, reference: tuple[str, float] | None
) -> str:
    last = history[-1]
    said = []
    for name, words in panels:
        trained, held = last[name], last.get(f"validation_{name}")
        both = f"{small(trained)} on training" + (f", {small(held)} on validation pictures" if held is not None else "")
        short = words.removeprefix("reconstruction: ")
        said.append(f"{short[:1].upper()}{short[1:]}: {both}")
    spoilt = " Both are measured on spoilt pictures." if kind == "denoising" else ""
    level = f" {reference[0]} leaves {small(reference[1])} on the same validation pictures." if reference else ""
    return f"After {len(history)} epochs. {'. '.join(said)}.{spoilt}{level}"
