"""From runs to what a comparison needs: rows with their seeds folded, and one score matrix a row and metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lab.errors import LabError, UserError, nearest
from lab.report.measured_groups import MeasuredRow, Measurement, Part, Test, digest, grouped
from lab.runs.replicates import resampling

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.runs.study import Row

Result = Mapping[str, Any]


def rows_of(targets: Iterable[Any]) -> list[Row]:
    """Studies, runs, rows, references to them and lists of these, as rows: each run once, each label once.

    Raises `UserError` where a reference means nothing, or a target is something else.
    """
    from lab.report.subject import fold, subject_of
    from lab.runs.run import Run
    from lab.runs.study import Row, StudyRecord

    rows: list[tuple[str, Row]] = []
    loose: dict[str, Run] = {}
    for target in _flattened(targets):
        if isinstance(target, Row):
            rows.append(("", target))
        elif isinstance(target, Run):
            loose.setdefault(target.id, target)
        elif isinstance(target, StudyRecord | str | Path):
            subject = subject_of(target)
            if subject.study:
                rows += [(subject.study.name, row) for row in subject.rows]
            else:
                loose |= {run.id: run for run in [*subject.runs, *subject.unfinished]}
        else:
            raise UserError(f"a comparison takes studies and runs, not {type(target).__name__}")
    known = {run.id for _, row in rows for run in row.runs}
    rows += [("", row) for row in fold([run for run in loose.values() if run.id not in known])]
    return _told_apart([part for entry in _distinct(rows) for part in _one_run_each(*entry)])


def results_of(rows: Sequence[Row]) -> dict[str, list[Result]]:
    """The results of every run by its id, those of a part of a test (they have a label) left out."""
    runs = {run.id: run for row in rows for run in row.runs}
    records = {id: cast("list[Result]", run.results.to_dict("records")) for id, run in runs.items()}
    return {id: [result for result in found if not _text(result.get("label"))] for id, found in records.items()}


def choose_results(results: Mapping[str, list[Result]], metric: str | None) -> list[tuple[str, str, str]]:
    """Which (evaluation, metric, split) to compare: the primary ones on test items, or those that `metric` names.

    `metric` is a metric, an evaluation, or `evaluation/metric`, each also with `/split`. Raises `UserError` where no
    run has such a result; the nearest are named.
    """
    known: dict[tuple[str, str, str], bool] = {}
    for result in (result for listed in results.values() for result in listed):
        key = (result["evaluation"], result["metric"], result["split"])
        known[key] = known.get(key, False) or bool(result["primary"])
    if metric is None:
        primary = [key for key, is_primary in known.items() if is_primary]
        return [key for key in primary if key[2] == "test"] or primary
    wanted = metric.casefold().replace(" ", "/")
    found = [key for key in known if wanted in _names_of(*key)]
    on_test = [key for key in found if key[2] == "test"]
    if not found:
        names = list(dict.fromkeys(f"{evaluation}/{name}" for evaluation, name, _ in known))
        alike = nearest(metric, [*names, *dict.fromkeys(name for _, name, _ in known)]) or names[:10]
        there = f"nearest: {', '.join(alike)}" if known else "no finished run has any"
        raise UserError(f"no run has a result {metric!r}; {there}")
    return on_test if on_test and not any(wanted.endswith(f"/{split}".casefold()) for *_, split in found) else found


def measure(
    rows: Sequence[Row], results: Mapping[str, list[Result]], key: tuple[str, str, str], by: Sequence[str] = ()
) -> dict[Test, list[MeasuredRow]]:
    """Read one metric of all rows and group them by what must agree (see `measured_groups.grouped`)."""
    parts: list[Part] = []
    for row in rows:
        label, context = _labelled(row, by)
        measured = []
        for run in sorted(row.runs, key=lambda run: _place(row, run)):
            result = next((r for r in results[run.id] if (r["evaluation"], r["metric"], r["split"]) == key), None)
            if result is not None and result["value"] == result["value"]:
                measured.append(_measurement(run, result, context))
        parts.append((row, label, measured))
    return grouped(parts)


def by_keys(rows: Sequence[Row], by: str | Sequence[str] | None) -> list[str]:
    """The full dotted keys that `by` names among the swept ones. Raises `UserError` for one that no row sweeps."""
    swept = list(dict.fromkeys(key for row in rows for key in row.row))
    full = []
    for name in [by] if isinstance(by, str) else by or []:
        found = [key for key in swept if key == name or key.endswith(f".{name}")]
        if len(found) != 1:
            alike = found or nearest(name, swept) or swept
            raise UserError(f"by={name!r}: expected one of the settings in which rows differ: {', '.join(alike)}")
        full += found
    return full


def _measurement(run: Run, result: Result, context: str) -> tuple[Test, Measurement]:
    ids = scores = None
    try:
        frame = run.scores(result["evaluation"], result["metric"], result["split"])
    except LabError:
        frame = None
    if frame is not None and len(frame) > 1:
        ids, scores = tuple(frame["id"].astype(str)), frame["value"].to_numpy(dtype="float64")
    test = Test(
        evaluation=result["evaluation"],
        metric=result["metric"],
        split=result["split"],
        higher_is_better=bool(result["higher_is_better"]),
        fingerprint=_text(result.get("test_fingerprint")),
        protocol=_text(result.get("protocol")),
        n=int(result["n"]),
        items=digest(ids) if ids is not None else "",
        context=context,
    )
    return test, Measurement(run, float(result["value"]), int(result["n"]), ids, scores)


def _place(row: Row, run: Run) -> tuple[int, ...]:
    """Where a run stands among those of its row: by split, then by seed."""
    splits = resampling(run.replicate) if row.over != "seed" else ()
    return (*(-1 if part is None else int(part) for part in splits), run.seed)


def _labelled(row: Row, by: Sequence[str]) -> tuple[str, str]:
    """The row's label, and what is held fixed: with `by`, the former names only those settings, the latter the rest."""
    from lab.runs.labels import describe_values, short_names

    if not by:
        return row.label, ""
    names = short_names(row.row)
    own = {key: value for key, value in row.row.items() if key in by}
    rest = {key: value for key, value in row.row.items() if key not in by}
    return (describe_values(own, names) or row.label), describe_values(rest, names)


