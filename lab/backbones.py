"""Finding a backbone by its name in a config: a pretrained network, or the encoder that an earlier run trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import UserError
from lab.runs.built_on import PREFIX

if TYPE_CHECKING:
    from lab.data.backbones import BackboneLocation
    from lab.runs.run import Run
    from lab.training.config import BackboneConfig


def find_backbone(name: str) -> BackboneLocation:
    """Where a backbone is, without loading it: as `locate_backbone` finds it, or `run:REF`, a run's encoder.

    REF: see `lab.runs.refs.load_run`. A run that a study is about to make is known by its config; it has no weights
    yet. The fingerprint of a run's encoder is that of the run, whose id stands for all that decides its weights.
    Raises `UserError` where there is nothing of that name, and for a run of which nothing can be a backbone.
    """
    if not name.startswith(PREFIX):
        from lab.data.backbones import locate_backbone

        return locate_backbone(name)
    try:
        return _of_run(name)
    except UserError as error:
        raise UserError(f"backbone {name!r}: {error}") from error


def block_names(config: BackboneConfig) -> tuple[str, ...]:
    """The names of a backbone's blocks, in order, without its weights; noted, as to ask its library takes seconds.

    Raises `UserError` where it is not found or no blocks are found in it.
    """
    from importlib.metadata import version

    from lab import __version__
    from lab.cache import cached_folder
    from lab.data.fingerprint import digest

    location = find_backbone(config.name)
    library = location.library if location.library == "run" else f"{location.library} {version(location.library)}"
    key = digest(location.fingerprint, library, str(config.image_size), json.dumps(config.blocks), __version__)

    def ask(folder: Path) -> None:
        from lab.models.block_facts import block_names_of

        names = block_names_of(location, image_size=config.image_size, blocks=config.blocks)
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")

    return tuple(json.loads((cached_folder("blocks", key, ask) / "names.json").read_text(encoding="utf-8")))


def _of_run(name: str) -> BackboneLocation:
    from lab.config import load_recipe
    from lab.data.backbones import BackboneLocation
    from lab.data.fingerprint import digest
    from lab.runs.built_on import PlannedRun, find_run

    run = find_run(name.removeprefix(PREFIX).strip())
    recipe = load_recipe(run.experiment)
    if recipe.backbone is None:
        raise UserError(f"a run of {run.experiment} leaves no network that can be a backbone; one of {_who_can()} does")
    network: Mapping[str, Any]
    if isinstance(run, PlannedRun):
        network, weights = recipe.backbone(run.config), None
    else:
        network, weights = run.json(run.experiment), _weights(run)
    if network["architecture"]["kind"] == "backbone":
        raise UserError("its encoder is a backbone of its own; name that one")
    return BackboneLocation(
        name=name,
        source=run.experiment,
        fingerprint=digest("run", run.id),
        local=True,
        library="run",
        weights=weights,
        network={key: network[key] for key in ("architecture", "objective", "spoken")},
    )


def _weights(run: Run) -> str:
    if not any(
        name.startswith(run.experiment) and name.endswith(".safetensors") for name in run.contents().get("model", [])
    ):
        raise UserError(f"run {run.id} kept no weights; do it again with train.save_weights=true and --rerun")
    return str(run.tensor_file(run.experiment))


def _who_can() -> str:
    from lab.config import load_recipe, recipes

    return ", ".join(name for name in recipes() if load_recipe(name).backbone is not None) or "none that is installed"
