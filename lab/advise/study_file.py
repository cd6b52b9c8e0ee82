"""The configs that `lab advise` writes: a study over depths, and one that trains what it recommends on all labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.advise.asked import Asked, Request
from lab.advise.effort import PENALTIES, RATES, Effort
from lab.atomic import replacing
from lab.config import to_yaml
from lab.config.yaml_writer import lines_of
from lab.errors import UserError

HEAD = "# Written by: lab "


def study_name(source: str) -> str:
    """`advise-photos` for `../photos/`."""
    stem = re.sub(r"[^\w-]+", "-", Path(source.split(":")[-1].rstrip("/")).stem).strip("-")
    return f"advise-{stem or 'data'}"


def study_config(asked: Asked, effort: Effort, blocks: int, name: str) -> dict[str, Any]:
    """The study: how deep to train, each depth with its own learning rate, the head alone solved exactly."""
    base = _base(asked, effort)
    over: dict[str, Any] = {"seed": list(range(effort.repeats))}
    if asked.folds:  # as many as the data section says, which the command line may have changed
        split = base["data"]["split"]
        over = {"data.split.fold": list(range(split["folds"] * split.get("repeats", 1)))}
    entries: list[dict[str, Any]] = []
    if blocks in effort.depths:
        entries.append({
            "config": {**base, "strategy": {"solver": "lbfgs"}},
            "sweep": {"strategy.frozen_depth": ["all"], **over},
            "choose": {"train.penalty": PENALTIES},
        })  # fmt: skip
    deeper = [_depth(depth, blocks) for depth in effort.depths if depth != blocks]
    if deeper:
        entries.append({
            "config": base,
            "sweep": {"strategy.frozen_depth": deeper, **over},
            "choose": {"train.learning_rate": sorted(RATES[asked.kind][: effort.rates])},
        })  # fmt: skip
    if effort.lp_ft:
        entries.append({
            "config": {**base, "strategy": {"kind": "lp_ft", "frozen_depth": "none"}},
            "sweep": over,
            "choose": {"train.learning_rate": sorted(RATES[asked.kind][: effort.rates])},
        })  # fmt: skip
    title = f"How deep to fine-tune on {name.removeprefix('advise-')}"
    report = {"title": title, "question": f"Which strategy should {asked.labelled:,} labels be given?"}
    controls = {} if asked.controls else {"controls": False}
    return {"name": name, "report": report, **controls, "study": entries}


def best_config(config: Mapping[str, Any], labelled: int) -> dict[str, Any]:
    """A run's settings with nothing held out: what trains a recommended strategy on all `labelled` items.

    `config`: the resolved config of any run of its row. Early stopping, which needs held-out items, is off.
    """
    sections = ("experiment", "data", "backbone", "strategy", "method", "train")
    given = {key: config[key] for key in sections if key in config}
    kept = {key: dict(value) if isinstance(value, Mapping) else value for key, value in given.items()}
    kept["data"]["split"] = {"train": labelled, "validation": 0, "test": 0, "predefined": "ignore"}
    kept["data"] |= {"train_size": None, "per_class": None}
    if "train" in kept:
        kept["train"] |= {"early_stopping": None, "save_weights": True}
    return kept


def write_config(path: Path, config: Mapping[str, Any], request: Request | None, notes: list[str]) -> None:
    """Write a config with the command that made it and `notes` above, whole or not at all."""
    import shlex

    lines = [f"{HEAD}{shlex.join(request.words)}"] if request else []
    text = "\n".join([*lines, *(f"# {note}" for note in notes), _yaml(config)])
    with replacing(path) as file:
        file.write_text(text, encoding="utf-8")


def _yaml(config: Mapping[str, Any]) -> str:
    """The config as YAML, the entries of a study a key a line."""
    text = to_yaml({key: value for key, value in config.items() if key != "study"})
    if "study" not in config:
        return text
    lines = ["study:"]
    indented = ("", "", "")
    for entry in config["study"]:
        for place, key in enumerate(entry):
            lines += [f"  {'- ' if not place else '  '}{key}:", *(line for line, _ in lines_of(entry[key], indented))]
    return "\n".join([text.rstrip(), *lines, ""])


def made_by(path: Path, request: Request) -> bool:
    """Whether a config that is there was written for the same command. Raises `UserError` for any other file."""
    import shlex

    if not path.is_file():
        return False
    first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    if first == f"{HEAD}{shlex.join(request.words)}":
        return True
    if first.startswith(HEAD):
        return False
    raise UserError(f"{path} is there and was not written by lab advise; rename it, or advise from another folder")


def _base(asked: Asked, effort: Effort) -> dict[str, Any]:
    settings = asked.settings
    data = asked.data(effort.folds, effort.repeats)
    train = {"epochs": effort.epochs, "save_weights": False, **settings.get("train", {})}
    return {**settings, "data": data, "train": train}


def _depth(depth: int, blocks: int) -> str | int:
    if depth == 0:
        return "none"
    return f"all-{blocks - depth}" if blocks - depth <= 3 else depth
