"""Numbers and names in the sentences and tables of a comparison."""

from __future__ import annotations

import math
import re

_NAMES = {
    "accuracy_3cosmul": "accuracy (3CosMul)",
    "auroc": "AUROC",
    "cbow": "CBOW",
    "hit": "hit rate",
    "map": "MAP",
    "mrr": "MRR",
    "mse": "mean squared error",
    "ndcg": "nDCG",
    "neighbor_purity": "neighbour purity",
    "pearson": "Pearson",
    "psnr": "PSNR (dB)",
    "questions-words": "Google analogies",
    "simlex999": "SimLex-999",
    "skipgram": "skip-gram",
    "spearman": "Spearman",
    "ssim": "SSIM",
    "wordsim353": "WordSim-353",
}
_SKIPPED = "_skipped"
_MOST_DECIMALS = 6


def spoken(name: str) -> str:
    """An evaluation's or metric's name as people write it: `wordsim353` → `WordSim-353`, `ndcg@10` → `nDCG@10`."""
    if name.endswith(_SKIPPED):
        return f"{spoken(name.removesuffix(_SKIPPED))}, missing words skipped"
    name, at, cutoff = name.partition("@")
    return f"{_NAMES.get(name, name.replace('_', ' '))}{at}{cutoff}"


def judge_noun(evaluation: str) -> str:
    """What a score of this evaluation is of: `test user` of a ranking, else `test item`."""
    return "test user" if evaluation == "ranking" else "test item"


def spoken_label(label: str) -> str:
    """A row's label as the subject of a sentence: `word2vec architecture=skipgram` → `word2vec skip-gram`.

    `trains all 9 blocks` → `training all 9 blocks`; others stay as they are.
    """

    def replaced(found: re.Match[str]) -> str:
        return _NAMES.get(found["value"], found[0])

    label = re.sub(r"^trains\b", "training", label)
    return _NAMES.get(label) or re.sub(r"[\w.]+=(?P<value>[\w-]+)", replaced, label)


def sentence(text: str) -> str:
    """The text with a capital at its start where that is a word of ours."""
    first = text.partition(":")[0]
    return text[:1].upper() + text[1:] if first in _NAMES.values() else text


def digits_for(low: float | None, high: float | None) -> int:
    """Decimals for a value with this interval: two significant digits of the interval's width, 3 where it has none."""
    width = (high - low) if low is not None and high is not None else 0.0
    if not math.isfinite(width) or width < 1e-9:
        return 3
    return min(max(1 - math.floor(math.log10(width)), 0), _MOST_DECIMALS)


def plain(value: float, decimals: int) -> str:
    """`.36`, `-.02`, `4.21`, `12,480`: no zero before the point, no minus before a zero, a dash for no number."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return re.sub(r"^(-?)0\.", r"\1.", text)


def with_interval(value: float, low: float | None, high: float | None, decimals: int | None = None) -> str:
    """`.36 [.27, .45]`, with as many digits as the interval allows; the value alone where there is none."""
    decimals = digits_for(low, high) if decimals is None else decimals
    if low is None or high is None:
        return plain(value, decimals)
    return f"{plain(value, decimals)} [{plain(low, decimals)}, {plain(high, decimals)}]"


def as_given(number: float) -> str:
    """A margin or a level as it was given: `.01`."""
    return re.sub(r"^0\.", ".", f"{number:g}")
