"""Errors a person reads. `main` in `lab.cli` prints their one line and exits with their code."""

from __future__ import annotations


class LabError(Exception):
    """Something of ours went wrong: one clear line, exit code 1."""

    exit_code = 1


class UserError(LabError):
    """Something the user can mend: one line that says what, where and what to do, exit code 2."""

    exit_code = 2


class ConfigError(UserError):
    """A mistake in a config: the line names file, line, key, what was expected and the nearest valid value."""


def nearest(wrong: str, valid: list[str] | tuple[str, ...], n: int = 3, cutoff: float = 0.5) -> list[str]:
    """The valid names most like a wrong one, best first (at most `n`; empty where none is alike).

    `cutoff`: how alike is alike, from 0 to 1: higher where the names come from far off the wrong one's place.
    """
    import difflib

    return difflib.get_close_matches(wrong, valid, n=n, cutoff=cutoff)
