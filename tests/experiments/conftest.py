from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that all tests of a file share: what one has trained, the others use."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def shared_home(folder, monkeypatch) -> None:
    """Runs, studies and cache of the shared folder, current for this test."""
    monkeypatch.setenv("LAB_HOME", str(folder / "home"))
    monkeypatch.setenv("LAB_CACHE", str(folder / "cache"))
    monkeypatch.chdir(folder)
