"""What the verbs of the command line print: plain text, the same in a terminal, a pipe and a log."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError, nearest

if TYPE_CHECKING:
    from lab.report.comparison import Comparison
    from lab.runs.run import Run
    from lab.runs.study import CellRecord, StudyRecord


def columns(rows: Sequence[Sequence[Any]], header: Sequence[str] = ()) -> str:
    """Lay out rows as aligned columns, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    if not cells:
        return ""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.rjust(w) if n else cell.ljust(w) for cell, w, n in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
    if header:
        lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def command(*words: str) -> str:
    """Return a `lab` command that works as pasted from this shell: by name if that is on the path, else by its file."""
    started = Path(sys.argv[0])
    known = shutil.which("lab")
    name = "lab"
    if started.name == "lab" and (known is None or not Path(known).samefile(started)):
        name = os.path.relpath(started) if started.is_absolute() else str(started)
    elif started.name != "lab" and known is None:
        name = f"{os.path.relpath(sys.executable)} -m lab"
    return " ".join([name, *(shlex.quote(word) for word in words)])


def print_outcome(outcome: Run | StudyRecord, write_report: bool) -> None:
    """After `lab run`: the answer, where things are, and what to do next."""
    from lab.runs.run import Run

    if isinstance(outcome, Run):
        print(f"\n{_results_table(outcome)}\n")
        print(f"Run {outcome.id}: {os.path.relpath(outcome.path)}")
        print("Next:")
        for words in _after_run(outcome):
            print(f"  {command(*words)}")
        return
    from lab.report.comparison import compare

    comparison = compare(outcome)
    print(f"\n{_answer(outcome, comparison)}")
    report = None
    if write_report:
        from lab.report.build import build

        report = build(outcome)
        print(f"\nReport: {os.path.relpath(report)}   (open it in a browser; it needs no network)")
    if outcome.trackers:
        from lab.terminal_trackers import tell_report

        for warning in tell_report(outcome, comparison, report):
            print(f"warning: {warning}")
    print("\nNext:")
    for words in _next_commands(outcome, comparison):
        print(f"  {command(*words)}")


def _answer(study: StudyRecord, comparison: Comparison) -> str:
    """What the study comes to: the strategy to train, the best embedding, and of other rows how they compare."""
    from lab.report.comparison import compare
    from lab.report.parts import answers_of, parts_of

    parts = parts_of(study.rows())
    found = answers_of(parts)
    if not found:
        return comparison.answer
    return "\n".join([*found, *([compare(parts.others).answer] if any(row.runs for row in parts.others) else [])])


def _after_run(run: Run) -> list[tuple[str, ...]]:
    from lab.config import load_recipe

    recipe = load_recipe(run.experiment)
    more: list[tuple[str, ...]] = []
    if recipe.load_classifier is not None:
        more = [("predict", run.id, "NEW_DATA", "-o", "out.csv")]
    elif recipe.load_encoder is not None and run.embedding_names:
        more = [("embed", run.id, "NEW_DATA", "-o", "out.parquet")]
    return [("show", run.id), ("report", run.id), *more]


def _next_commands(study: StudyRecord, comparison: Comparison) -> list[tuple[str, ...]]:
    """Three things to do next, the best row's first run in the middle of them."""
    commands: list[tuple[str, ...]] = [("compare", study.name)]
    best = [id for table in comparison.tables for row in table.ranked[:1] for id in row.run_ids[:1]][:1]
    words, sums = study.report.get("words") or [], study.report.get("analogies") or []
    if best and words:
        commands.append(("neighbors", best[0], words[0]))
    if sums:
        commands.append(("neighbors", "minilm-l6", sums[0]))
    commands += [("show", id) for id in best]
    return commands[:3]


def _results_table(run: Run) -> str:
    results = run.results
    if results.empty:
        return "(no results: nothing was held out to judge by)"
    chosen = results[results["primary"].astype(bool)]
    chosen = results.head(12) if chosen.empty else chosen
    rows = [(r["evaluation"], r["metric"], r["split"], f"{r['value']:.4f}", r["n"]) for r in chosen.to_dict("records")]
    return columns(rows, ("evaluation", "metric", "split", "value", "n"))


def print_listing(what: str) -> None:
    """`lab list`: one line a thing."""
    listings = {
        "runs": _list_runs,
        "studies": _list_studies,
        "configs": _list_configs,
        "experiments": _list_experiments,
        "packaged": _list_packaged,
    }
    if what not in listings:
        hint = nearest(what, list(listings))
        cure = f"did you mean {hint[0]}?" if hint else f"expected one of {', '.join(listings)}"
        raise UserError(f"lab list {what}: {cure}")
    print(listings[what]())


def _list_runs() -> str:
    from lab.runs.catalogue import all_runs
    from lab.runs.home import runs_dir

    runs = all_runs()
    if not runs:
        return f"No runs in {os.path.relpath(runs_dir())} yet. Start with: {command('run', 'quickstart')}"
    rows, places = [], _places_in_studies()
    for run in runs:  # the latest first
        when = (run.info.get("started") or "")[:16].replace("T", " ")
        place, seed = places.get(run.id, ""), run.info.get("seed", "")
        rows.append((run.id, run.experiment, run.status, when, seed, place, run.why_stale() or ""))
    return columns(rows, ("run", "experiment", "status", "started", "seed", "study", "stale"))


def _places_in_studies() -> dict[str, str]:
    """For each run the study it belongs to, the latest if several, with the values of its row: `study:key=value`."""
    from lab.runs.catalogue import all_studies
    from lab.runs.labels import describe_values

    places: dict[str, str] = {}
    for study in all_studies():
        for cell in study.cells:
            tried = [(tried["run_id"], tried["changes"]) for tried in cell.candidates]
            for run_id, values in [(cell.run_id, cell.chosen), *tried]:
                described = describe_values({**cell.row, **values, **_of_splits(cell)})
                places.setdefault(run_id or "", f"{study.name}{':' * bool(described)}{described}")
    return places


