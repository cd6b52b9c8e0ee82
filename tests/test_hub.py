"""One try decides whether the hub is asked at all."""

from __future__ import annotations

import os
from types import SimpleNamespace

import huggingface_hub.utils
import pytest
from huggingface_hub import constants

from lab import hub
from lab.data.backbones import locate_backbone
from lab.errors import UserError


@pytest.fixture
def tries(monkeypatch):
    """The hub on a network that is down; what was asked of it. Nothing of it is left after the test."""
    asked = []

    def head(url, timeout):
        asked.append((url, timeout))
        raise ConnectionError("Name or service not known")

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", lambda: SimpleNamespace(head=head))
    hub.unreachable.cache_clear()
    yield asked
    hub.unreachable.cache_clear()


def test_no_answer_is_asked_for_once_and_puts_the_libraries_offline(tries):
    for _ in range(2):
        with pytest.raises(UserError, match=r"'no/where' is no folder here.*hub: https://\S+ cannot be reached$"):
            assert locate_backbone("no/where").kind
    assert tries == [(constants.ENDPOINT, hub.SECONDS)]
    assert constants.is_offline_mode()
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_a_data_set_says_so_too(tries):
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items

    with pytest.raises(UserError, match=r"hf:no/where: cannot be loaded \(https://\S+ cannot be reached\)"):
        load_items(LabelledConfig(source="hf:no/where"))


def test_whoever_is_offline_already_or_gets_an_answer_is_left_alone(tries, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.unreachable() == ""
    assert tries == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", lambda: SimpleNamespace(head=lambda url, timeout: None))
    hub.unreachable.cache_clear()
    assert hub.unreachable() == ""
    assert not constants.is_offline_mode()
