"""What pictures look like after they went through a small code: how far off each is, and which are worst."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.classify import Task
    from lab.pictures import Row
    from lab.runs.writer import RunWriter

EVALUATION = "reconstruction"
SHOWN = 10  # pictures a row
CHUNK_BYTES = 64 * 2**20
_PROTOCOL = {
    "mse": "mean squared error a pixel, pixels from 0 to 1, mean over items",
    "psnr": "peak signal-to-noise ratio (dB) of each item, mean over items",
    "ssim": "structural similarity of each item (Wang et al. 2004), mean over items",
}

Reconstruct = Callable[[np.ndarray], np.ndarray]
"""From row numbers among the used items, (b,), to their reconstructions, (b, C, H, W) float32 from 0 to 1."""


@dataclass(frozen=True)
class Errors:
    """How far off each of some items is, (m,) float64 each: `mse`, `psnr` (dB) and `ssim`."""

    mse: np.ndarray
    psnr: np.ndarray
    ssim: np.ndarray

    def means(self) -> dict[str, float]:
        """The mean over items of each."""
        return {name: float(getattr(self, name).mean()) for name in _PROTOCOL}


def as_floats(pixels: np.ndarray) -> np.ndarray:
    """Pixels (uint8) as float32 from 0 to 1."""
    return pixels.astype(np.float32) / 255


def errors_of(pixels: np.ndarray, rows: np.ndarray, reconstruct: Reconstruct) -> Errors:
    """Compare some of the pictures `pixels` (n, C, H, W) uint8 with what `reconstruct` makes of them."""
    from lab.evaluation.reconstruction_error import psnr, squared_error, ssim

    step = max(1, CHUNK_BYTES // (4 * pixels[0].size))
    found: dict[str, list[np.ndarray]] = {name: [] for name in _PROTOCOL}
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        before, after = as_floats(pixels[chunk]), reconstruct(chunk)
        for name, measure in (("mse", squared_error), ("psnr", psnr), ("ssim", ssim)):
            found[name].append(measure(before, after))
    return Errors(**{name: np.concatenate(parts) for name, parts in found.items()})


def record_reconstructions(
    run: RunWriter, task: Task, pixels: np.ndarray, reconstruct: Reconstruct, *, primary: bool = False
) -> dict[str, Errors]:
    """Leave how far off the reconstructions of judged items are: results, scores an item, and a sheet of pictures.

    `pixels`: (len(task.used), C, H, W) uint8. `primary`: whether the squared error is what the run is chosen by.
    Returns the errors by part, those of the training items among them, which no result is.
    """
    parts = {"train": task.split.train, **task.judged}
    errors = {name: errors_of(pixels, task.rows(index), reconstruct) for name, index in parts.items()}
    for part, index in task.judged.items():
        _record(run, task, pixels, part, index, errors[part], primary)
    judged = next(iter(reversed(errors)))  # test where there is one
    _draw(run, task, pixels, reconstruct, judged, parts[judged], errors)
    return errors


def _record(
    run: RunWriter, task: Task, pixels: np.ndarray, part: str, index: np.ndarray, errors: Errors, primary: bool
) -> None:
    from lab.data.fingerprint import digest

    ids = [task.items.ids[i] for i in index]
    fingerprint = digest(str(pixels.shape[1:]), *sorted(ids))  # errors at another size are other numbers
    for metric, protocol in _PROTOCOL.items():
        values = getattr(errors, metric)
        run.result(
            EVALUATION,
            metric,
            float(values.mean()),
            split=part,
            n=len(index),
            higher_is_better=metric != "mse",
            primary=primary and metric == "mse",
            test_fingerprint=fingerprint,
            protocol=protocol,
        )
        run.scores(EVALUATION, metric, ids, values, split=part)


def record_anomalies(
    run: RunWriter, task: Task, name: str, mse: np.ndarray, reference: tuple[str, np.ndarray]
) -> dict[str, Any]:
    """Leave how well the squared error finds the test items of the class `name`, which was kept out of training.

    `mse` (m,) of the test items; `reference`: a name and the errors of something to hold it against, e.g. PCA.
    Returns what was found as plain data.
    """
    from lab.evaluation.detection import detection

    index = task.split.test
    strange = task.items.labels[index] == task.items.classes.index(name)
    found, other = (detection(errors[strange], errors[~strange]) for errors in (mse, reference[1]))
    ids = [task.items.ids[i] for i in index[strange]]
    run.result(
        "anomaly",
        "auroc",
        found.auroc,
        n=len(ids),
        low=found.low,
        high=found.high,
        protocol=f"chance that a picture of class {name} has a larger squared error than one of the classes trained on",
    )
    run.scores("anomaly", "auroc", ids, found.placements)
    _draw_anomalies(run, name, mse[strange], mse[~strange], found.auroc, (reference[0], other.auroc))
    told = {"auroc": found.auroc, "low": found.low, "high": found.high, "items": len(ids)}
    return {"class": name, **told, "reference": {"name": reference[0], "auroc": other.auroc}}


# --- pictures


def _draw_anomalies(
    run: RunWriter, name: str, strange: np.ndarray, usual: np.ndarray, area: float, reference: tuple[str, float]
) -> None:
    from matplotlib.figure import Figure

    from lab.pictures import BLUE, ORANGE, dress, log_ticks, small

    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    axis = figure.subplots()
    both = np.concatenate([strange, usual])
    edges = np.geomspace(max(both.min(), 1e-8), max(both.max(), 1e-7) * 1.001, 26).tolist()
    shares = [np.full(len(values), 1 / len(values)) for values in (usual, strange)]
    axis.hist(usual, edges, weights=shares[0], color=BLUE, alpha=0.45, label="classes trained on")
    axis.hist(strange, edges, weights=shares[1], color=ORANGE, histtype="step", lw=2, label=f"class {name}, kept out")
    axis.set(xscale="log", xlabel="squared error a pixel of a test picture", ylabel="share of pictures")
    log_ticks(axis.xaxis)
    axis.yaxis.set_major_formatter(lambda value, place: f"{value:.0%}")
    axis.legend(frameon=False, fontsize=8)
    dress(axis)
    run.figure(
        "anomaly",
        figure,
        title=f"Is class {name} found by its reconstruction error?",
        caption=f"Squared errors of {len(strange)} test pictures of class {name}, which was kept out of training "
        f"(median {small(np.median(strange))}), and of {len(usual):,} others ({small(np.median(usual))}). "
        f"A picture of class {name} has the larger error in {area:.1%} of all pairs (AUROC; 50 % is chance); by the "
        f"error of {reference[0]}, in {reference[1]:.1%}.",
        data={"auroc": area, "reference": list(reference)},
        alt=f"Histograms of errors; AUROC {area:.3f}",
    )


def _draw(
    run: RunWriter,
    task: Task,
    pixels: np.ndarray,
    reconstruct: Reconstruct,
    part: str,
    index: np.ndarray,
    errors: dict[str, Errors],
) -> None:
    """The best, the typical and the worst of one part, each picture above its reconstruction."""
    from lab.pictures import small

    mse = errors[part].mse
    chosen = typical_and_extreme(mse, SHOWN)
    rows = task.rows(index)
    blocks = {
        name: (as_floats(pixels[rows[at]]), reconstruct(rows[at]), mse[at]) for name, at in chosen.items() if len(at)
    }
    mean, trained = mse.mean(), errors["train"].mse.mean()
    name = {"test": "test pictures", "validation": "validation pictures", "train": "training pictures"}[part]
    low, high = np.quantile(mse, [0.05, 0.95])
    run.figure(
        "reconstructions",
        draw_reconstructions(blocks),
        title="Reconstructions: best, typical and worst",
        caption=f"Each picture above what is left of it after the code. Squared error a pixel (pixels from 0 to 1) of "
        f"{len(mse):,} {name}: {small(mean)} on average, 90 % of them between {small(low)} and {small(high)}, "
        f"worst {small(mse.max())}" + (f"; of those trained on {small(trained)}." if part != "train" else "."),
        data={
            "ids": {block: [task.items.ids[i] for i in index[at]] for block, at in chosen.items()},
            "mse": {block: mse[at].tolist() for block, at in chosen.items()},
        },
        alt=f"Pictures and their reconstructions; mean squared error {small(mean)}",
    )


def typical_and_extreme(values: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Places of the least, of some of the middle half and of the greatest of (m,) values: `count` each, none twice."""
    order = np.argsort(values, kind="stable")
    n = len(order)
    count = min(count, n // 3 or 1)
    middle = np.linspace(max(count, n // 4), min(n - count - 1, 3 * n // 4), count).astype(np.int64)
    typical = order[middle] if n > 2 else order[:0]
    return {"best": order[:count], "typical": typical, "worst": order[max(count, n - count) :][::-1]}


def draw_reconstructions(blocks: dict[str, tuple[np.ndarray, np.ndarray, Sequence[float]]]) -> Figure:
    """Draw blocks by name: pictures (m, C, H, W), their reconstructions alike, and the squared error of each."""
    from lab.pictures import Row, draw_sheet, small

    rows: list[Row] = []
    for name, (before, after, errors) in blocks.items():
        rows.append(Row(before, "picture", heading=f"{name[:1].upper()}{name[1:]}"))
        rows.append(Row(after, "reconstruction", notes=[small(float(error)) for error in errors]))
    return draw_sheet(rows)
