"""Block by block: what was frozen, what a probe reads from each block, and what caching the frozen part saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.report.figures import PageFigure, page_figure
from lab.report.finetune_rates import rate_text
from lab.report.numbers import plain
from lab.report.style import COLORS, GRID, MUTED, drawable, dress
from lab.report.text import count, duration, share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lab.report.finetune_rows import Entry, Group

_MOST_NAMED = 14  # blocks whose names stand under the axis


def frozen_tables(group: Group, chosen: Entry | None) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The block table of the choice (else of the first row that has one), and those of all other rows."""
    entries = [entry for entry in group.entries if entry.facts.get("blocks")]
    if not entries:
        return None, []
    first = chosen if chosen in entries else entries[0]
    return _blocks(first), [_blocks(entry) for entry in entries if entry is not first]


def _blocks(entry: Entry) -> dict[str, Any]:
    blocks = entry.facts["blocks"]
    whole = sum(block.get("parameters") or 0 for block in blocks)
    trained = sum(_trained_parameters(block) for block in blocks)
    rows = [
        [
            f"{place}. {block.get('name', '')}",
            f"{block.get('parameters') or 0:,}",
            _shape(block.get("output_shape")),
            "trained" if block.get("trained") else "frozen",
            rate_text(block["learning_rate"]) if block.get("learning_rate") else "–",
            _batch_norm(block),
            "–" if block.get("trained") else {True: "yes", False: "NO"}.get(block.get("frozen_identical"), "–"),
        ]
        for place, block in enumerate(blocks, start=1)
    ]
    part = share(trained / whole) if whole else "–"
    said = f"{trained:,} of {whole:,} parameters of the backbone are trained ({part})."
    frozen = [block for block in blocks if not block.get("trained")]
    if any(block.get("frozen_identical") is False for block in frozen):
        said += " Warning: a frozen block changed during training."
    elif any(block.get("frozen_identical") for block in frozen):
        said += " After training, every frozen block was compared with the pretrained one bit by bit."
    return {
        "label": f"{entry.title[:1].upper()}{entry.title[1:]}",
        "caption": said,
        "head": ["Block", "Parameters", "Output", "State", "Learning rate", "Batch norm", "Bit-identical after"],
        "rows": rows,
    }


def _trained_parameters(block: Mapping[str, Any]) -> int:
    given = block.get("trained_parameters")
    return int(given) if given is not None else int(block.get("parameters") or 0) * bool(block.get("trained"))


def _batch_norm(block: Mapping[str, Any]) -> str:
    mode = block.get("batch_norm")
    said = {"eval": "eval (pretrained statistics)", "track": "track (statistics follow)", "train": "train (batch)"}
    return said.get(str(mode), str(mode)) if mode else "–"


def _shape(shape: Any) -> str:
    return " × ".join(str(n) for n in shape) if isinstance(shape, list | tuple) else str(shape or "–")


def cache_table(group: Group) -> dict[str, Any] | None:
    """What the prefix cache cost and saved, a row each; None where no row says so."""
    entries = [entry for entry in group.entries if entry.facts.get("cache")]
    if not entries:
        return None
    rows, saved, spent = [], 0.0, 0.0
    for entry in entries:
        caches = [facts.get("cache") or {} for facts in entry.all_facts]
        cache, size = caches[0], int(caches[0].get("bytes") or 0)
        saved += (own := sum(float(c.get("saved_seconds") or 0) for c in caches))
        spent += sum(float((facts.get("seconds") or {}).get("total") or 0) for facts in entry.all_facts)
        used = bool(cache.get("used"))
        cuts = ", ".join(str(cut) for cut in cache.get("cuts") or [])
        rows.append(
            [
                entry.title,
                f"after block {cuts}" if used and cuts else "–",
                _bytes(size) if used else "–",
                duration(float(cache.get("prefix_seconds") or 0)) if used else "–",
                (duration(own) if own >= 0 else f"−{duration(-own)}") if used else "–",
                "" if used else str(cache.get("why_not") or "not used"),
            ]
        )
    ratio = f", {plain((saved + spent) / spent, 1)} times as fast" if spent and saved / spent > 0.05 else ""
    said = (
        f"The frozen part was computed once an item instead of once an epoch. Over {count(len(entries), 'row')} that "
        f"saved {duration(saved)}; the runs took {duration(spent)}{ratio}."
    )
    return {
        "label": "What the cache saved",
        "caption": said if saved else "",
        "head": ["Row", "Kept", "Size", "Filling it", "Saved", "Why not"],
        "rows": rows,
    }


