from __future__ import annotations

import pytest

from lab.data.interactions.config import InteractionsConfig
from lab.data.interactions.load import load_interactions


@pytest.fixture
def put(tmp_path):
    """Write a file below the test's folder and return its path."""

    def put(name: str, content: bytes | str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


@pytest.fixture
def load():
    """Load a source with keys of the config."""

    def load(source, **keys):
        return load_interactions(InteractionsConfig(source=str(source), **keys))

    return load


@pytest.fixture
def triples():
    """Interactions as `(user, item, value, timestamp)`, in the order of the rows."""

    def triples(found):
        value = [None] * len(found) if found.value is None else found.value.tolist()
        time = [None] * len(found) if found.timestamp is None else found.timestamp.tolist()
        users = [found.users[u] for u in found.user]
        items = [found.items[i] for i in found.item]
        return list(zip(users, items, value, time, strict=True))

    return triples
