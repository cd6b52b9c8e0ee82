from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.runs.seeds import generator, stream_seed

SEEDS = st.integers(0, 2**32 - 1)


def test_streams_are_the_same_in_every_process_and_version():
    """Pinned: a change here would silently change every run."""
    assert stream_seed(0, "initialisation") == 2230418444
    assert generator(1, "order").integers(0, 1000, 4).tolist() == [610, 723, 498, 352]
    code = "from lab.runs.seeds import *; print(stream_seed(7, 'ü'), generator(7, 'ü').random())"
    told = {
        subprocess.check_output([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": hash_seed})
        for hash_seed in ("0", "1")
    }
    assert told == {f"{stream_seed(7, 'ü')} {generator(7, 'ü').random()}\n".encode()}


@settings(deadline=None)
@given(SEEDS, SEEDS, st.text(), st.text())
def test_streams_differ_by_seed_and_by_name(seed, other, name, another):
    same = (seed, name) == (other, another)
    assert (generator(seed, name).random(4) == generator(other, another).random(4)).all() == same
    assert 0 <= stream_seed(seed, name) < 2**32


def test_streams_are_independent():
    """Correlations between 40 streams of 4,000 draws are as small as those of independent ones."""
    draws = [generator(seed, name).standard_normal(4000) for seed in range(10) for name in ("a", "b", "aa", "")]
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)] * np.sqrt(4000)
    assert abs(correlations.mean()) < 0.15
    assert 0.9 < correlations.std() < 1.1
    assert abs(correlations).max() < 4.5
