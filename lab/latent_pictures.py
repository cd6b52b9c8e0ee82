"""What a latent space looks like: walks along its directions, from picture to picture, draws from it, units in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab.pictures import BLUE, GRID, MUTED, Drawn, Row, draw_sheet, dress, log_ticks, small

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Decode = Callable[[np.ndarray], np.ndarray]
"""From latent vectors (m, d) to pictures (m, C, H, W) float32 from 0 to 1."""

STEPS, DIRECTIONS, PLANE, PAIRS, SAMPLED = 9, 8, 13, 4, (5, 10)
INSIDE = (0.01, 0.99)  # walks stay between these quantiles of the training items


def middle_item(vectors: np.ndarray) -> int:
    """The place of the vector (n, d) nearest to the mean of all."""
    return int(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).argmin())


# --- walks


def plane(vectors: np.ndarray, decode: Decode) -> Drawn:
    """A latent space of two dimensions whole: what stands at the points of a grid (Kingma and Welling 2014, fig. 4)."""
    (left, low), (right, high) = np.quantile(vectors, INSIDE, axis=0)
    across, up = np.linspace(left, right, PLANE), np.linspace(high, low, PLANE)
    grid = np.stack(np.meshgrid(across, up), axis=2).astype(np.float32)
    rows = [Row(decode(points)) for points in grid]
    return Drawn(
        "traversals",
        draw_sheet(rows, size=0.4),
        "The latent plane",
        f"What the decoder makes of the points of a grid: unit 1 from {left:.2f} to {right:.2f}, left to right, unit 2 "
        f"from {low:.2f} to {high:.2f}, bottom to top. 98 % of the training pictures lie between these limits on "
        "each.".replace("-", "−"),
        {"across": across.tolist(), "up": up.tolist()},
        f"{PLANE} by {PLANE} pictures that change smoothly over the plane",
    )


def traversals(vectors: np.ndarray, decode: Decode, *, units: bool) -> Drawn:
    """One picture changed along one direction at a time, from the 1 % to the 99 % quantile of the training items.

    `vectors` (n, d) of the training items. `units`: along the latent units that vary most; else along the principal
    directions of the vectors, as the units of a space that any rotation leaves as good mean nothing by themselves.
    """
    mean = vectors.mean(axis=0)
    if units:
        shares = vectors.var(axis=0) / max(float(vectors.var(axis=0).sum()), 1e-12)
        chosen = np.argsort(-shares, kind="stable")[:DIRECTIONS]
        axes, names = np.eye(vectors.shape[1])[chosen], [f"unit {unit + 1}" for unit in chosen]
        shares = shares[chosen]
    else:
        _, lengths, directions = np.linalg.svd(vectors - mean, full_matrices=False)
        axes = directions[:DIRECTIONS]
        shares = (lengths**2 / max(float((lengths**2).sum()), 1e-12))[:DIRECTIONS]
        names = [f"direction {number + 1}" for number in range(len(axes))]
    start = vectors[middle_item(vectors)]
    rows, ranges = [], []
    for axis, name, share in zip(axes, names, shares, strict=True):
        low, high = np.quantile((vectors - mean) @ axis, INSIDE)
        steps = np.linspace(low, high, STEPS) - (start - mean) @ axis
        ranges.append([float(low), float(high)])
        rows.append(Row(decode((start + steps[:, None] * axis).astype(np.float32)), f"{name}\n{share:.0%} of variance"))
    what = "latent units that vary most" if units else "principal directions of the codes"
    return Drawn(
        "traversals",
        draw_sheet(rows, ["low", *[""] * (STEPS - 2), "high"]),
        "Latent traversals",
        f"One picture, that with the code nearest to the mean, along each of the {len(rows)} {what}; all else stays. "
        f"Each row goes from the 1 % to the 99 % quantile of the training pictures; these {len(rows)} hold "
        f"{shares.sum():.0%} of the variance of the codes.",
        {"directions": names, "ranges": ranges, "shares": shares.tolist()},
        f"{len(rows)} rows of pictures, each changing along one direction of the latent space",
    )


def code_swaps(vectors: np.ndarray, codes: int, decode: Decode) -> Drawn:
    """One picture with one of its codes replaced by those that other pictures have in its place most often.

    `vectors` (n, d) of the training items, each `codes` vectors of a codebook one after the other.
    """
    start = vectors[middle_item(vectors)]
    parts = vectors.reshape(len(vectors), codes, -1)
    rows = []
    for place in range(min(codes, DIRECTIONS)):
        entries, counts = np.unique(parts[:, place], axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:STEPS]
        changed = np.repeat(start.reshape(1, codes, -1), len(order), axis=0)
        changed[:, place] = entries[order]
        notes = [f"{share:.0%}" for share in counts[order] / len(vectors)]
        made = decode(np.concatenate([start[None], changed.reshape(len(order), -1)]))
        rows.append(Row(made, f"code {place + 1}", ["", *notes], apart=(1,)))
    return Drawn(
        "traversals",
        draw_sheet(rows, ["as it is"]),
        "What each code stands for",
        f"One picture, that with the code nearest to the mean, with one of its {codes} codes replaced by the entries "
        "that training pictures have in that place most often; below each the share of them that do.",
        {"codes": codes},
        f"{len(rows)} rows of pictures, each with another of the codes replaced",
    )


def interpolations(
    pictures: np.ndarray, vectors: np.ndarray, pairs: Sequence[tuple[int, int]], decode: Decode
) -> Drawn:
    """From one picture to another, on the straight line between their codes and, below it, by mixing their pixels.

    `pictures` (n, C, H, W) floats from 0 to 1 and `vectors` (n, d) of the same items; `pairs`: places among them.
    """
    shares = np.linspace(0, 1, STEPS)
    rows = []
    for number, (one, other) in enumerate(pairs):
        line = vectors[one] + shares[:, None] * (vectors[other] - vectors[one])
        ends = pictures[[one]], pictures[[other]]
        mixed = np.concatenate([ends[0] + share * (ends[1] - ends[0]) for share in shares])
        coded = decode(line.astype(np.float32))
        apart = (1, STEPS + 1)
        rows.append(
            Row(np.concatenate([ends[0], coded, ends[1]]), "codes mixed", apart=apart, above=0.35 * (number > 0))
        )
        rows.append(Row(np.concatenate([ends[0], mixed, ends[1]]), "pixels mixed", apart=apart))
    columns = ["picture", *(f"{share:.0%}" for share in shares), "picture"]
    return Drawn(
        "interpolations",
        draw_sheet(rows, columns),
        "From picture to picture",
        f"{len(pairs)} pairs of pictures that were not trained on. On the straight line between their codes each "
        "picture should look like one that could be; mixed pixels show two pictures laid over each other.",
        {"pairs": [list(pair) for pair in pairs]},
        f"{len(pairs)} rows of pictures changing from one into another",
    )


def unlike_pairs(rows: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Up to four random pairs of rows, of two labels each where there are two; `rows`, `labels` (m,) integers."""
    order = generator.permutation(len(rows))
    pairs: list[tuple[int, int]] = []
    while len(order) > 1 and len(pairs) < PAIRS:
        other = np.flatnonzero(labels[order] != labels[order[0]])
        partner = int(other[0]) if len(other) else 1
        pairs.append((int(rows[order[0]]), int(rows[order[partner]])))
        order = np.delete(order, [0, partner])
    return pairs


