"""`lab advise --without-training`: what each block's features promise, and how well that predicted a study's ranking.

LogME (You et al. 2021), H-score (Bao et al. 2019), and linear and nearest-neighbour probes need nothing but features
and labels; LEEP (Nguyen et al. 2020) and NCE (Tran et al. 2019) need the classifier of the pretraining too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lab.advise.asked import Request, look
from lab.errors import LabError, UserError

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.evaluation.transferability import Transferability
    from lab.runs.study import Row, StudyRecord
    from lab.training.cache.prefix_cache import PrefixCache

MOST_ITEMS = 2000
"""Of more labelled items a seeded sample of this size speaks for all."""
NAMES = {"logme": "LogME", "h_score": "H-score", "linear": "linear probe", "knn": "nearest neighbours"}
ON_REQUEST = ("leep", "nce")


@dataclass(frozen=True)
class BlockScores:
    """What the pooled features of block `number` (from 1) promise."""

    number: int
    name: str
    scores: Transferability


def look_without_training(request: Request, scores: str = "") -> list[str]:
    """The scores of every block as lines of text, and for a study how well they ranked its rows.

    `scores`: more of them, `leep`, `nce` or both with a comma. The test items are not looked at.
    Raises `UserError` for data that cannot be read, unknown scores, and a network without the classifier they need.
    """
    from lab.advise import is_study
    from lab.runs.refs import load_study

    more = _more_scores(scores)
    study = load_study(request.source) if is_study(request.source) else None
    settings = _settings_of(study) if study else look(request)
    if not isinstance(settings, dict):
        settings = {**settings.settings, "data": settings.data()}
    task, cache, index = _open(settings)
    labels = task.items.labels[index]
    blocks = block_scores(cache, index, labels)
    lines = [f"{task.items.description}: {len(index):,} labelled items, those kept for testing apart", ""]
    lines += _table(blocks)
    lines += _best(blocks)
    lines += [
        f"{name.upper()} of the pretrained classifier: {value:.3f}"
        for name, value in _pretrained(cache, index, labels, more)
    ]
    if study:
        lines += ["", *_agreements(study, blocks)]
    return lines


def block_scores(cache: PrefixCache, index: np.ndarray, labels: np.ndarray) -> list[BlockScores]:
    """The scores of every block of a backbone, from features computed in one pass over the items `index` (m,) int64.

    `labels` (m,) int64.
    """
    from lab.evaluation.transferability import transferability

    names = cache.backbone.block_names
    cache.fill((), index, pooled=range(len(names)))
    return [
        BlockScores(block + 1, name, transferability(cache.pooled(block, index), labels))
        for block, name in enumerate(names)
    ]


def _more_scores(given: str) -> list[str]:
    names = [name.strip().lower() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in ON_REQUEST:
            raise UserError(f"--scores {name}: expected {' or '.join(ON_REQUEST)}, or both with a comma")
    return names


def _settings_of(study: StudyRecord) -> dict[str, Any]:
    """The config of the first run that has a backbone."""
    for row in study.rows():
        for run in row.runs:
            if not row.control and "backbone" in run.config:
                return {key: run.config[key] for key in ("experiment", "data", "backbone")}
    raise UserError(f"study {study.name}: no finished run has a backbone whose features could be looked at")


def _open(settings: dict[str, Any]) -> tuple[Task, PrefixCache, np.ndarray]:
    """The task, the backbone's cache over its items, and which items are looked at: labelled ones, not for testing."""
    import numpy as np

    from lab.classify import load_task
    from lab.config import load
    from lab.frozen import open_backbone, open_cache

    config: Any = load(settings).cells[0].config
    task = load_task(config.data, config.seed)
    index = np.union1d(task.split.train, task.split.validation)
    if len(index) > MOST_ITEMS:
        index = np.sort(np.random.default_rng(0).choice(index, MOST_ITEMS, replace=False))
    return task, open_cache(open_backbone(config.backbone), task.items, config.train), index