def _of_splits(cell: CellRecord) -> dict[str, Any]:
    return {key: value for key, value in cell.replicate.items() if key != "seed"}


def _list_studies() -> str:
    from lab.runs.catalogue import all_studies

    rows = [
        (s.name, f"{sum(c.status == 'finished' for c in s.cells)} of {len(s.cells)} runs finished")
        for s in all_studies()
    ]
    return columns(rows, ("study", "state")) if rows else f"No studies yet. Start with: {command('run', 'quickstart')}"


def _list_configs() -> str:
    from itertools import groupby

    from lab.config import shipped_configs

    found = sorted(shipped_configs(), key=lambda config: (config.experiment, config.name))
    width = max(len(config.name) for config in found)
    blocks = []
    for experiment, group in groupby(found, key=lambda config: config.experiment):
        lines = [f"  {c.name.ljust(width)}  {c.summary} ({_minutes(c.minutes)})" for c in group]
        blocks.append("\n".join([f"{experiment}:", *lines]))
    return "\n\n".join(blocks) + f"\n\nRun one: {command('run', 'NAME')}   Make it yours: {command('new', 'NAME')}"


def _minutes(minutes: float | None) -> str:
    if minutes is None:
        return "time not known"
    return f"about {minutes:g} min" if minutes >= 1 else f"about {max(1, round(minutes * 60))} s"


def _list_experiments() -> str:
    from lab.config import load_recipe, recipes

    rows = [(name, load_recipe(name).summary) for name in sorted(recipes())]
    return columns(rows, ("experiment", "what it trains"))


def _list_packaged() -> str:
    from importlib.util import find_spec

    from lab.data.packaged import packaged

    rows = [(p.name, p.kind, "yes" if find_spec(p.module) else f"no: {p.package}", p.summary) for p in packaged()]
    return columns(rows, ("name", "kind", "installed", "what"))


def print_shown(target: str, overrides: Sequence[str]) -> None:
    """`lab show`: a config with its origins; else a packaged part; else a run."""
    from lab.config import load, shipped_names, show_config
    from lab.data.packaged import packaged
    from lab.data.show import PACKAGED, PAIRS, is_source, shown_source
    from lab.terminal_backbone import blocks_table, is_backbone

    entry = next((p for p in packaged() if p.name == target), None)
    if entry is not None:
        from lab.data.packaged import packaged_path

        rows = [(key, getattr(entry, key)) for key in ("name", "kind", "summary", "origin", "licence", "package")]
        print(columns([*rows, ("where", packaged_path(target))]))
        if entry.kind == "backbone":
            print(f"\n{blocks_table(target)}")
        elif target in (*PACKAGED, *PAIRS):
            print(f"\n{shown_source(target, overrides)}")
        return
    if is_backbone(target):
        print(blocks_table(target))
        return
    names = shipped_names()
    known = {*names, *(name.rsplit("/", 1)[-1] for name in names)}  # `quickstart` is short for `studies/quickstart`
    if target not in known and is_source(target):
        print(shown_source(target, overrides))
        return
    if target in known or target.endswith((".yaml", ".yml")) or Path(target).is_file():
        print(show_config(load(target, list(overrides))))
        return
    from lab.runs.refs import load_run

    try:
        run = load_run(target)
    except UserError as error:
        alike = nearest(target, [*names, *(entry.name for entry in packaged())], cutoff=0.6)
        hint = f"; or did you mean {alike[0]}?" if alike else ""
        raise UserError(f"{target!r} is neither a config nor a packaged part; {error}{hint}") from None
    print(_describe_run(run))


def _describe_run(run: Run) -> str:
    info = run.info
    lines = [
        ("run", run.id),
        ("experiment", run.experiment),
        ("status", run.status + (f": {run.error}" if run.error else "")),
        ("stale", run.why_stale() or "no"),
        ("data", info.get("data", {}).get("description", "")),
        ("seed", run.seed),
        ("started", info.get("started", "")),
        ("seconds", f"{info['seconds']:.1f}" if info.get("seconds") else ""),
        ("embeddings", ", ".join(run.embedding_names)),
        ("figures", ", ".join(figure.name for figure in run.figures)),
        ("folder", os.path.relpath(run.path)),
    ]
    return f"{columns(lines)}\n\n{_results_table(run)}"


def print_comparison(comparison: Comparison, format: str) -> None:
    """`lab compare`: text, Markdown, csv or json."""
    import json

    writers = {
        "table": lambda: repr(comparison),
        "markdown": comparison.to_markdown,
        "latex": comparison.to_latex,
        "csv": lambda: comparison.to_frame().to_csv(index=False).rstrip("\n"),
        "json": lambda: json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False),
    }
    if format not in writers:
        raise UserError(f"--format {format}: expected one of {', '.join(writers)}")
    print(writers[format]())


def clean_up(yes: bool) -> None:
    """`lab clean`: say what would go and why, ask, then delete."""
    from lab.runs.catalogue import delete, plan_clean

    plan = plan_clean()
    if not plan:
        print("Nothing to clean.")
        return
    rows = [(os.path.relpath(item.path), f"{item.bytes / 1e6:.1f} MB", item.reason) for item in plan]
    print(columns(rows, ("path", "size", "why")))
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("lab clean asks before it deletes; without a terminal say --yes")
        if input(f"Delete these {len(plan)}? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing deleted.")
            return
    print(f"{delete(plan)} deleted.")
