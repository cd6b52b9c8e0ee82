"""The viewer's JavaScript is checked by TypeScript's compiler, from its JSDoc types."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.report import build

VIEWER = Path(build.__file__).parent / "viewer"
OPTIONS = ["--allowJs", "--checkJs", "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"]


def test_all_files_stand_in_the_page_and_stay_short():
    assert sorted(build.VIEWER) == sorted(path.name for path in VIEWER.glob("*.js"))
    assert all(len(path.read_text().splitlines()) < 250 for path in VIEWER.iterdir())
    together = build._scripts()[1]
    assert together.startswith("(function () {\n'use strict';")
    assert "innerHTML" not in together  # text from the data is never parsed


@pytest.mark.slow
def test_the_types_hold():
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("there is no npx on the path (node's package runner), so nothing can check the types")
    tsc = [npx, "--yes", "--package", "typescript@5.9", "tsc"]
    if subprocess.run([*tsc, "--version"], capture_output=True).returncode:
        pytest.skip("npx could not get typescript@5.9")
    files = [str(path) for path in sorted(VIEWER.iterdir())]
    found = subprocess.run([*tsc, *OPTIONS, *files], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