def _flattened(targets: Iterable[Any]) -> Iterable[Any]:
    for target in targets:
        if isinstance(target, list | tuple | set | frozenset):
            yield from _flattened(target)
        else:
            yield target


def _distinct(rows: Sequence[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """Rows without those that repeat the runs of an earlier one, as when two studies share a config."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for study, row in rows:
        runs = tuple(sorted(run.id for run in row.runs))
        if not runs or runs not in seen:
            kept.append((study, row))
            seen.add(runs)
    return kept


def _one_run_each(study: str, row: Row) -> list[tuple[str, Row]]:
    """A row as it is; or, where a seed was run on several states of the data or the recipe, a row for each of these."""
    if max(Counter(_place(row, run) for run in row.runs).values(), default=0) <= 1:
        return [(study, row)]
    states: dict[tuple[str, str, str], list[Run]] = {}
    for run in row.runs:
        data = run.info["data"]
        inputs = ", ".join(f"{name} {value[:4]}" for name, value in (data.get("inputs") or {}).items())
        version = f"version {run.info['recipe_version']}, source {run.info['source_hash'][:4]}"
        states.setdefault((f"data {data['fingerprint'][:4]}", inputs, version), []).append(run)
    varying = next(place for place in range(3) if place == 2 or len({state[place] for state in states}) > 1)
    parts = []
    for state, runs in states.items():
        latest = list({_place(row, run): run for run in runs}.values())
        own = replace(row, label=f"{row.label} ({state[varying]})", runs=latest)
        parts.append((study, replace(own, planned=len(latest), failed=[], counted="")))
    return parts


def _told_apart(rows: Sequence[tuple[str, Row]]) -> list[Row]:
    """Rows with labels that differ: the study's name, then a number, is added to those that do not."""
    for add in (lambda study, number: f" ({study})" if study else "", lambda study, number: f" #{number}"):
        times = Counter(row.label for _, row in rows)
        rows = [
            (study, replace(row, label=row.label + add(study, number)) if times[row.label] > 1 else row)
            for number, (study, row) in enumerate(rows, start=1)
        ]
    return [row for _, row in rows]


def _names_of(evaluation: str, metric: str, split: str) -> set[str]:
    names = {evaluation, metric, f"{evaluation}/{metric}"}
    return {name.casefold().replace(" ", "/") for name in names | {f"{name}/{split}" for name in names}}


def _text(value: Any) -> str:
    """A value of a results table as text; "" for one that is missing."""
    return "" if value is None or value != value else str(value)
