from __future__ import annotations

import pytest

from lab.data.config import CorpusConfig


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """One cache for all tests of this folder, so that the sample is parsed once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("LAB_CACHE", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield folder


@pytest.fixture
def write(tmp_path):
    """Write a file and return the config that reads it."""

    def write(name: str, content: bytes | str, **settings) -> CorpusConfig:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return CorpusConfig(**{"source": str(path), **settings})

    return write
