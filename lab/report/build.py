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
from lab.report.about import about
from lab.report.autoencoder import AutoencoderPage, autoencoder_page
from lab.report.autoencoder_maps import embedding_maps
from lab.report.dots import Dots
from lab.report.figures import PageFigure, learning_curves, run_figures
from lab.report.finetune import FinetunePage, finetune_page
from lab.report.finetune_answer import Answer
from lab.report.finetune_maps import finetune_maps
from lab.report.maps import MOST_MAPS, build_maps, map_sources
from lab.report.numbers import spoken_label
from lab.report.parts import Parts, parts_of
from lab.report.ranking_groups import EXPERIMENTS as RANKING
from lab.report.ranking_groups import split_groups
from lab.report.ranking_neighbors import SECTION as PAIRS
from lab.report.rankings import RankingsPage, rankings_page
from lab.report.scoreboard import Part, Scoreboard, scoreboard
from lab.report.sections import config_section, data_table, problems
from lab.report.serving import ServingPage, serving_page
from lab.report.spaces import SpacesPage, SpacesSection, spaces_section
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
VIEWER = ("page.js", "tables.js", "data.js", "colors.js", "map.js", "maps.js", "start.js")


@dataclass
class Chapter:
    """What a page says of one kind of rows: answers, figures or a picture of dots, and how sure it is.

    The first chapter of a page is its answer; the others stand beside it under their titles.
    """

    id: str
    title: str
    answers: list[Answer]
    figures: list[PageFigure]
    dots: Dots | None
    certainty: list[str]

    @property
    def picture(self) -> dict[str, Any] | None:
        """The dots for the template, where there is no figure."""
        return self.dots.in_page() if self.dots and not self.figures else None


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
    embeddings: AutoencoderPage | None
    rankings: RankingsPage | None
    serving: ServingPage | None
    chapters: list[Chapter]
    certainty: list[str]
    legend: list[dict[str, Any]]
    curves: list[PageFigure]
    figures: list[Any]
    problems: list[dict[str, str]]
    maps: Any
    spaces: SpacesSection | None
    neighbors: Any
    teach: Any
    data: dict[str, Any]
    config: dict[str, Any]
    colophon: str
    pngs: dict[str, bytes] = field(default_factory=dict)

    @property
    def answer(self) -> Chapter:
        """The first chapter."""
        return self.chapters[0]

    def beside(self, id: str) -> Chapter | None:
        """Another chapter, where the page has it."""
        return next((chapter for chapter in self.chapters[1:] if chapter.id == id), None)


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


