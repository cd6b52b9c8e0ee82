from __future__ import annotations

import pytest

from lab.cli import main


def shown(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["show", *arguments])
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_a_packaged_network_is_shown_as_the_blocks_that_the_frozen_depth_counts(capsys):
    code, out, _ = shown(capsys, "efficientnet-lite0")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    numbered = [words for words in lines if words and words[-1].endswith("%")]
    assert [words[1] for words in numbered] == ["stem", *(f"blocks.{i}" for i in range(7)), "conv_head"]
    assert numbered[2][2:8] == ["13,968", "24", "×", "56", "×", "56"]
    assert sum(int(words[-1].rstrip("%")) for words in numbered) == pytest.approx(100, abs=6)
    assert "9 blocks, 3,371,008 parameters, 1,280 features" in out


def test_a_network_of_a_library_is_shown_without_its_weights(capsys):
    code, out, _ = shown(capsys, "timm:resnet10t")
    assert code == 0
    assert "5 blocks, " in out
    assert " parameters, 512 features" in out


def test_a_network_that_does_not_exist_is_a_mistake_of_one_line(capsys):
    code, out, err = shown(capsys, "timm:resnet18x")
    assert (code, out) == (2, "")
    assert err.startswith("lab: backbone 'timm:resnet18x': timm knows no 'resnet18x'")
    assert err.count("\n") == 1
