"""Short readable names for the rows of a study: `architecture=cbow`."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.config import Cell

_NOT_IN_A_LABEL = {"experiment", "seed", "name", "report", "tracker"}
_REPEATED = {"data.split.seed", "data.split.fold"}
_LONGEST_VALUE = 40
_MOST_KEYS = 3


def row_key(entry: int, row: Mapping[str, Any]) -> str:
    """What the cells of one row share: the entry of the study and the swept values, the replicates' apart."""
    return json.dumps([entry, dict(row)], sort_keys=True, default=str)


def row_labels(cells: Sequence[Cell]) -> list[str]:
    """One label a cell, the same for all replicates of a row and different between rows.

    It names the swept keys in their shortest form that is clear, or as their recipe speaks of them. Where these do not
    tell two rows apart (rows of two entries without a sweep), up to three other values that differ follow; then a
    number. In front stands the name of a control, that which an entry's config gives itself, or the title of its
    recipe; for the others the experiment, where a study has several and no recipe speaks.
    """
    keys = [row_key(cell.entry, cell.row) for cell in cells]
    rows: dict[str, Cell] = {}
    for key, cell in zip(keys, cells, strict=True):
        rows.setdefault(key, cell)
    spoken = {key: _spoken(rows, cell, cell.row) for key, cell in rows.items()}
    labels = _swept(rows, _short, spoken)
    for key, differ in _differing_keys(rows).items():
        if not labels[key] and not rows[key].control:  # an entry without a sweep, in the words of its recipe
            spoken[key] = _spoken(rows, rows[key], differ)
            labels[key] = _listed(spoken[key].values())
    names = _own_names(rows)
    titles = {
        key: "" if cell.control or names[key] else title_of(cell.experiment, cell.config) for key, cell in rows.items()
    }
    labels = {key: _titled(titles[key], label) for key, label in labels.items()}
    for key in _shared({key: f"{rows[key].control}{label}" for key, label in labels.items()}):
        labels[key] = _titled(titles[key], _swept(rows, _full, {})[key])
    fronts = _fronts(rows, names, {key for key in rows if spoken[key] or titles[key]})
    comma = {key: "," if cell.control and labels[key] else "" for key, cell in rows.items()}
    labels = {key: _joined(f"{fronts[key]}{comma[key]}", label) for key, label in labels.items()}
    shared = _shared(labels) if len(rows) > 1 else []
    alike = {label: {key: rows[key] for key in shared if labels[key] == label} for label in labels.values()}
    labels |= {key: _joined(labels[key], _differing(alike[labels[key]])[key]) for key in shared}
    labels = {key: label or rows[key].experiment for key, label in labels.items()}
    for number, key in enumerate(_shared(labels), start=1):
        labels[key] = f"{labels[key]} #{number}"
    return [labels[key] for key in keys]


def _own_names(rows: Mapping[str, Cell]) -> dict[str, str]:
    """The name that each row's config gives itself; one name for all is the study's, and nobody's own."""
    names = {key: "" if cell.control else str(cell.values.get("name") or "") for key, cell in rows.items()}
    given = {names[key] for key, cell in rows.items() if not cell.control}
    return names if len(given) > 1 else dict.fromkeys(rows, "")


def _fronts(rows: Mapping[str, Cell], names: Mapping[str, str], told: Container[str]) -> dict[str, str]:
    """What stands in front of each row's values: a control's or its config's own name, or its experiment where there
    are several and no words of its recipe tell it."""
    several = len({cell.experiment for cell in rows.values() if not cell.control}) > 1
    return {
        key: cell.control or names[key] or (cell.experiment if several and key not in told else "")
        for key, cell in rows.items()
    }


def _titled(title: str, label: str) -> str:
    """What a row is, before what it sweeps; what the two have in common is said once."""
    said = label.split(", ")
    return ", ".join(part for part in (*(p for p in title.split(", ") if p not in said), label) if part)


