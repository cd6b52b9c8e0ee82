from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lab.data.config import CorpusConfig
from lab.data.tokenizer import PhrasesConfig, TokenizerConfig


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "latin-1", "cp1252", "utf-16", "shift_jis", "gb18030"])
def test_encodings_of_text_are_known(name):
    assert CorpusConfig(encoding=name).encoding == name


@pytest.mark.parametrize("name", ["utf-9", "", "rot13", "base64", "hex", "zlib"])
def test_other_encodings_are_refused_before_anything_is_read(name):
    with pytest.raises(ValidationError, match="name of a text encoding"):
        CorpusConfig(encoding=name)


@pytest.mark.parametrize("pattern", ["(", "[a-", "*", r"\w*", "a|"])
def test_patterns_that_cannot_be_a_token_are_refused(pattern):
    with pytest.raises(ValidationError, match="regular expression"):
        TokenizerConfig(pattern=pattern)


@pytest.mark.parametrize(("scoring", "threshold"), [("npmi", 10), ("npmi", -1.1), ("default", 0), ("default", -3)])
def test_thresholds_of_the_other_scoring_are_refused(scoring, threshold):
    with pytest.raises(ValidationError, match=f"for scoring {scoring}"):
        PhrasesConfig(scoring=scoring, threshold=threshold)


def test_config_modules_import_nothing_heavy():
    code = (
        "import sys, lab.data.config, lab.data.tokenizer;"
        "print([name for name in ('numpy', 'gensim', 'pandas', 'torch', 'datasets') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
