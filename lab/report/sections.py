"""Errors, data, config and environment: plain tables of what the run directories say."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.report.text import count, duration, listing, number

if TYPE_CHECKING:
    from lab.report.subject import Subject
    from lab.runs.run import Run
    from lab.runs.study import Row

MOST_COLUMNS = 5  # rows of a study that stand beside each other
MOST_ALIKE = 3  # warnings that differ in nothing but numbers, one by one
MOST_PLANNED = 3  # runs not begun yet that are listed one by one
NOT_COMPARED = {"report", "name", "tracker", "seed", "data.split.seed", "data.split.fold"}


def problems(subject: Subject) -> list[dict[str, str]]:
    """Failed and unfinished runs, warnings, and runs made by other source than is installed; one entry each."""
    found = []
    if subject.study:
        planned = [cell for cell in subject.study.cells if cell.status == "planned" and not cell.error]
        if len(planned) > MOST_PLANNED:
            text = "planned: they are not in the tables; the same command goes on with them"
            found.append({"kind": "planned", "where": count(len(planned), "run"), "text": text})
        for cell in subject.study.cells:
            if cell.status != "finished" and (len(planned) <= MOST_PLANNED or cell not in planned):
                where = f"{cell.label or cell.experiment}, {cell.described}"
                found.append({"kind": cell.status, "where": where, "text": cell.error or _unfinished(cell.status)})
    for run in subject.unfinished:
        where = f"{run.experiment} {run.id}, seed {run.seed}"
        found.append({"kind": run.status, "where": where, "text": run.error or _unfinished(run.status)})
    warnings = subject.study.warnings if subject.study else []
    found += [{"kind": "choice", "where": "the study", "text": f"{text}."} for text in warnings]
    for row in subject.rows:
        for key in row.at_edge:
            text = f"{key} chose {row.chosen.get(key)}, the end of what was tried; a better value may lie beyond."
            found.append({"kind": "choice", "where": row.label, "text": text})
    notes: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in subject.rows:
        for run in row.runs:
            for kind, text in [*(("warning", w) for w in run.warnings), *_stale(run)]:
                notes.setdefault((kind, text), {}).setdefault(row.label, []).append(_which(row, run))
    return found + _alike(notes, subject.rows)


def _alike(notes: Mapping[tuple[str, str], Mapping[str, list[str]]], rows: Sequence[Row]) -> list[dict[str, str]]:
    """One entry for each text, with where it was said; those that differ in nothing but numbers are one."""
    patterns: dict[tuple[str, str], list[str]] = {}
    for kind, text in notes:
        patterns.setdefault((kind, re.sub(r"[-+]?\d[\d.,]*", "#", text)), []).append(text)
    found = []
    for (kind, _), texts in patterns.items():
        places: dict[str, list[str]] = {}
        for text in texts:
            for label, runs in notes[kind, text].items():
                places.setdefault(label, []).extend(runs)
        few = len(texts) < MOST_ALIKE
        others = f" (the first of {len(texts)} that differ in their numbers)"
        whole = [(texts[0] + others, places)] if not few else [(text, notes[kind, text]) for text in texts]
        found += [{"kind": kind, "where": _where(where, rows), "text": text} for text, where in whole]
    return found


def _which(row: Row, run: Run) -> str:
    """Which of its row's runs a run is: its seed, or `fold 3`, `seed 0, split 2`."""
    if row.over == "seed":
        return str(run.seed)
    from lab.runs.replicates import NOUNS, described

    varying = {key for key in NOUNS if len({repr(other.replicate.get(key)) for other in row.runs}) > 1}
    return described({key: value for key, value in run.replicate.items() if key in varying})


