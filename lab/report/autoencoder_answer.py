"""The answer of a page about embeddings: which is the best for what, and whether an autoencoder is worth having."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.evaluation.significance import FEWEST_SEEDS
from lab.report.autoencoder_rows import NEIGHBORS, RECONSTRUCTION, Purpose, few_labels
from lab.report.finetune_answer import Answer
from lab.report.numbers import digits_for, plain, spoken, with_interval
from lab.report.text import count, listing, typeset

if TYPE_CHECKING:
    from lab.report.autoencoder_rows import Entry, Group
    from lab.report.comparison_tables import Table, TableRow

BESIDE = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "as good as",
    "cannot tell": "not to be told from",
    None: "beside",
}
"""By the rule's verdict."""


def answers(groups: Sequence[Group]) -> list[Answer]:
    """One a task: the best for each purpose at the size in focus and over what, then the worth; then other sizes."""
    return [Answer(group.title, typeset(_answer(group)), typeset(_less(group))) for group in groups]


def _answer(group: Group) -> str:
    if not group.purposes:
        return "These embeddings were tested for nothing, so there is nothing to rank; their maps are below."
    if len(group.entries) == 1:
        return _alone(group, group.entries[0])
    table = group.table(group.focus, group.purposes[0])
    over = f" (over {_over(table)})" if table else ""
    best = _winners(group)
    first = f"At {count(group.focus, 'dimension')}{over}, the best embedding is {listing(best)}." if best else ""
    return " ".join(part for part in (first, worth(group, group.purposes[0])) if part)


def _over(table: Table) -> str:
    """`3 seeds and 1,000 test items`."""
    seeds = max((row.seeds for row in table.ranked if not row.deterministic), default=1)
    return f"{table.splits or count(seeds, table.over)} and {count(table.n, 'test item')}"


def _winners(group: Group) -> list[str]:
    """`raw pixels (64 dimensions) for a linear probe (.95 [.94, .96]) and for nearest neighbours (.94)`, one each."""
    uses: dict[str, list[str]] = {}
    for purpose in group.purposes:
        table = group.table(group.focus, purpose)
        if table is not None and len(table.ranked) > 1:
            first = table.ranked[0]
            number = with_interval(first.value or 0.0, first.low, first.high) if not uses else short_number(first)
            error = "mean squared error " if purpose is RECONSTRUCTION else ""
            uses.setdefault(first.label, []).append(f"for {purpose.use} ({error}{number})")
    found = []
    for label, told in uses.items():
        entry = group.entry(label)
        size = "" if entry.sized else f" ({entry.size:,} dimensions)"
        found.append(f"{_named(entry)}{size} {' and '.join(told)}")
    return found


def _named(entry: Entry) -> str:
    """In a sentence: `the denoising autoencoder`, `PCA`, `raw pixels`."""
    the = "the " if entry.kind in ("autoencoder", "untrained") else ""
    return f"{the}{entry.title}"


def _number(row: TableRow) -> str:
    return with_interval(row.value or 0.0, row.low, row.high)


def short_number(row: TableRow) -> str:
    """The value of a row with three decimals, more where its interval is narrow."""
    return plain(row.value or 0.0, max(3, digits_for(row.low, row.high) - 1))


def worth(group: Group, purpose: Purpose) -> str:
    """Whether the autoencoder that is best on validation items is worth having beside each of the others."""
    mine, table = group.best([group.focus]), group.table(group.focus, purpose)
    lines = {row.label: row for row in table.ranked} if table else {}
    if mine is None or table is None or mine.label not in lines:
        return ""
    by_verdict: dict[str | None, list[str]] = {}
    for rival in group.at(group.focus):
        if rival.kind in ("pca", "pixels", "backbone") and rival.label in lines:
            same = " of the same size" if rival.kind == "pca" else ""
            said = f"{rival.title}{same} ({short_number(lines[rival.label])})"
            by_verdict.setdefault(table.verdict(mine.label, rival.label), []).append(said)
    if not by_verdict:
        return ""
    own = f"{mine.name} ({short_number(lines[mine.label])})"
    beaten = by_verdict.pop("better", [])
    rest = [_RELATION[verdict].format(listing(names)) for verdict, names in by_verdict.items()]
    if beaten and not rest:
        return f"An autoencoder is worth having: the best, {own}, is better than {listing(beaten)}."
    if beaten:
        return f"The best autoencoder, {own}, is worth having beside {listing(beaten)}, but {listing(rest)}."
    if None in by_verdict:
        return f"The best autoencoder so far, {own}, {listing(rest)}."
    return f"No autoencoder is shown to be worth having: the best, {own}, {listing(rest)}."


