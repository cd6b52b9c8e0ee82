"""Which experiments there are: the entry points of the group `lab.experiments`, imported one at a time."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lab.config.places import did_you_mean, either, one_line
from lab.errors import ConfigError, LabError, UserError, nearest
from lab.experiment import Recipe

GROUP = "lab.experiments"


@cache
def recipes() -> dict[str, EntryPoint]:
    """Every installed recipe by name, none imported. Raises `UserError` where two packages claim one name."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UserError(
                f"experiment {point.name!r} is claimed by {_package(other)} ({other.value}) and {_package(point)} "
                f"({point.value}); uninstall one of them"
            )
    return found


def load_recipe(name: str) -> Recipe:
    """Import one recipe.

    Raises `ConfigError` for an unknown name, `UserError` where it cannot be imported, `LabError` where the entry
    point is no recipe.
    """
    if (point := recipes().get(name)) is None:
        raise ConfigError(unknown_experiment(name))
    where = f"experiment {name!r} ({point.value}, from {_package(point)})"
    try:
        recipe = point.load()
    except Exception as error:
        raise UserError(one_line(f"{where} cannot be imported: {type(error).__name__}: {error}")) from error
    if not isinstance(recipe, Recipe) or recipe.name != name:
        raise LabError(f"{where} is not a lab.experiment.Recipe of that name; mend its package")
    return recipe


def unknown_experiment(name: object) -> str:
    """What to say of a name that no recipe has."""
    names = sorted(recipes())
    expected = f"expected {either(map(repr, names))}" if names else "no experiment is installed"
    return f"experiment is {name!r}; {expected}{did_you_mean([repr(near) for near in nearest(str(name), names, 1)])}"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown package"
