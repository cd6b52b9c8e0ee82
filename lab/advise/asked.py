"""What `lab advise` is asked: the labelled data it is given, looked at, and the settings that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.items import Items

BACKBONES = {"image": "efficientnet-lite0", "text": "minilm-l6"}
LEAST_LABELS = 10
"""Fewer cannot be five folds and a test part with both classes in them."""
_LEAST_PIXELS, _STEP = 64, 32


@dataclass(frozen=True)
class Asked:
    """The data and what follows from them.

    `settings`: nested config values (data, backbone and what the command line set), without a split of folds. `folds`:
    whether validation parts are to be drawn as folds; `why`: in a sentence. `controls`: whether simple methods are
    shown for comparison.
    """

    settings: dict[str, Any]
    items: Items
    folds: bool
    why: str
    controls: bool = True

    @property
    def kind(self) -> str:
        """`image` or `text`."""
        return self.items.kind

    @property
    def labelled(self) -> int:
        """How many items have a label."""
        return int((self.items.labels >= 0).sum())

    def data(self, folds: int = 5, repeats: int = 1) -> dict[str, Any]:
        """The data section of a run; `folds` and `repeats` where validation parts are to be folds."""
        given = dict(self.settings["data"])
        split = dict(given.get("split", {}))
        if self.folds:
            split = {"folds": folds, "repeats": repeats, **split}
        return {**given, "split": split} if split else given


@dataclass(frozen=True)
class Request:
    """The command line of `lab advise`."""

    source: str
    text: str | None = None
    label: str | None = None
    minutes: float = 15.0
    jobs: int = 1
    overrides: Sequence[str] = field(default_factory=tuple)

    @property
    def words(self) -> list[str]:
        """The arguments again, as typed; the number of jobs changes nothing that is planned."""
        words = ["advise", self.source]
        for name in ("text", "label"):
            words += [f"--{name}", getattr(self, name)] if getattr(self, name) else []
        words += ["--minutes", f"{self.minutes:g}"] if self.minutes != 15 else []
        return [*words, *self.overrides]


def look(request: Request) -> Asked:
    """Read the data and settle what can be settled without training.

    Raises:
        UserError: data that cannot be read, are not labelled, or an override that no config has.
    """
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items
    from lab.runs.built_on import PREFIX

    settings = _settings(request)
    controls = bool(settings.pop("controls", True))
    config = LabelledConfig.model_validate(_checked(request)["data"])
    items = load_items(config)
    labelled = int((items.labels >= 0).sum())
    if not labelled:
        raise UserError(
            f"{request.source}: no labels; advice needs them (one folder or text file a class, or --label COLUMN)"
        )
    if labelled < LEAST_LABELS:
        raise UserError(
            f"{request.source}: {labelled} labels; advice needs at least {LEAST_LABELS} to train, choose and test with"
        )
    backbone = settings.setdefault("backbone", {})
    backbone.setdefault("name", BACKBONES[items.kind])
    own_size = "image_size" in backbone or str(backbone["name"]).startswith(PREFIX)  # as it was trained
    if items.kind == "image" and not own_size and (size := _pixels(items)):
        backbone["image_size"] = size
    folds, why = _split(settings["data"].get("split", {}), items, labelled)
    return Asked(settings, items, folds, why, controls)


def _settings(request: Request) -> dict[str, Any]:
    from lab.config.resolve import parse_override

    settings = _without_overrides(request)
    for override in map(parse_override, request.overrides):
        if override.target or override.path[0] not in ("data", "backbone", "train", "controls"):
            raise UserError(
                f"{override.text}: advice finds that out itself; give keys of data, backbone, train, or controls=false"
            )
        inner = settings
        for part in override.path[:-1]:
            inner = inner.setdefault(part, {})
        inner[override.path[-1]] = override.value
    return settings


def _without_overrides(request: Request) -> dict[str, Any]:
    data: dict[str, Any] = {"source": request.source}
    data |= {name: value for name in ("text", "label") if (value := getattr(request, name))}
    return {"experiment": "finetune", "data": {**data, "duplicates": "remove"}}


def _checked(request: Request) -> dict[str, Any]:
    """All values; a mistake in an override is told as one of the command line."""
    from lab.config import load

    return load(_without_overrides(request), request.overrides).cells[0].values


def _pixels(items: Items) -> int | None:
    """A size for small pictures, a multiple of 32 not far above their own; None: the size of the pretraining."""
    import numpy as np

    assert items.images is not None
    side = float(np.median(items.images.sides))
    size = max(_LEAST_PIXELS, _STEP * int(np.ceil(side / _STEP)))
    return size if size < 224 else None


def _split(given: Mapping[str, Any], items: Items, labelled: int) -> tuple[bool, str]:
    """Whether folds are drawn, and why."""
    from lab.data.labelled.check import FEW_LABELS

    parts = set() if items.predefined is None or given.get("predefined") == "ignore" else set(items.predefined)
    if "validation" in parts:
        instead = " (data.split.predefined=ignore draws folds instead)" if labelled < FEW_LABELS else ""
        return False, f"the data say themselves who trains, who validates and who tests{instead}"
    if given.get("folds"):
        return True, f"{given['folds']} folds, as asked for"
    if given.get("time"):
        return False, f"by {given['time']}: earlier items train, the latest test"
    if labelled < FEW_LABELS:
        return True, (
            f"folds, as {labelled:,} labels are few: one validation part would leave too few items to choose by, "
            "and the choice would rest on who happened to be in it"
        )
    return False, f"one validation part, as {labelled:,} labels are enough for one"
