"""`build`: one self-contained HTML file from a study or from runs, and its figures as PNG beside it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lab
from lab.report.dots import dot_picture, dot_png
from lab.report.figures import PageFigure, learning_curves, run_figures
from lab.report.finetune import FinetunePage, finetune_page
from lab.report.finetune_maps import finetune_maps
from lab.report.finetune_rows import split_rows
from lab.report.maps import MOST_MAPS, build_maps, map_sources
from lab.report.numbers import spoken_label
from lab.report.scoreboard import Scoreboard, scoreboard
from lab.report.sections import config_section, data_table, problems
from lab.report.style import COLORS
from lab.report.subject import Subject, subject_of
from lab.report.teach import teach_section
from lab.report.text import count, file_names, short, typeset
from lab.report.words import neighbor_tables
from lab.runs.files import write_atomic

if TYPE_CHECKING:
    from lab.runs.study import Row

HERE = Path(__file__).parent
LONGEST_LABEL = 120
_BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # they would turn the sentence around a label
VENDOR = ("regl.min.js", "pub-sub-es.js", "regl-scatterplot.min.js")


@dataclass
class Beside:
    """What a page about fine-tuning says of its other rows: their own answer and picture."""

    title: str
    answer: str
    picture: dict[str, Any] | None


@dataclass
class Page:
    """Everything that template.html shows; the names are the template's."""

    version: str
    kicker: str
    title: str
    question: str | None
    facts: str
    board: Scoreboard
    finetune: FinetunePage | None
    beside: Beside | None
    picture: dict[str, Any] | None
    legend: list[dict[str, Any]]
    curves: list[PageFigure]
    figures: list[Any]
    problems: list[dict[str, str]]
    maps: Any
    neighbors: Any
    teach: Any
    data: dict[str, Any]
    config: dict[str, Any]
    colophon: str
    pngs: dict[str, bytes] = field(default_factory=dict)


def build(target: Any, out: str | Path | None = None) -> Path:
    """Write the report of a study, a run, or a list of runs, and return the path of the HTML file.

    `target`: a `StudyRecord`, a `Run`, a reference to either (name, path, id prefix, `last`), or a list of runs and
    references to runs. `out`: the file to write; by default report.html in the folder of the study or run (of the
    current folder for several runs). The figures go as PNG into figures/ beside report.html, into NAME-figures/ beside
    any other NAME.html. Nothing is left half-written. Raises `UserError` where the target names nothing.
    """
    subject = subject_of(target)
    path = Path(out) if out else subject.folder / "report.html"
    page = _page(subject)
    folder = path.parent / ("figures" if path.stem == "report" else f"{path.stem}-figures")
    names = file_names(page.pngs)
    for name, png in page.pngs.items():
        write_atomic(folder / f"{names[name]}.png", png)
    write_atomic(path, render(page).encode("utf-8", "replace"))
    return path