def _bytes(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def probe_figure(group: Group, name: str = "probes") -> PageFigure | None:
    """Accuracy of a linear and a nearest-neighbour probe on the frozen features of each block."""
    entry = probed(group)
    if entry is None:
        return None
    probes = [probe for probe in entry.facts["probes"] if probe.get("stage", "before") == "before"]
    untrained = [
        probe
        for other in group.of("untrained")
        for probe in other.facts.get("probes") or []
        if probe.get("stage", "before") == "before"
    ]
    title = f"What a probe reads from each block{f', {group.title}' if group.title else ''}"
    best = max(probes, key=lambda probe: probe.get("accuracy") or 0)
    last = probes[-1]
    caption = (
        f"Classifiers on the pretrained network's features; only the probe is trained. The best linear probe is on "
        f"block {best['block']} ({best.get('name', '')}, {plain(best['accuracy'], 3)})"
    )
    caption += "." if best is last else f"; on the last block it is {plain(last['accuracy'], 3)}."
    said = "; ".join(f"block {p['block']} {plain(p['accuracy'], 3)}" for p in probes)
    return page_figure(
        name, lambda width: _draw_probes(probes, untrained, width), title, caption, f"{title}: linear probe, {said}."
    )


def probed(group: Group) -> Entry | None:
    """The entry whose run probed the pretrained network's blocks: all frozen where there is one."""
    having = [
        entry for entry in [*group.of("depth"), *group.of("strategy")] if len(entry.facts.get("probes") or []) > 1
    ]
    return having[0] if having else None


def _draw_probes(probes: Sequence[Mapping[str, Any]], untrained: Sequence[Mapping[str, Any]], width: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3.5), layout="constrained")
    axis = figure.subplots()
    dress(axis)
    axis.grid(axis="y", color=GRID, lw=0.8)
    blocks = [probe["block"] for probe in probes]
    lines = [("accuracy", "linear probe", COLORS[0], "o-"), ("knn", "nearest neighbours", COLORS[1], "s-")]
    for key, label, color, mark in lines:
        known = [(probe["block"], probe[key]) for probe in probes if probe.get(key) is not None]
        if known:
            axis.plot([k[0] for k in known], [k[1] for k in known], mark, color=color, ms=4.5, lw=1.6, label=label)
    known = [(probe["block"], probe["accuracy"]) for probe in untrained if probe.get("accuracy") is not None]
    if len(known) > 1:
        label = "linear probe, untrained backbone"
        axis.plot([k[0] for k in known], [k[1] for k in known], "--", color=MUTED, lw=1.3, label=label)
    step = -(-len(blocks) // (_MOST_NAMED if width > 5 else 9))
    names = [f"{probe['block']} {drawable(probe.get('name', ''), 14)}" for probe in probes]
    axis.set_xticks(
        blocks[::step], names[::step], rotation=35 if width > 5 else 90, ha="right" if width > 5 else "center"
    )
    axis.tick_params(axis="x", labelsize=8)
    axis.set_ylabel("accuracy", fontsize=9)
    handles = figure.legend(loc="outside upper left", fontsize=8, frameon=False, ncols=3 if width > 5 else 1)
    for text in handles.get_texts():
        text.set_color("#1c2126")
    return figure
