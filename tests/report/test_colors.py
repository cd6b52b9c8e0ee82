"""The colours that tell rows and classes apart, as readers without red or green cones see them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from lab.report import style

CSS = (Path(style.__file__).parent / "report.css").read_text(encoding="utf-8")
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
EYES = {
    "trichromat": np.eye(3),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
APART = 12.0  # CIE 1976 difference; 2.3 is just noticeable side by side


def lab_of(color: str, eye: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of a hexadecimal colour as this eye sees it."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(eye @ linear, 0, 1) / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def named(theme: int) -> list[str]:
    """The page's class colours of the light (0) or dark (1) theme, from the style sheet."""
    block = re.split(r"@media \(prefers-color-scheme: dark\)", CSS)[theme]
    return [re.search(rf"--c{i}: (#[0-9a-f]{{6}})", block)[1] for i in range(len(style.CLASS_COLORS))]


def test_grey_and_white_have_their_known_places():
    np.testing.assert_allclose(lab_of("#ffffff", EYES["trichromat"]), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab_of("#ff0000", EYES["trichromat"]), [53.24, 80.09, 67.20], atol=0.05)
    for eye in EYES.values():
        assert np.abs(lab_of("#808080", eye)[1:]).max() < 0.05


def test_figures_and_the_page_use_the_same_colours():
    assert named(0) == list(style.CLASS_COLORS)
    assert [style._DARK[color] for color in style.COLORS] == named(1)[: len(style.COLORS)]


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_no_two_colours_look_alike(theme, eye):
    colors = [lab_of(color, EYES[eye]) for color in named(theme)]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(colors, 2))
    assert nearest >= APART