def _where(places: Mapping[str, Sequence[str]], rows: Sequence[Row]) -> str:
    """Rows, with the seeds where not all are meant: `CBOW and skip-gram (seed 0)`, or `all runs`."""
    all_runs = {row.label: [_which(row, run) for run in row.runs] for row in rows if row.runs}
    if dict(places) == all_runs and len(all_runs) > 1:
        return "all runs"
    over = {row.label: row.over for row in rows}
    names = []
    for label, runs in places.items():
        noun = f"{'seed' if len(runs) == 1 else 'seeds'} " if over[label] == "seed" else ""
        names.append(label + ("" if runs == all_runs[label] else f" ({noun}{listing(list(runs))})"))
    return listing(names)


def _unfinished(status: str) -> str:
    return f"{status}: it is not in the tables; the same command goes on with it"


def _stale(run: Run) -> list[tuple[str, str]]:
    why = run.why_stale(check_data=False)
    return [("older", f"{why}; --rerun makes it anew")] if why else []


def data_table(rows: Sequence[Row]) -> dict[str, Any]:
    """What each row read: description, counts, sizes of its splits."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        for run in row.runs[:1]:
            data = run.info.get("data") or {}
            counts = ", ".join(
                f"{value:,} {name.replace('_', ' ')}" for name, value in (data.get("counts") or {}).items()
            )
            splits = ", ".join(f"{name} {len(ids):,}" for name, ids in run.splits.items())
            key = (data.get("description") or "–", counts or "–", splits or "–", (data.get("fingerprint") or "–")[:12])
            groups.setdefault(key, []).append(row.label)
    return {
        "label": "Data",
        "caption": "",
        "head": ["Rows", "What", "Counts", "Items in each split", "Fingerprint"],
        "rows": [
            ["all rows" if len(labels) == len(rows) > 1 else listing(labels), *key] for key, labels in groups.items()
        ],
    }


def config_section(subject: Subject) -> dict[str, Any]:
    """The command that makes it again, settings that differ, where and when, resolved configs, versions."""
    return {
        "command": command(subject),
        "differences": [table for table in _differences(subject.rows) if table["rows"]],
        "choices": _choices(subject.rows),
        "environment": _environment(subject.runs),
        "rows": [_config_of(row) for row in subject.rows if row.runs],
        "packages": _packages(subject.runs),
    }


def command(subject: Subject) -> str:
    """The commands that give this report again, from the folder where it was made."""
    if subject.study:
        runs = [f"lab run {shlex.quote(_config_name(subject.study.config))}"] if subject.study.config else []
        return "\n".join([*runs, f"lab report {shlex.quote(subject.study.name)}"])
    runs = [f"lab run runs/{run.experiment}/{run.id}/config.yaml" for run in subject.runs]
    return "\n".join([*runs, f"lab report {' '.join(run.id for run in subject.runs)}"])


def _config_name(path: str) -> str:
    """A shipped config by its name, one below the current folder by its relative path, another as it is."""
    from lab.config.shipped import configs_dir

    for folder in (configs_dir(), Path.cwd()):
        if Path(path).is_relative_to(folder):
            relative = Path(path).relative_to(folder)
            return (relative.with_suffix("") if folder == configs_dir() else relative).as_posix()
    return path


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Dotted keys and their values as text, without what cannot change a number and without the seed."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if f"{before}{key}" not in NOT_COMPARED:
            if isinstance(value, Mapping) and value:
                found |= flat(value, f"{before}{key}.")
            else:
                found[f"{before}{key}"] = (
                    value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
                )
    return found


def _differences(rows: Sequence[Row]) -> Iterable[dict[str, Any]]:
    """For each experiment with several rows, the keys whose values differ: a line a key, of many rows a line a row."""
    by_experiment: dict[str, list[Row]] = {}
    for row in rows:
        if row.runs:
            by_experiment.setdefault(row.experiment, []).append(row)
    for experiment, group in by_experiment.items():
        values = [flat(row.runs[0].config) for row in group]
        keys = [key for key in dict.fromkeys(k for v in values for k in v) if len({v.get(key) for v in values}) > 1]
        lines = [
            ["Setting", *(row.label for row in group)],
            *([key, *(v.get(key, "–") for v in values)] for key in keys),
        ]
        if len(keys) < len(group) > MOST_COLUMNS:
            lines = [list(line) for line in zip(*lines, strict=True)]
            lines[0][0] = "Row"
        yield {
            "label": f"Settings of {experiment} that differ",
            "caption": f"{experiment}; all other settings are the same."
            if len(by_experiment) > 1
            else "All others are the same.",
            "head": lines[0],
            "rows": lines[1:] if keys else [],
        }


def _choices(rows: Sequence[Row]) -> dict[str, Any] | None:
    """What each row tried on validation data for the keys under `choose:`, and what it kept."""
    lines = []
    for row in rows:
        for tried in row.candidates:
            measured = tried.get("validation") or {}
            kept = all(row.chosen.get(key) == value for key, value in tried["changes"].items())
            what = ", ".join(f"{key} = {value}" for key, value in tried["changes"].items())
            result = (
                f"{measured['evaluation']} {measured['metric']} {number(measured['value'])}"
                if measured
                else tried.get("error") or "–"
            )
            lines.append([row.label, what, result, "chosen" if kept else ""])
    head = ["Row", "Tried (first seed)", "On validation data", ""]
    return {"label": "What each row chose", "caption": "", "head": head, "rows": lines} if lines else None


def _config_of(row: Row) -> dict[str, Any]:
    import yaml

    first = {key: value for key, value in row.runs[0].config.items() if key != "report"}
    return {
        "label": row.label,
        "text": yaml.safe_dump(first, sort_keys=False, allow_unicode=True, width=100),
        "runs": {
            "label": f"Runs of {row.label}",
            "caption": "",
            "head": ["Run", "Seed", "Started", "Took", "Folder"],
            "rows": [
                [
                    run.id,
                    str(run.seed),
                    str(run.info.get("started") or "–")[:16].replace("T", " "),
                    duration(run.info.get("seconds")) + (" (went on after a stop)" if run.info.get("resumed") else ""),
                    f"runs/{run.experiment}/{run.id}",
                ]
                for run in row.runs
            ],
        },
    }


def _environment(runs: Sequence[Run]) -> dict[str, Any]:
    def of(*keys: str) -> str:
        values = []
        for run in runs:
            value: Any = run.info
            for key in keys:
                value = (value or {}).get(key)
            values.append(
                "–" if value is None else _short_commit(str(value)) if keys == ("git_commit",) else str(value)
            )
        return listing(list(dict.fromkeys(values))) or "–"

    times = sorted(
        str(run.info.get(key))[:16].replace("T", " ")
        for run in runs
        for key in ("started", "finished")
        if run.info.get(key)
    )
    seconds = sum(float(run.info.get("seconds") or 0) for run in runs)
    lines = [
        ["Computer", of("host", "name")],
        ["System", f"{of('host', 'system')}, {of('host', 'machine')}"],
        ["Processor", f"{of('host', 'processor')}, {of('host', 'cores')} cores; threads a run: {of('threads')}"],
        [
            "Python and lab",
            f"Python {of('packages', 'python')}, lab {of('packages', 'lab')}, commit {of('git_commit')}",
        ],
        ["Time", f"{times[0]} to {times[-1]} UTC, {duration(seconds)} in {count(len(runs), 'run')}" if times else "–"],
    ]
    return {"label": "Environment", "caption": "", "head": ["What", "Value"], "rows": lines}


def _short_commit(commit: str) -> str:
    name, plus, changes = commit.partition("+")
    return name[:10] + plus + changes


def _packages(runs: Sequence[Run]) -> dict[str, Any]:
    names = dict.fromkeys(name for run in runs for name in run.info.get("packages") or {})
    lines = []
    for name in names:
        versions = dict.fromkeys(str((run.info.get("packages") or {}).get(name, "–")) for run in runs)
        lines.append([name, listing(list(versions))])
    return {"label": "Package versions", "caption": "", "head": ["Package", "Version"], "rows": lines}