def render(page: Page) -> str:
    """The page as HTML. Only what this module reads from its own folder, and JSON made safe for it, is not escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    scripts = _scripts() if page.maps else []
    return environment.get_template("template.html").render(
        page=page,
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        policy=policy(scripts),
        scripts=[Markup(script) for script in scripts],
        map_data=Markup(page.maps.data) if page.maps else "",
    )


def policy(scripts: list[str]) -> str:
    """A Content-Security-Policy under which only these scripts run, and nothing is fetched from anywhere.

    regl compiles its drawing commands from text, hence 'unsafe-eval'.
    """
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]
    allowed = " ".join([*hashes, "'unsafe-eval'"]) if scripts else "'none'"
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


@cache
def _scripts() -> list[str]:
    licences = (HERE / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    vendored = "\n".join((HERE / "vendor" / name).read_text(encoding="utf-8") for name in VENDOR)
    return [f"/*!\n{licences}*/\n{vendored}", (HERE / "viewer.js").read_text(encoding="utf-8")]


def _page(subject: Subject) -> Page:
    rows, settings = spoken_rows(subject.rows), subject.settings
    subject = replace(subject, rows=rows)
    labelled, others = split_rows(rows)
    finetune = finetune_page(labelled) if labelled else None
    others = others if finetune else rows
    board = scoreboard(rows, _parts(finetune, rows, others))
    sources = map_sources(others)
    drawn = [*(finetune_maps(finetune.groups, finetune.choices) if finetune else []), *sources]
    maps = build_maps(drawn, settings.map, settings.words)
    drawn_rows = [row for row in rows if not finetune or row not in finetune.folded]
    curves = learning_curves(drawn_rows)
    groups = run_figures(rows, curves)
    pngs = {
        figure.name: figure.png for figure in [*curves.values(), *(f for g in groups for f in [*g.figures, *g.more])]
    }
    pngs |= {pane.name: pane.png for pane in (maps.panes if maps else [])}
    beside: Beside | None = None
    picture: dict[str, Any] | None = None
    if finetune:
        pngs = {figure.name: figure.png for figure in finetune.figures} | pngs
        board.answer = " ".join(map(str, finetune.answers))
        board.certainty = [*finetune.certainty, *map(typeset, board.notes)]
        if others:
            own = scoreboard(others)
            beside = _beside(own)
            board.certainty += own.certainty
    if board.measured and not (finetune and finetune.main):
        picture = dot_picture(board.picture_title, board.measured, board.picture_caption)
        pngs = {"answer": dot_png(board.picture_title, board.measured), **pngs}
    return Page(
        version=lab.__version__,
        kicker=f"{subject.kind} · {subject.name}" if subject.title != subject.name else subject.kind,
        title=subject.title,
        question=settings.question,
        facts=_facts(subject),
        board=board,
        finetune=finetune,
        beside=beside,
        picture=picture,
        legend=[
            {"label": row.label, "color": i % len(COLORS)}
            for i, row in enumerate(drawn_rows)
            if any(len(run.metrics) > 1 for run in row.runs)
        ],
        curves=list(curves.values()),
        figures=groups,
        problems=problems(subject),
        maps=maps,
        neighbors=neighbor_tables(sources[:MOST_MAPS], settings.words, settings.analogies),
        teach=teach_section(sources),
        data=data_table(rows),
        config=config_section(subject),
        colophon=f"Made by lab {lab.__version__} on {datetime.now():%-d %B %Y, %H:%M}. This file needs no network.",
        pngs=pngs,
    )


def _parts(finetune: FinetunePage | None, rows: Sequence[Row], others: Sequence[Row]) -> dict[str, Sequence[Row]]:
    """The rows that are compared with each other: a part for each group of labelled tasks, and all others."""
    if finetune is None:
        return {"": rows}
    parts: dict[str, list[Row]] = {}
    for group in finetune.groups:
        parts.setdefault(group.title, []).extend(entry.row for entry in group.entries)
    grouped = {row.label for part in parts.values() for row in part}
    for row in rows:
        if row.label not in grouped and row not in others:
            next(iter(parts.values())).append(row)
    rest = {" " if "" in parts else "": list(others)} if others else {}
    return {**parts, **rest}


def _beside(board: Scoreboard) -> Beside | None:
    """The answer of the rows that are not about fine-tuning; None where nothing of theirs was measured."""
    if not board.measured:
        return None
    picture = dot_picture(board.picture_title, board.measured, board.picture_caption)
    return Beside("Word embeddings", board.answer, picture)


def spoken_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows under labels as people say them (`word2vec skip-gram`), short, all different, and safe in a sentence."""
    labels: list[str] = []
    for row in rows:
        label = short(_BIDI.sub("\ufffd", spoken_label(row.label)), LONGEST_LABEL)
        label = short(_BIDI.sub("\ufffd", row.label), LONGEST_LABEL) if label in labels else label
        labels.append(f"{label} #{len(labels) + 1}" if label in labels else label)
    return [replace(row, label=label) for row, label in zip(rows, labels, strict=True)]


def _facts(subject: Subject) -> str:
    planned = sum(row.planned for row in subject.rows)
    done = sum(len(row.runs) for row in subject.rows)
    runs = f"{done} of {count(planned, 'run')} finished" if done < planned else f"{count(planned, 'run')}, all finished"
    counted = {row.counted or count(row.planned, row.over) for row in subject.rows}
    each = f" × {counted.pop()}" if len(counted) == 1 and subject.rows[0].planned > 1 else ""
    return f"{count(len(subject.rows), 'row')}{each} · {runs} · {datetime.now():%-d %B %Y}"
