from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UserError
from lab.training.depth import resolve_block, resolve_depth, spoken_depth

NAMES = ["stem", *(f"blocks.{i}" for i in range(7)), "conv_head"]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, 0),
        (9, 9),
        ("3", 3),
        ("none", 0),
        ("all", 9),
        ("all-1", 8),
        ("all - 9", 0),
        ("0%", 0),
        ("50%", 5),
        ("100%", 9),
        ("33.4%", 3),
        ("stem", 1),
        ("blocks.6", 8),
        ("conv_head", 9),
    ],
)
def test_every_form_of_a_depth(depth, expected):
    assert resolve_depth(depth, NAMES) == expected


@pytest.mark.parametrize("depth", [10, -1, "all-10", "101%", "block.3", "half", "", "all+1"])
def test_what_is_no_depth_is_told_the_number_of_blocks(depth):
    with pytest.raises(UserError, match=r"strategy.frozen_depth: .*9 blocks \(stem, .*expected 0 to 9"):
        resolve_depth(depth, NAMES)


def test_the_nearest_block_is_named():
    with pytest.raises(UserError, match=r"did you mean blocks\.3"):
        resolve_depth("block.3", NAMES)
    with pytest.raises(UserError, match="did you mean conv_head"):
        resolve_block("convhead", NAMES)


def test_a_name_wins_over_a_form():
    assert resolve_depth("all", ["first", "all", "last"]) == 2


@given(st.integers(1, 60), st.data())
def test_numbers_and_names_agree(count, data):
    names = [f"layer.{i}" for i in range(count)]
    depth = data.draw(st.integers(0, count))
    assert resolve_depth(depth, names) == resolve_depth(f"all-{count - depth}", names) == depth
    if depth:
        assert resolve_depth(names[depth - 1], names) == depth
        assert resolve_block(names[depth - 1], names) == resolve_block(depth, names) == depth - 1


@pytest.mark.parametrize("block", [0, 10, "0", "blocks.7", True])
def test_what_is_no_block(block):
    with pytest.raises(UserError, match=r"strategy\.blocks: .*expected a name or a number from 1 to 9"):
        resolve_block(block, NAMES)


def test_spoken():
    assert spoken_depth(6, 9) == "trains the last 3 of 9 blocks"
    assert spoken_depth(8, 9) == "trains the last block of 9"
    assert spoken_depth(9, 9) == "trains the head only, all 9 blocks frozen"
    assert spoken_depth(0, 9) == "trains all 9 blocks"


def test_a_plan_costs_no_torch():
    code = (
        "import sys, lab.training.depth, lab.training.strategies; print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
