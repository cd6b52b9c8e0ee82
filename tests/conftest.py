from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no mistake. In CI the same examples every time; elsewhere new ones, so that new ones are found.
# Names that no hub has are asked of none: a hub that cannot be reached is asked for a minute before it is given up.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
settings.register_profile("lab", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("lab")

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets that stand for what a user would bring; absent outside the development machines."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the data sets of ../shared/data are not here")
    return SHARED_DATA


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder for runs and studies, current for this test."""
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path