def _table(blocks: Sequence[BlockScores]) -> list[str]:
    from lab.terminal import columns

    rows = []
    for block in blocks:
        found = block.scores
        shares = (f"{found.linear:.3f}", f"{found.knn:.3f}")
        rows.append((block.number, block.name, f"{found.logme:.3f}", f"{found.h_score:.3f}", *shares))
    return columns(rows, ("block", "name", *NAMES.values())).splitlines()


def _best(blocks: Sequence[BlockScores]) -> list[str]:
    """Where the labels are easiest to read off."""
    best, last = max(blocks, key=lambda block: block.scores.linear), blocks[-1]
    lines = [f"Easiest to tell apart after block {best.number} ({best.name}): linear probe {best.scores.linear:.3f}."]
    if best.number < last.number and best.scores.linear > last.scores.linear + 0.01:
        above = last.number - best.number
        what = "The block above it loses" if above == 1 else f"The {above} blocks above it lose"
        lines.append(f"{what} what this task needs and may be worth training.")
    return ["", *lines]


def _pretrained(
    cache: PrefixCache, index: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> list[tuple[str, float]]:
    if not names:
        return []
    import numpy as np
    from scipy.special import softmax

    from lab.evaluation.transferability import leep, nce

    weight, bias = _pretrained_classifier(cache)
    chances = softmax(cache.pooled(None, index).astype(np.float64) @ weight.T + bias, axis=1)
    values = {"leep": lambda: leep(chances, labels), "nce": lambda: nce(chances.argmax(axis=1), labels)}
    return [(name, values[name]()) for name in names]


def _pretrained_classifier(cache: PrefixCache) -> tuple[np.ndarray, np.ndarray]:
    """Weight (classes, d) and bias (classes,) that the backbone's own features were classified with in pretraining."""
    import numpy as np

    from lab.backbones import find_backbone
    from lab.models.weight_files import read_tensors

    name, width = cache.backbone.name, cache.backbone.feature_dim
    file = find_backbone(name).weights
    tensors = list(read_tensors(file, name).values()) if file else []
    fitting = [
        (weight, bias)
        for weight, bias in pairwise(tensors)
        if weight.ndim == 2 and weight.shape[1] == width and bias.shape == weight.shape[:1]
    ]
    if not fitting:
        raise UserError(
            f"{name} comes without the classifier of its pretraining, which LEEP and NCE need; leave out --scores"
        )
    weight, bias = fitting[-1]
    return np.asarray(weight), np.asarray(bias)


def _agreements(study: StudyRecord, blocks: Sequence[BlockScores]) -> list[str]:
    """How well each score of the last frozen block predicted the validation ranking of the study's rows."""
    from lab.evaluation.transferability import ranking_agreements

    known = {block.number: block.scores.to_dict() for block in blocks}
    rows = [found for row in study.rows() if not row.control and (found := _frozen(row)) and found[0] in known]
    if len(rows) < 3:
        return ["Fewer than three rows of the study freeze a block, so there is no ranking that could be predicted."]
    scores = {name: [known[frozen][name] for frozen, _ in rows] for name in NAMES}
    agreements = ranking_agreements(scores, [value for _, value in rows])
    lines = [
        f"How well each score of the last frozen block ranked the {len(rows)} rows of {study.name} that freeze one "
        "(Kendall's tau against validation accuracy; 1: the same ranking, 0: chance):"
    ]
    for name, agreement in sorted(agreements.items(), key=lambda item: -_number(item[1].kendall)):
        lines.append(f"  {NAMES[name]}: {agreement.kendall:+.2f} (p {agreement.p_value:.2f})")
    return lines


def _frozen(row: Row) -> tuple[int, float] | None:
    """How many blocks a row froze, and its mean primary validation value."""
    values, frozen = [], None
    for run in row.runs:
        results = run.results
        own = results[(results["split"] == "validation") & results["primary"].astype(bool)]
        try:
            frozen = int(run.json("finetune")["depth"]["frozen"])
        except (LabError, KeyError, TypeError):
            return None
        values += own["value"].tolist()[:1]
    return (frozen, sum(values) / len(values)) if values and frozen is not None else None


def _number(value: float) -> float:
    return value if value == value else -2.0
