"""The configs that come with the package: where they are, what each says of itself, and copies to edit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, nearest

_MINUTES = {"second": 1 / 60, "minute": 1.0, "hour": 60.0}


@dataclass(frozen=True)
class ShippedConfig:
    """One line of `lab list configs`. `minutes` on two cores, None where the config does not say."""

    name: str
    path: Path
    experiment: str
    summary: str
    minutes: float | None


def configs_dir() -> Path:
    """The folder of shipped configs: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise LabError("the shipped configs are missing from this installation; install the package again")


def shipped_names() -> list[str]:
    """`word2vec/skipgram`, …, sorted."""
    folder = configs_dir()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def shipped_like(name: str) -> list[str]:
    """The shipped configs whose name, or its last part, is most like a wrong one; of a folder's name all in it."""
    names = shipped_names()
    stem = name.removesuffix(".yaml").removesuffix(".yml").removesuffix("/")
    if inside := [full for full in names if full.startswith(f"{stem}/")]:
        return inside
    return nearest(stem, names, 1) or [full for full in names if nearest(stem, [full.rsplit("/", 1)[-1]])][:2]


def shipped_configs() -> list[ShippedConfig]:
    """Every shipped config with its summary, by name; none is validated. A study's experiment is "study"."""
    from lab.config.resolve import read_chain

    found = []
    for name in shipped_names():
        path = configs_dir() / f"{name}.yaml"
        summary, minutes = _opening(path.read_text(encoding="utf-8"))
        values = read_chain(path).values
        experiment = "study" if "study" in values else str(values.get("experiment", ""))
        found.append(ShippedConfig(name, path, experiment, summary, minutes))
    return found


def _opening(text: str) -> tuple[str, float | None]:
    """Summary and minutes of the first comment: `# Skip-gram on the Wikipedia sample (about 1 minute).`"""
    for line in text.splitlines():
        comment = line.removeprefix("#").strip()
        if not line.startswith("#"):
            break
        if comment and not comment.startswith("yaml-language-server:"):
            stated = re.search(r"\s*\(([^()]*\b(second|minute|hour)s?)\)\.?$", comment)
            return (comment[: stated.start()] + ".", _minutes(stated[1], stated[2])) if stated else (comment, None)
    return "", None


def _minutes(stated: str, unit: str) -> float:
    number = re.search(r"\d+(\.\d+)?", stated)
    return (float(number[0]) if number else 3.0 if "few" in stated else 1.0) * _MINUTES[unit]
