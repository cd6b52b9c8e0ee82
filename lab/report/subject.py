"""What a report is about: the rows of a study, or plain runs folded into rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config.base import ReportConfig
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.runs.study import Row, StudyRecord

MOST_IN_A_LABEL = 3  # differing settings named in the label of a row that no study named


@dataclass
class Subject:
    """Rows to show, how, and where the report goes by default."""

    kind: str
    name: str
    rows: list[Row]
    settings: ReportConfig
    folder: Path
    study: StudyRecord | None = None
    unfinished: list[Run] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """All finished runs, in the order of the rows, each once."""
        return list({run.id: run for row in self.rows for run in row.runs}.values())

    @property
    def title(self) -> str:
        """The heading: the config's, or the study's name, or the runs' experiments."""
        return self.settings.title or self.name


def subject_of(target: Any) -> Subject:
    """Resolve a study, a run, a reference to either, or a list of runs and references to runs.

    Raises `UserError` where nothing is found, or where a list mixes in a study.
    """
    from lab.runs.study import StudyRecord

    if isinstance(target, str | Path):
        target = _resolve(target)
    if isinstance(target, StudyRecord):
        return Subject(
            kind="Study",
            name=target.name,
            rows=target.rows(),
            settings=ReportConfig.model_validate(target.report),
            folder=target.path,
            study=target,
        )
    targets = list(target) if isinstance(target, list | tuple) else [target]
    if not targets:
        raise UserError("a report needs a study or at least one run")
    runs = [_run(one) for one in targets]
    return Subject(
        kind="Run" if len(runs) == 1 else "Runs",
        name=f"{runs[0].experiment} {runs[0].id}" if len(runs) == 1 else f"{len(runs)} runs",
        rows=fold(runs),
        settings=ReportConfig.model_validate(runs[0].config.get("report") or {}),
        folder=runs[0].path if len(runs) == 1 else Path.cwd(),
        unfinished=[run for run in runs if run.status != "finished"],
    )


def fold(runs: Sequence[Run]) -> list[Row]:
    """Runs of the same experiment and config become one row; seeds, splits and folds are its repeats.

    Labels name what differs.
    """
    from lab.report.sections import flat
    from lab.runs.labels import describe_values, short_names, title_of
    from lab.runs.replicates import counted, noun
    from lab.runs.study import Row

    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.experiment, str(sorted(flat(run.config).items()))), []).append(run)
    by_experiment: dict[str, list[dict[str, str]]] = {}
    for group in grouped.values():
        by_experiment.setdefault(group[0].experiment, []).append(flat(group[0].config))
    rows = []
    for (experiment, _), group in grouped.items():
        configs = by_experiment[experiment]
        values = flat(group[0].config)
        differ = [k for k in dict.fromkeys(k for c in configs for k in c) if len({c.get(k) for c in configs}) > 1]
        names = short_names(differ)
        changes = {key: values.get(key) for key in differ}
        label = describe_values({key: changes[key] for key in differ[:MOST_IN_A_LABEL]}, names) if differ else ""
        label = label or title_of(experiment, group[0].config)
        if (len(by_experiment) > 1 and differ) or not label:
            label = f"{experiment} {label}".strip()
        finished = sorted((run for run in group if run.status == "finished"), key=lambda run: run.seed)
        failed = [run.error or "unknown error" for run in group if run.status == "failed"]
        replicates = [run.replicate for run in group]
        row = Row(label, changes, experiment, finished, len(group), failed)
        rows.append(replace(row, over=noun(replicates), counted=counted(replicates)))
    return rows


def _resolve(ref: str | Path) -> StudyRecord | Run:
    """A study where there is one of that name, else a run."""
    from lab.runs.refs import load_run, load_study

    if str(ref) == "last":
        run = load_run("last")
        return load_study(run.info["study"]) if run.info.get("study") else run
    if (Path(ref) / "run.json").is_file():
        return load_run(ref)
    try:
        return load_study(str(ref))
    except UserError as no_study:
        try:
            return load_run(ref)
        except UserError as no_run:
            raise UserError(f"{ref}: neither a study nor a run ({no_study}; {no_run})") from None


def _run(one: Any) -> Run:
    from lab.runs.refs import load_run
    from lab.runs.run import Run

    if isinstance(one, Run):
        return one
    if isinstance(one, str | Path):
        return load_run(one)
    raise UserError(f"a report of several things takes runs, not {type(one).__name__}; give a study on its own")