def render(page: Page | SpacesPage, template: str = "template.html") -> str:
    """The page as HTML. Only what this module reads from its own folder, and JSON made safe for it, is not escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["about"] = about
    scripts = _scripts()[0 if page.maps else 1 :]
    return environment.get_template(template).render(
        page=page,
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        policy=policy(scripts),
        scripts=[Markup(script) for script in scripts],
        map_data=Markup(page.maps.data) if page.maps else "",
    )


def policy(scripts: list[str]) -> str:
    """A Content-Security-Policy under which only these scripts run, and nothing is fetched from anywhere.

    regl compiles its drawing commands from text, hence 'unsafe-eval' where there are maps.
    """
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]
    allowed = " ".join([*hashes, *(["'unsafe-eval'"] if len(scripts) > 1 else [])])
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


@cache
def _scripts() -> list[str]:
    """What draws the maps, by others, and the viewer."""
    licences = (HERE / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    vendored = "\n".join((HERE / "vendor" / name).read_text(encoding="utf-8") for name in VENDOR)
    viewer = "\n".join((HERE / "viewer" / name).read_text(encoding="utf-8") for name in VIEWER)
    return [f"/*!\n{licences}*/\n{vendored}", f"(function () {{\n'use strict';\n{viewer}}})();"]


def _page(subject: Subject) -> Page:
    rows, settings = spoken_rows(subject.rows), subject.settings
    subject = replace(subject, rows=rows)
    parts = parts_of(rows)
    finetune, embeddings = finetune_page(parts.finetune), autoencoder_page(parts.embeddings)
    serving = serving_page(rows)
    others = [row for row in rows if not _told(row, finetune, embeddings)]
    board = scoreboard(rows, _compared(finetune, embeddings, parts, others))
    sources = map_sources(others, settings.map.color)
    words = [source for source in sources if source.section != PAIRS]
    pairs = [source for source in sources if source.section == PAIRS]
    rankings = rankings_page(rows, pairs, settings.words)
    chapters = _chapters(rows, others, finetune, embeddings, board, rankings)
    tuned = finetune_maps(finetune.groups, finetune.choices, settings.map) if finetune else []
    coded = embedding_maps(embeddings.groups) if embeddings else []
    maps = build_maps([*tuned, *coded, *sources], settings.map, settings.words)
    spaces = spaces_section([*tuned, *coded, *sources])
    folded = [*(finetune.folded if finetune else []), *(embeddings.folded if embeddings else [])]
    drawn = [row for row in rows if row not in folded]
    curves = learning_curves(drawn)
    groups = run_figures([row for row in rows if not embeddings or row not in embeddings.folded], curves)
    figures = [
        *(figure for page in (finetune, embeddings) if page for figure in page.figures),
        *(rankings.figures if rankings else []),
        *(spaces.figures if spaces else []),
        *(serving.figures if serving else []),
        *curves.values(),
        *(figure for group in groups for figure in [*group.figures, *group.more]),
    ]
    pngs = {"answer": chapters[0].dots.png()} if chapters[0].dots and chapters[0].picture else {}
    pngs |= {figure.name: figure.png for figure in figures}
    pngs |= {pane.name: pane.png for pane in (maps.panes if maps else [])}
    return Page(
        version=lab.__version__,
        kicker=f"{subject.kind} · {subject.name}" if subject.title != subject.name else subject.kind,
        title=subject.title,
        question=settings.question,
        facts=_facts(subject),
        board=board,
        finetune=finetune,
        embeddings=embeddings,
        rankings=rankings,
        serving=serving,
        chapters=chapters,
        certainty=list(dict.fromkeys(text for chapter in chapters for text in chapter.certainty)),
        legend=[
            {"label": row.label, "color": i % len(COLORS)}
            for i, row in enumerate(drawn)
            if any(len(run.metrics) > 1 for run in row.runs)
        ],
        curves=list(curves.values()),
        figures=groups,
        problems=problems(subject),
        maps=maps,
        spaces=spaces,
        neighbors=neighbor_tables(words[:MOST_MAPS], settings.words, settings.analogies),
        teach=teach_section(words),
        data=data_table(rows),
        config=config_section(subject),
        colophon=f"Made by lab {lab.__version__} on {datetime.now():%-d %B %Y, %H:%M}. This file needs no network.",
        pngs=pngs,
    )


def _told(row: Row, finetune: FinetunePage | None, embeddings: AutoencoderPage | None) -> bool:
    """Whether a row belongs to one of the pages that have a word of their own for it."""
    return bool(finetune and row in finetune.rows) or bool(embeddings and row in embeddings.rows)


def _compared(
    finetune: FinetunePage | None, embeddings: AutoencoderPage | None, parts: Parts, others: Sequence[Row]
) -> list[Part]:
    """The rows that are compared with each other: a part for each group of labelled tasks, and all others."""
    found: dict[str, list[Row]] = {}
    for group in finetune.groups if finetune else []:
        found.setdefault(group.title, []).extend(entry.row for entry in group.entries)
    grouped = {row.label for part in found.values() for row in part}
    for row in parts.finetune if found else []:
        if row.label not in grouped:
            next(iter(found.values())).append(row)
    compared = [Part(title, rows) for title, rows in found.items()]
    compared += [Part("", embeddings.rows, embeddings.tables)] if embeddings else []
    return compared + _ranked_apart(others)


def _ranked_apart(rows: Sequence[Row]) -> list[Part]:
    """Rows judged under several splits are a part each; everything else is one."""
    groups = split_groups(rows)
    if len(groups) < 2:
        return [Part("", rows)] if rows else []
    grouped = {label for group in groups for label in group.labels}
    rest = [row for row in rows if row.label not in grouped]
    return [*(Part(group.title, group.rows) for group in groups), *([Part("", rest)] if rest else [])]


def _chapters(
    rows: Sequence[Row],
    others: Sequence[Row],
    finetune: FinetunePage | None,
    embeddings: AutoencoderPage | None,
    board: Scoreboard,
    rankings: RankingsPage | None,
) -> list[Chapter]:
    """What the page is about, most important first: fine-tuning, embeddings of pictures, everything else."""
    found = []
    colors = {row.label: place for place, row in enumerate(rows)}
    if finetune:
        certain = [*finetune.certainty, *map(typeset, board.notes)]
        found.append(Chapter("finetune", "Fine-tuning", finetune.answers, finetune.main, board.dots, certain))
    if embeddings:
        dots = embeddings.dots(colors)
        title, certain = "Embeddings of pictures", embeddings.certainty
        found.append(Chapter("embeddings", title, embeddings.answers, embeddings.main, dots, certain))
    if not found and rankings and rankings.by_split:
        answers = [
            Answer("", rankings.sentence),
            *(Answer(place[:1].upper() + place[1:], text) for place, text in board.answers),
        ]
        return [Chapter("beside", "", answers, [rankings.by_split], None, board.certainty)]
    if not found:
        return [Chapter("beside", "", [Answer("", board.answer)], [], board.dots, board.certainty)]
    ranked = [row for row in others if row.experiment in RANKING]
    for id, some in (("beside", [row for row in others if row not in ranked]), ("ranked", ranked)):
        own = scoreboard(some) if some else None
        if own and own.dots:
            found.append(Chapter(id, _called(some), [Answer("", own.answer)], [], own.dots, own.certainty))
    return found


def _called(rows: Sequence[Row]) -> str:
    """A heading for the rows that have no page of their own."""
    words = {"word2vec", "pretrained", "contextual"}
    experiments = {row.experiment for row in rows}
    return "Word embeddings" if experiments & words else "Rankings" if experiments <= set(RANKING) else "Other rows"


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
