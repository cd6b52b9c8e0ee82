"""The data check, how the data were split, and whether the splits can be told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.report.numbers import plain
from lab.report.text import count, listing, short

if TYPE_CHECKING:
    from lab.report.finetune_rows import Group

MOST_LISTED = 100
_PARTS = ("train", "validation", "test", "unlabelled")
_SHIFTED = 0.05  # a permutation p-value below it says that two splits differ


@dataclass
class DataCheck:
    """What the template shows of one task."""

    task: str
    sentences: list[str]
    warnings: list[str] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)


def data_checks(groups: Sequence[Group]) -> list[DataCheck]:
    """The check of each task, from its first run that kept one."""
    found: dict[str, DataCheck] = {}
    for group in groups:
        if group.task not in found:
            for entry in group.entries:
                if entry.facts.get("data_check") or entry.facts.get("shift"):
                    found[group.task] = _check(group.task, entry.facts, len(groups) > 1)
                    break
    return list(found.values())


def _check(task: str, facts: Mapping[str, Any], several: bool) -> DataCheck:
    check, split = facts.get("data_check") or {}, facts.get("split") or {}
    classes = check.get("classes") or {}
    sentences, warnings = _on_split(split), []
    if classes:
        small, large = min(classes.items(), key=lambda c: c[1]), max(classes.items(), key=lambda c: c[1])
        sizes = f"from {small[1]:,} ({short(str(small[0]), 40)}) to {large[1]:,} ({short(str(large[0]), 40)})"
        sizes = f"{small[1]:,} each" if small[1] == large[1] else sizes
        sentences.append(f"{sum(classes.values()):,} items of {count(len(classes), 'class', 'classes')}, {sizes}.")
    if (smallest := check.get("smallest_difference")) is not None:
        sentences.append(
            f"With this many test items, two strategies whose true accuracies differ by less than {plain(smallest, 3)} "
            "will usually not be told apart."
        )
    broken = check.get("broken") or []
    if broken:
        warnings.append(f"{count(len(broken), 'broken item')} left out.")
    duplicates = check.get("duplicates") or []
    number = duplicates if isinstance(duplicates, int) else len(duplicates)
    if number:
        sentences.append(f"{count(number, 'pair')} of near-duplicates.")
    if split.get("leaked"):
        warnings.append(f"{count(int(split['leaked']), 'test item')} were trained on, so the accuracies are too high.")
    tables = [_classes(classes)] if classes else []
    tables += [_problems("Broken items, left out", broken)] if broken else []
    tables += [_problems("Odd items, kept", check["odd"])] if check.get("odd") else []
    tables += [_pairs(duplicates)] if duplicates and not isinstance(duplicates, int) else []
    if facts.get("shift"):
        said, alarm, table = _shift(facts["shift"])
        sentences += said
        warnings += alarm
        tables.append(table)
    return DataCheck(task if several else "", sentences, warnings, tables)


def _on_split(split: Mapping[str, Any]) -> list[str]:
    sizes = [f"{int(split[part]):,} {part}" for part in _PARTS if isinstance(split.get(part), int) and split[part]]
    how = re.sub(r"`([^`]*)`", r"“\1”", f"Split: {split['how']}") if split.get("how") else ""
    removed = split.get("removed") or []
    gone = f" {count(len(removed), 'near-duplicate')} removed from training." if removed else ""
    text = f"{how}; {listing(sizes)}." if how and sizes else f"{how or listing(sizes)}."
    return [f"{text}{gone}"] if how or sizes else []


def _classes(classes: Mapping[str, int]) -> dict[str, Any]:
    whole = sum(classes.values()) or 1
    rows = [[short(str(name), 60), f"{n:,}", f"{100 * n / whole:.1f} %"] for name, n in classes.items()]
    return {"label": "Items of each class", "caption": "", "head": ["Class", "Items", "Share"], "rows": rows}


def _problems(label: str, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rows = [[short(str(one.get("id")), 120), short(str(one.get("problem")), 120)] for one in found[:MOST_LISTED]]
    left = f"The first {MOST_LISTED} of {len(found):,}." if len(found) > MOST_LISTED else ""
    return {"label": f"{label} ({len(found):,})", "caption": left, "head": ["Item", "What"], "rows": rows}


def _pairs(duplicates: Sequence[Any]) -> dict[str, Any]:
    rows = [[short(str(part), 120) for part in list(pair)[:2]] for pair in duplicates[:MOST_LISTED]]
    left = f"The first {MOST_LISTED} of {len(duplicates):,}." if len(duplicates) > MOST_LISTED else ""
    return {"label": f"Near-duplicates ({len(duplicates):,})", "caption": left, "head": ["Item", "And"], "rows": rows}


def _shift(pairs: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Whether a classifier on frozen features tells the splits apart (Rabanser et al. 2019, arXiv:1810.11953)."""
    differing = [pair for pair in pairs if pair.get("p") is not None and pair["p"] < _SHIFTED]
    alarm = [
        f"{_upper(_pair(pair))} can be told apart (AUC {plain(pair['auc'], 2)}, p {_p(pair['p'])}), "
        "so the test score may not carry over."
        for pair in differing
    ]
    known = [pair for pair in pairs if pair.get("auc") is not None]
    said = [] if differing or not known else ["A classifier on frozen features cannot tell the splits apart."]
    rows = [
        [
            _pair(pair),
            plain(pair["auc"], 3),
            _p(pair.get("p")),
            ", ".join(short(str(item), 40) for item in (pair.get("items") or [])[:6]) or "–",
        ]
        for pair in known
    ]
    return said, alarm, {
        "label": "Shift between splits",
        "caption": "A classifier on frozen features tries to tell two splits apart; AUC .5 is chance.",
        "head": ["Splits", "AUC", "p", "Items that differ most"],
        "rows": rows,
    }  # fmt: skip


def _pair(pair: Mapping[str, Any]) -> str:
    name = pair.get("pair")
    return " and ".join(map(str, name)) if isinstance(name, list | tuple) else str(name)


def _p(value: Any) -> str:
    return "–" if value is None else "< .001" if value < 0.001 else plain(float(value), 3)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
