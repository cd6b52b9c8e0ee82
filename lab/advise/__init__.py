"""`lab advise`: from labelled photos or sentences to how deep to fine-tune, and the commands that do it.

`advise_on_data` checks the data, writes the config of a study, fits it into the minutes there are, runs it and answers;
`advise_on_study` answers from a study that has run; `lab.advise.untrained` says what features promise without training.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.advise.asked import Asked, Request, look
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.advise.answer import Advice, Strategy
    from lab.data.labelled.check import DataCheck
    from lab.data.labelled.items import Items
    from lab.runs.study import StudyRecord

Say = Callable[[str], None]


def is_study(target: str) -> bool:
    """Whether `lab advise TARGET` means a study, not data: its folder or file, or a name no path has, or `last`."""
    from lab.runs.home import studies_dir

    path = Path(target)
    if (path / "study.json").is_file() or path.name == "study.json":
        return True
    return not path.exists() and (target == "last" or (studies_dir() / target / "study.json").is_file())


def advise_on_data(request: Request, say: Say = print, unlabelled: str | None = None) -> Advice:
    """Check the data, plan, run and answer; everything said goes to `say`, line by line.

    `unlabelled`: more items without labels, of which those to label next are listed.

    Raises:
        UserError: the data cannot be read or used, or too few runs finished to say anything.
        KeyboardInterrupt: Ctrl-C; the same call goes on from there.
    """
    from lab.advise.data_report import data_lines
    from lab.advise.display import Brief
    from lab.advise.study_file import made_by, study_name
    from lab.data.labelled.check import check_items
    from lab.data.labelled.config import LabelledConfig
    from lab.runs.launcher import run
    from lab.runs.study import StudyError, StudyRecord

    asked = look(request)
    check = check_items(asked.items, LabelledConfig.model_validate(asked.data()))
    for line in data_lines(asked, check):
        say(line)
    if check.problem:
        raise UserError(f"{request.source}: {check.problem}")
    name = study_name(request.source)
    path = Path(f"{name}.yaml")
    if made_by(path, request):
        say(f"Plan: {path}, as it stands (remove it to plan anew)")
    else:
        _plan(asked, check, request, path, name, say)
    say("")
    try:
        study = run(path, jobs=request.jobs, display=Brief())
    except StudyError as error:  # some runs failed; what the others say is worth hearing
        say(str(error))
        study = error.study
    assert isinstance(study, StudyRecord)
    return advise_on_study(study, say, asked, unlabelled)


def advise_on_study(
    study: StudyRecord, say: Say = print, asked: Asked | None = None, unlabelled: str | None = None
) -> Advice:
    """Answer from the finished runs of a study, and write the config that trains the recommended strategy.

    `asked`: the data, where they are known already; `unlabelled`: as in `advise_on_data`. Raises `UserError` where the
    study does not compare classifiers.
    """
    from lab.advise.answer import advice_of
    from lab.advise.answer_text import sentences

    advice = advice_of(study)
    say("")
    for line in sentences(advice):
        say(line)
    say("")
    items = _items_of(advice.pick) if asked is None else asked.items
    for line in [*_label_next(advice, study, items, unlabelled), *_next(advice, study, items)]:
        say(line)
    return advice


def _plan(asked: Asked, check: DataCheck, request: Request, path: Path, name: str, say: Say) -> None:
    """Time a batch, choose what fits into the minutes, write the config, and say what it is."""
    from lab.advise.effort import Sizes, candidate_depths, fit_budget
    from lab.advise.study_file import study_config, write_config
    from lab.advise.timing import block_names, time_depths
    from lab.report.text import listing
    from lab.runs import threads
    from lab.training.depth import spoken_depth

    names = block_names(asked.settings)
    depths = candidate_depths(len(names))
    costs = time_depths(asked.settings, asked.items, depths, max(1, threads.cores() // request.jobs))
    sizes = Sizes(sum(check.parts.values()), check.parts["train"], check.parts["validation"])
    budget = request.minutes * 60 * request.jobs
    effort, seconds = fit_budget(depths, len(names), costs, sizes, folds=asked.folds, seconds=budget)
    minutes = seconds / 60 / request.jobs
    tries = f"{len(effort.depths)} depths{' and LP-FT' * effort.lp_ft} of {asked.settings['backbone']['name']}"
    times = (
        f"{effort.folds} folds{' twice' if effort.repeats == 2 else ''}" if effort.folds else f"{effort.repeats} seeds"
    )
    notes = [f"about {minutes:.0f} minutes; {tries}, {times}, {effort.epochs} epochs"]
    write_config(path, study_config(asked, effort, len(names), name), request, notes)
    say(
        f"Plan: {tries} × {times}, each with the best of {effort.rates} learning rates, {effort.epochs} epochs: about "
        f"{max(1, round(minutes))} min of {request.minutes:g} ({path})"
    )
    if effort.left_out:
        left = listing([spoken_depth(depth, len(names)).removeprefix("trains ") for depth in effort.left_out])
        say(f"  left out for lack of time: training {left}; a larger --minutes has room")
    if minutes > 1.1 * request.minutes:
        say(f"  the least that can be said takes about {minutes:.1f} min, more than the {request.minutes:g} asked for")


def _label_next(advice: Advice, study: StudyRecord, items: Items, more: str | None) -> list[str]:
    """List the unlabelled items worth labelling first, where there are unlabelled items."""
    import numpy as np

    from lab.advise.label_next import write_label_next
    from lab.data.labelled.new_items import load_new_items

    if more:
        new = load_new_items(more, {**advice.pick.runs[0].config["data"], "kind": items.kind})
    else:
        new = items.subset(np.flatnonzero(items.labels < 0))
    if not len(new.ids):
        return []
    path, number = write_label_next(study.path, advice.pick, new)
    if not number:
        return ["No validation item was wrong, so none of the unlabelled items is near a mistake."]
    return [f"Label these {number} next, they lie where it fails: {os.path.relpath(path)}"]


def _next(advice: Advice, study: StudyRecord, items: Items) -> list[str]:
    """The commands that apply the answer."""
    from lab.terminal import command

    config = f"{study.name}-best.yaml"
    run_id = write_best(Path(config), advice.pick, items)
    return [
        f"Train it on all {int((items.labels >= 0).sum()):,} labels, then label new data with it:",
        f"  {command('run', config)}",
        f"  {command('predict', run_id, 'NEW_DATA', '-o', 'out.csv')}",
        "See all of it:",
        f"  {command('report', study.name)}",
    ]


def write_best(path: Path, strategy: Strategy, items: Items) -> str:
    """Write the config that trains a strategy on all labels of `items`; returns the id of the run it will be."""
    from lab.advise.study_file import best_config, write_config
    from lab.config import load
    from lab.runs.plan import Planner

    labelled = int((items.labels >= 0).sum())
    config = best_config(strategy.runs[0].config, labelled)
    write_config(path, config, None, [f"{strategy.label}, on all {labelled:,} labels"])
    (row,) = Planner().rows(load(path))
    (job,) = row.jobs
    assert job is not None, "a config without `choose:` is planned whole"
    return job.id


def _items_of(strategy: Strategy) -> Items:
    """The items that a strategy's runs were trained and judged on."""
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items

    return load_items(LabelledConfig.model_validate(strategy.runs[0].config["data"]))