def _spoken(rows: Mapping[str, Cell], cell: Cell, values: Mapping[str, Any]) -> dict[str, str]:
    """Those of the values of which the recipe speaks in its own words; of a control also another recipe of the rows."""
    from lab.config import load_recipe

    names = dict.fromkeys([cell.experiment, *(other.experiment for other in rows.values() if cell.control)])
    words: dict[str, str] = {}
    for speak in [load_recipe(name).spoken for name in names]:
        for key, value in values.items() if speak else ():
            with suppress(Exception):  # a label is a courtesy; what is wrong is said where it is planned
                if speak and key not in words and (text := speak(key, value, cell.config)) is not None:
                    words[key] = text
    return words


def title_of(experiment: str, config: Any) -> str:
    """What a row is, as its recipe speaks of the whole of it; "" where it does not.

    `config`: the recipe's, or plain values of it.
    """
    from lab.config import load_recipe

    with suppress(Exception):  # a label is a courtesy
        recipe = load_recipe(experiment)
        if recipe.title:
            return recipe.title(recipe.config.model_validate(config) if isinstance(config, Mapping) else config)
    return ""


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """The shortest ending of each dotted key that no other key has: `model.window` → `window`."""
    keys = list(dict.fromkeys(keys))
    names = {}
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        names[key] = next(e for e in endings if e == key or not any(_ends_with(k, e) for k in keys if k != key))
    return names


def describe_values(
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    text_of: Callable[[Any], str] | None = None,
) -> str:
    """`{"model.window": 5, "train.learning_rate": 0.001}` → `window=5, learning_rate=0.001`."""
    names = short_names(values) if names is None else names
    text_of = text_of or _short
    return ", ".join(f"{names[key]}={text_of(value)}" for key, value in values.items())


def _swept(
    rows: Mapping[str, Cell], text_of: Callable[[Any], str], spoken: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    names = short_names(key for cell in rows.values() for key in cell.row)
    labels = {}
    for key, cell in rows.items():
        said = spoken.get(key, {})
        labels[key] = _listed(said.get(k, describe_values({k: v}, names, text_of)) for k, v in cell.row.items())
    return labels


def _differing(rows: Mapping[str, Cell]) -> dict[str, str]:
    """The values a row does not sweep in which the rows of its experiment differ; "" where these are many."""
    found = _differing_keys(rows)
    names = short_names(key for values in found.values() for key in values)
    few = {key: values if len(values) <= _MOST_KEYS else {} for key, values in found.items()}
    return {key: describe_values(values, names) for key, values in few.items()}


def _differing_keys(rows: Mapping[str, Cell]) -> dict[str, dict[str, Any]]:
    """By row the keys, with its values, in which the rows of its experiment differ and which it does not sweep."""
    found: dict[str, dict[str, Any]] = {}
    for experiment in {cell.experiment for cell in rows.values()}:
        flat = {key: _flat(cell.values) for key, cell in rows.items() if cell.experiment == experiment}
        names = dict.fromkeys(name for values in flat.values() for name in values)
        differ = [name for name in names if len({_full(v.get(name)) for v in flat.values()}) > 1]
        for key, values in flat.items():
            own = rows[key].row
            others = [n for n in differ if not any(n == s or n.startswith(f"{s}.") for s in own)]
            found[key] = {name: values.get(name) for name in others}
    return found


def _shared(labels: Mapping[str, str]) -> list[str]:
    """Keys whose label is empty or another key's too."""
    given = list(labels.values())
    return [key for key, label in labels.items() if not label or given.count(label) > 1]


def _listed(parts: Iterable[str]) -> str:
    """What is said, each once: a recipe may say the same of two keys, or nothing of one."""
    return ", ".join(dict.fromkeys(part for part in parts if part))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if before or key not in _NOT_IN_A_LABEL:
            if isinstance(value, Mapping):
                flat |= _flat(value, f"{before}{key}.")
            elif f"{before}{key}" not in _REPEATED:
                flat[f"{before}{key}"] = value
    return flat


def _ends_with(key: str, ending: str) -> bool:
    return key == ending or key.endswith(f".{ending}")


def _full(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if "/" in text and isinstance(value, str):
        text = text.rstrip("/").rsplit("/", 1)[-1]
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