# --- draws


def samples(drawn: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Drawn:
    """Pictures drawn from the model, and the training pictures nearest to the first of them.

    All (m, C, H, W) floats from 0 to 1.
    """
    nearest, distance = nearest_pictures(drawn, training)
    usual = nearest_pictures(held_out, training)[1].mean() if len(held_out) else float("nan")
    across = SAMPLED[1]
    rows = [Row(drawn[start : start + across]) for start in range(0, len(drawn), across)]
    rows += [
        Row(drawn[:across], "sample", heading="The first row, and the training pictures nearest to it"),
        Row(training[nearest[:across]], "training", notes=[small(value) for value in distance[:across]]),
    ]
    held = f", as those of held-out pictures are {small(usual)}" if len(held_out) else ""
    return Drawn(
        "samples",
        draw_sheet(rows),
        "Samples",
        f"{len(drawn)} pictures decoded from draws of the prior. Their nearest training pictures are at a mean squared "
        f"error of {small(distance.mean())}{held}: samples that were much nearer would be copies.",
        {"distance": distance.tolist(), "held_out_distance": float(usual)},
        f"{len(drawn)} pictures drawn from the model, and training pictures like the first {across}",
    )


def nearest_pictures(queries: np.ndarray, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of (m, C, H, W) pictures the place of the nearest of (n, C, H, W), and its squared error a pixel."""
    a, b = queries.reshape(len(queries), -1), pictures.reshape(len(pictures), -1)
    squared = (b**2).sum(axis=1) - 2 * a @ b.T
    places = squared.argmin(axis=1)
    return places, ((a - b[places]) ** 2).mean(axis=1).astype(np.float64)


# --- what is used


def units_in_use(vectors: np.ndarray, active: np.ndarray, threshold: float = 0.01) -> Drawn:
    """How much each latent unit varies over items: bars in falling order. `active` (d,) bool; `vectors` (n, d)."""
    variance = vectors.astype(np.float64).var(axis=0)
    order = np.argsort(-variance, kind="stable")
    heights, limit = np.maximum(variance[order], threshold / 100), f"{threshold:g}".removeprefix("0")
    figure, axis = _ranked("latent units, most varied first", "variance over pictures", len(order))
    lowest = min(heights.min(), threshold) / 2
    axis.vlines(np.arange(1, len(order) + 1), lowest, heights, color=GRID, linewidth=1)
    for which, color in ((active[order], BLUE), (~active[order], "#8b949d")):
        axis.plot(np.flatnonzero(which) + 1, heights[which], "o", color=color, markersize=4)
    axis.axhline(threshold, color=MUTED, linewidth=1, linestyle="--")
    axis.text(1, threshold, f"active above {limit}", transform=axis.get_yaxis_transform(),
              ha="right", va="bottom", fontsize=8, color=MUTED)  # fmt: skip
    axis.set(yscale="log", ylim=(lowest, max(heights.max(), threshold) * 2))
    log_ticks(axis.yaxis)
    count, size = int(active.sum()), len(active)
    return Drawn(
        "latent units",
        figure,
        "Latent units in use",
        f"{count} of {size} latent units are active: over the pictures they vary by more than {limit} (Burda et "
        f"al. 2016). The most varied has a variance of {small(variance.max())}, the least of {small(variance.min())}.",
        {"variance": variance.tolist(), "active": count},
        f"Bars of the variance of {size} latent units; {count} are active",
    )


def codebook_in_use(shares: np.ndarray, used: float, perplexity: float) -> Drawn:
    """How often each entry of a codebook is chosen: `shares` (entries,) that add up to 1."""
    ordered = np.sort(shares)[::-1]
    figure, axis = _ranked("entries of the codebook, most chosen first", "share of all codes", len(ordered))
    axis.bar(np.arange(1, len(ordered) + 1), ordered, color=BLUE, width=0.8)
    axis.yaxis.set_major_formatter(lambda value, place: f"{value:.1%}")
    size = len(shares)
    return Drawn(
        "codebook",
        figure,
        "Codebook use",
        f"{used:.0%} of the {size} entries are chosen by any picture; perplexity {perplexity:.0f} (all {size} chosen "
        f"equally often: {size}). The most chosen one makes up {ordered[0]:.1%} of all codes.",
        {"shares": shares.tolist(), "used": used, "perplexity": perplexity},
        f"Bars of how often {size} codebook entries are chosen",
    )


def _ranked(across: str, up: str, count: int) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    axis = figure.subplots()
    axis.set(xlabel=across, ylabel=up, xlim=(0.3, count + 0.7))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    dress(axis)
    return figure, axis
