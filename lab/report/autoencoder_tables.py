"""Tables of a page about embeddings: what each is good for at each size, and the shape of its space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.report.autoencoder_answer import BESIDE, short_number
from lab.report.autoencoder_rows import LINEAR, NEIGHBORS, RECONSTRUCTION, SMALLEST_SHARE, Purpose
from lab.report.numbers import plain, spoken
from lab.report.scoreboard import cell_of, line_of, pairs_of, records_of
from lab.report.text import count, minus, typeset

if TYPE_CHECKING:
    from lab.report.autoencoder_rows import Entry, Group
    from lab.report.comparison_tables import Table

_HEADS = {"reconstruction": "Reconstruction error, lower is better"}
_SHAPE = {
    "effective_rank": "Effective rank: how many directions the vectors use, of as many as they have dimensions "
    "(Roy and Vetterli 2007).",
    "neighbor_purity": "Neighbour purity: the share of an item's nearest neighbours that have its class.",
    "alignment": "Alignment: the mean squared distance of two items of one class on the unit sphere, lower is better; "
    "uniformity: how evenly all items lie on it, lower is better (Wang and Isola 2020).",
    "hubness": "Hubness: the skewness of how often an item is another's neighbour; 0 is even (Radovanović 2010).",
}


def tables_of(group: Group) -> list[dict[str, Any]]:
    """A table a size: its rows and those whose size is no choice, a column for each purpose, bold by the rule.

    The size of which the answer speaks comes first; the others are folded, and their rule is told where it differs.
    """
    sizes = [group.focus, *(size for size in group.sizes if size != group.focus)]
    found = [table for size in sizes if (table := _at(group, size))]
    first = found[0]["protocol"] if found else []
    for table in found[1:]:
        table |= {"folded": True, "protocol": [line for line in table["protocol"] if line not in first]}
    return found


def _at(group: Group, size: int) -> dict[str, Any] | None:
    purposes = [purpose for purpose in group.purposes if group.table(size, purpose)]
    tables = [table for purpose in purposes if (table := group.table(size, purpose))]
    if not tables:
        return None
    lines = []
    for entry in group.at(size):
        found = [next((row for row in table.rows if row.label == entry.label), None) for table in tables]
        first = next((row for row in found if row is not None), None)
        if first is None:
            continue
        whole = line_of(first, bool(tables[0].pairs))
        against = whole["cells"][1:] if found[0] is first else [None] * bool(tables[0].pairs)
        cells = [cell_of(row) if row else None for row in found]
        label = entry.title if entry.sized else f"{entry.title} ({entry.size:,})"
        tags = [*whole["tags"], *_flag(entry)]
        lines.append({**whole, "label": label, "cells": [cells[0], *against, *cells[1:]], "tags": tags})
    against_best = ["Against the best"] if tables[0].pairs else []
    heads = [_head(purpose, place == 0) for place, purpose in enumerate(purposes)]
    title = count(size, "dimension") if size else "All rows"
    return {
        "folded": False,
        "title": f"{title}, {group.title}" if group.title else title,
        "head": [heads[0], *against_best, *heads[1:]],
        "rows": lines,
        "protocol": _protocols(purposes, tables),
        "pairs": [pairs_of(table) for table in tables if table.pairs],
    }


def _protocols(purposes: Sequence[Purpose], tables: Sequence[Table]) -> list[str]:
    """The rule of the first purpose in full; of the reconstruction error only from where on a difference matters."""
    lines = [tables[0].protocol]
    for purpose, table in zip(purposes[1:], tables[1:], strict=True):
        if purpose is RECONSTRUCTION and table.pairs:
            share = f"{100 * SMALLEST_SHARE:.0f} % of the smallest error"
            lines.append(f"The same rule holds for every column; of errors, a difference matters from {share} on.")
    return [typeset(line) for line in lines if line]


def _head(purpose: Purpose, first: bool) -> str:
    text = _HEADS.get(purpose.evaluation) or f"{purpose.evaluation} {spoken(purpose.metric)}"
    return f"{text[:1].upper()}{text[1:]}{' (95 % interval)' if first else ''}"


def _flag(entry: Entry) -> list[str]:
    times, runs = entry.below_pca if entry.kind == "autoencoder" else 0, len(entry.row.runs)
    return [f"below PCA, {times} of {runs}" if runs > 1 else "below PCA"] if times else []


def labels_table(group: Group, size: int) -> dict[str, Any] | None:
    """Both probes at one size by labels a class: means over runs and draws; None where nothing but all was asked."""
    if not group.label_counts:
        return None
    counts = [*group.label_counts, None]
    heads = [f"{name}, {n or 'all'}" for name in ("Linear probe", "Neighbours") for n in counts]
    rows = []
    for entry in group.at(size):
        values = [entry.probed(n, probe) for probe in ("linear", "neighbors") for n in counts]
        label = entry.title if entry.sized else f"{entry.title} ({entry.size:,})"
        rows.append([label, *("–" if value is None else plain(value, 3) for value in values)])
    caption = "Accuracies by labels a class, means over runs and draws of labels."
    return {"label": "Both probes by labels a class", "caption": caption, "head": ["Row", *heads], "rows": rows}


def geometry_table(group: Group) -> dict[str, Any] | None:
    """The shape of each space: means over seeds of what runs recorded as geometry; None where they recorded none."""
    means = {entry.label: _geometry(entry) for entry in group.entries}
    metrics = list(dict.fromkeys(metric for found in means.values() for metric in found))
    if not metrics:
        return None
    known = [name for name in _SHAPE if name in metrics]
    order = [*known, *(metric for metric in metrics if metric not in known)]
    rows = []
    for entry in sorted(group.entries, key=lambda entry: (not entry.sized, entry.size)):
        own = means[entry.label]
        rows.append([entry.whole, *(minus(plain(own[m], 2)) if m in own else "–" for m in order)])
    heads = [spoken(metric) for metric in order]
    return {
        "label": "The shape of each space",
        "caption": "Means over seeds and test items.",
        "head": ["Row", *(f"{head[:1].upper()}{head[1:]}" for head in heads)],
        "rows": rows,
        "notes": [_SHAPE[name] for name in known],
    }


def _geometry(entry: Entry) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for run in entry.row.runs:
        for result in records_of(run):
            if _is_of_the_space(result):
                found.setdefault(str(result["metric"]), []).append(float(result["value"]))
    return {metric: sum(values) / len(values) for metric, values in found.items()}


def _is_of_the_space(result: Mapping[str, Any]) -> bool:
    """Whether a number is of whole test items and stands in no table: no probe, no reconstruction error."""
    shown = (RECONSTRUCTION.evaluation, RECONSTRUCTION.metric) == (result["evaluation"], result["metric"])
    whole = not result["label"] and result["split"] != "validation"
    probe = str(result["evaluation"]).startswith((LINEAR.evaluation, NEIGHBORS.evaluation))
    return whole and not shown and not probe and result["value"] == result["value"]


def best_for(group: Group) -> dict[str, Any] | None:
    """By size and purpose the autoencoder that is best on validation items, beside PCA; None where it says nothing."""
    if len(group.sizes) < 2 or group.best(group.sizes) is None:
        return None
    rows = [
        [count(size, "dimension"), *(_best_cell(group, size, purpose) for purpose in group.purposes)]
        for size in group.sizes
    ]
    return {
        "label": "The best autoencoder of each size, beside PCA",
        "caption": "The autoencoder that is best on validation items for each purpose, and PCA of the same size.",
        "head": ["", *(f"For {purpose.use}" for purpose in group.purposes)],
        "rows": rows,
    }


def _best_cell(group: Group, size: int, purpose: Purpose) -> str:
    """`denoising .958, better than PCA (.900)`."""
    mine, table = group.best([size], purpose), group.table(size, purpose)
    lines = {row.label: row for row in table.ranked} if table else {}
    if mine is None or table is None or mine.label not in lines:
        return "–"
    text = f"{mine.name} {short_number(lines[mine.label])}"
    for entry in group.at(size):
        if entry.kind == "pca" and entry.label in lines:
            text += f", {BESIDE[table.verdict(mine.label, entry.label)]} PCA ({short_number(lines[entry.label])})"
    return typeset(text)
