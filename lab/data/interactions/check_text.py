"""The data check of pairs as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.data.interactions.check import USUAL_CORE, Activity, PairsCheck, Possible
from lab.data.interactions.interactions import CleaningStep, row_words


def describe_check(check: PairsCheck) -> str:
    """A data check as lines of text, each fact under its name."""
    facts = (
        [("columns", ", ".join(f"{role} = {name}" for role, name in check.columns.items()))] if check.columns else []
    )
    facts += [(f"of {side}", ", ".join(names) or "nothing") for side, names in check.known.items()]
    facts += [
        ("density", f"{100 * check.density:.3g} % of all possible pairs"),
        ("a user has", _active(check.users, "user")),
        ("an item has", _active(check.items, "item")),
        (
            "long tail",
            f"the most popular fifth of the items holds {100 * check.head:.0f} % of the pairs; half of the pairs lie "
            f"on {100 * check.half:.1f} % of the items",
        ),
    ]
    if check.values:
        low, mean, high = check.values
        facts.append(("values", f"{low:g} to {high:g}, mean {mean:.2f}"))
    facts.append(("time", f"{check.span[0]} to {check.span[1]}" if check.span else "none"))
    return "\n".join([check.description, "", *_aligned(facts), "", *_cleaning(check), "", *_splits(check.splits)])


def _active(activity: Activity, noun: str) -> str:
    have = f"{noun} has" if activity.single == 1 else f"{noun}s have"
    once = f"; {activity.single:,} {have} one" if activity.single else ""
    return f"{activity.median:g} in the median, {activity.least:,} to {activity.most:,}{once}"


def _cleaning(check: PairsCheck) -> list[str]:
    found = [step for step in check.cleaning if step.count or step.name.endswith("without interactions")]
    lines = ["cleaning (rows counted from 0 after the header):" if found else "cleaning finds nothing to remove"]
    lines += [f"  {line}" for line in _aligned((step.name, _step(step)) for step in found)]
    if check.errors:
        allowed = "data.duplicates=first" if check.errors == ["duplicates"] else "data.skip_broken=true"
        lines.append(f"  a run ends with an error for {', '.join(check.errors)} unless {allowed}")
    pairs, users, items = check.core
    lines.append(f"  data.k_core={USUAL_CORE} would leave {pairs:,} pairs of {users:,} users and {items:,} items")
    return lines


def _step(step: CleaningStep) -> str:
    rows = f" ({row_words(step.rows, step.count)})" if step.rows else ""
    return f"{step.count:,}: {step.what}{rows}" if step.removed else f"{step.what}{rows}"


def _splits(splits: Sequence[Possible]) -> list[str]:
    """A table of what each kind of split could judge: what training knows + what it does not."""
    rows = [["split", "train", "validation", "test", "test users", "test items", "pairs known on both sides"]]
    problems: dict[str, list[str]] = {}
    for split in splits:
        if split.problem:
            problems.setdefault(split.problem, []).append(split.kind)
            continue
        sizes = [f"{split.sizes[name]:,}" for name in ("train", "validation", "test")]
        both = [f"{known:,} + {new:,}" for known, new in (split.users, split.items)]
        rows.append([split.kind, *sizes, *both, f"{split.both_known:,}"])
    lines = ["no kind of split is possible:"]
    if len(rows) > 1:
        lines = ["what each split could judge (known to training + new; an id alone scores only what is known):"]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for kind, *cells in rows:
            aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
            lines.append("  ".join(["", kind.ljust(widths[0]), *aligned]))
    return lines + [f"  not possible: {', '.join(kinds)}: {problem}" for problem, kinds in problems.items()]


def _aligned(facts: Iterable[tuple[str, str]]) -> list[str]:
    facts = list(facts)
    width = max((len(name) for name, _ in facts), default=0)
    return [f"{name.ljust(width)}  {text}" for name, text in facts]