_RELATION = {
    "worse": "is worse than {}",
    "equivalent": "does no better than {}",
    "cannot tell": "cannot be told from {}",
    None: "has too few seeds for a verdict beside {}",
}


def _alone(group: Group, entry: Entry) -> str:
    """One row by itself, with the PCA that its runs were held against."""
    parts, seeds = [], ""
    for purpose in group.purposes:
        table = group.table(entry.size, purpose)
        row = table.ranked[0] if table and table.ranked else None
        if table and row:
            seeds = seeds or f" ({_over(table)})"
            name = "mean squared error" if purpose is RECONSTRUCTION else f"{purpose.evaluation} {spoken(table.metric)}"
            parts.append(f"{name} {_number(row)}")
    text = f"{_upper(entry.whole)}: {', '.join(parts)}{seeds}."
    pca = entry.facts.get("pca")
    if not pca or not (pca.get("linear") or {}).get("mean"):
        return text
    gap = pca["difference"]
    digits = digits_for(gap["low"], gap["high"])
    verdict = "worse" if gap["low"] > 0 else "better" if gap["high"] < 0 else "cannot be told apart"
    between = with_interval(-gap["value"], -gap["high"], -gap["low"])
    of = f" (seed {entry.run.seed})" if len(entry.row.runs) > 1 else ""
    return f"{text} PCA of the same size{of}: {plain(pca['linear']['mean'], digits)}, {verdict} ({between})."


def _less(group: Group) -> str:
    """The other probe, few labels, the other sizes, and what is below PCA of its size."""
    if len(group.entries) == 1:
        return ""
    parts = []
    if NEIGHBORS in group.purposes[1:] and (said := worth(group, NEIGHBORS)):
        parts.append(f"By nearest neighbours: {_lower(said)}")
    table = group.table(group.focus, few_labels(group.label_counts[0])) if group.label_counts else None
    if table and table.ranked:
        best = table.ranked[0]
        labels = count(group.label_counts[0], "label")
        parts.append(f"With {labels} a class, the best is {_named(group.entry(best.label))} ({short_number(best)}).")
    sizes = [text for size in group.sizes if size != group.focus and (text := _at_size(group, size))]
    parts += [f"{_upper('; '.join(sizes))}."] if sizes else []
    if flagged := below_pca(group):
        parts.append(f"Below PCA of as many dimensions: {flagged}.")
    return " ".join(parts)


def _at_size(group: Group, size: int) -> str:
    """`at 8 dimensions the best autoencoder is the sparse one: .90, better than PCA (.85)`."""
    mine, table = group.best([size]), group.table(size, group.purposes[0]) if group.purposes else None
    lines = {row.label: row for row in table.ranked} if table else {}
    if mine is None or table is None or mine.label not in lines:
        return ""
    own = lines[mine.label]
    text = f"at {count(size, 'dimension')} the best autoencoder is {mine.name} ({short_number(own)})"
    for entry in group.at(size):
        if entry.kind == "pca" and entry.label in lines:
            value = short_number(lines[entry.label])
            text += f", {BESIDE[table.verdict(mine.label, entry.label)]} PCA ({value})"
    return text


def below_pca(group: Group) -> str:
    """The rows of which runs flagged themselves, with how many; "" where none did."""
    found = []
    for name in dict.fromkeys(entry.name for entry in group.entries if entry.kind == "autoencoder"):
        own = [entry for entry in group.entries if entry.name == name and entry.below_pca]
        told = listing([f"{entry.size}{_part_of(entry)}" for entry in own])
        found += [f"{name} at {told}"] if own else []
    return "; ".join(found)


def _part_of(entry: Entry) -> str:
    runs = len(entry.row.runs)
    return "" if entry.below_pca == runs else f" ({entry.below_pca} of {count(runs, 'run')})"


def certainty(groups: Sequence[Group]) -> list[str]:
    """How the autoencoder that is spoken of was chosen, and what would settle what is open."""
    found = []
    for group in groups:
        if len([entry for entry in group.entries if entry.kind == "autoencoder"]) > 1:
            place = f"{group.title}: the" if group.title else "The"
            found.append(
                f"{place} best autoencoder of a size is the one with the best {group.purposes[0].evaluation} on "
                "validation items; its test numbers had no part in the choice. Rows are compared with those of their "
                "own size, and with raw pixels and pretrained networks, whose size is what it is."
                if group.purposes
                else ""
            )
        for purpose in group.purposes:
            table = group.table(group.focus, purpose)
            few = table and any(row.seeds < FEWEST_SEEDS and not row.deterministic for row in table.ranked)
            if table and table.settle and not (few and purpose is not group.purposes[0]):
                found.append(f"{_upper(purpose.evaluation)}, {count(group.focus, 'dimension')}: {table.settle}")
    return [typeset(text) for text in found if text]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
