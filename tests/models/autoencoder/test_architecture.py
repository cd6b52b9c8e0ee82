"""Plans of autoencoders: what is refused names what works, and what is accepted can be built."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import UserError
from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import build_autoencoder
from lab.models.autoencoder.objectives import OBJECTIVES, make_objective


def plan(kind="convolutional", shape=(1, 28, 28), widths=(8, 16), latent_size=4, **more) -> Architecture:
    return Architecture(kind, shape, widths, latent_size=latent_size, **more)


def test_plans_are_checked_without_torch():
    code = (
        "import sys; from lab.models.autoencoder.architecture import Architecture;"
        "Architecture('convolutional', (1, 28, 28), (8, 16)).check();"
        "print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@given(side=st.integers(1, 40), stages=st.integers(1, 7))
def test_the_nearest_picture_and_number_of_stages_work(side, stages):
    asked = plan(shape=(3, side, side), widths=(8,) * stages, latent_size=1)
    try:
        asked.check()
    except UserError as error:
        nearest = int(re.search(r"image_size: (\d+)(?:,|$)", str(error))[1])
        plan(shape=(3, nearest, nearest), widths=(8,) * stages, latent_size=1).check()
        with pytest.raises(UserError):
            plan(shape=(3, nearest - 1, nearest - 1), widths=(8,) * stages, latent_size=1).check()
        fewer = re.search(r"or (\d+) stage", str(error))
        if fewer:
            plan(shape=(3, side, side), widths=(8,) * int(fewer[1]), latent_size=1).check()
            with pytest.raises(UserError):
                plan(shape=(3, side, side), widths=(8,) * (int(fewer[1]) + 1), latent_size=1).check()
    else:
        halved = asked.sizes()
        assert all(before != after for before, after in pairwise(halved))


@given(
    kind=st.sampled_from(["dense", "convolutional"]),
    width=st.integers(1, 20),
    latent_size=st.integers(1, 200),
    codes=st.integers(1, 12),
)
def test_the_nearest_latent_size_works(kind, width, latent_size, codes):
    asked = plan(kind, (1, 9, 9), (width, width), latent_size)
    try:
        asked.check(codes)
    except UserError as error:
        refused, offered = str(error), re.search(r"works(?: is|:) ([\d or]+)", str(error))
        for size in map(int, re.findall(r"\d+", offered[1])) if offered else ():
            if "codes" in refused:
                replace(asked, latent_size=size).check(codes)
            else:
                assert size == asked.features
    else:
        assert latent_size % codes == 0


def test_what_is_refused_says_so_in_words():
    with pytest.raises(UserError, match=r"model.image_size: 8 pixels .* 5 stages .* works: model.image_size: 17, or 3"):
        plan(shape=(1, 8, 8), widths=(8,) * 5).check()
    with pytest.raises(UserError, match=r"model.latent_size: 100: .* largest that works is 64"):
        plan("dense", widths=(128, 64), latent_size=100).check()
    with pytest.raises(UserError, match=r"into 8 codes .* works: 24 or 32"):
        plan(widths=(8, 16), latent_size=30).check(codes=8)
    with pytest.raises(UserError, match=r"model.widths: empty"):
        plan(widths=()).check()


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["dense", "convolutional"]),
    objective=st.sampled_from(sorted(OBJECTIVES)),
    channels=st.sampled_from([1, 3]),
    height=st.sampled_from([1, 2, 5, 8, 28, 30, 33]),
    width=st.integers(1, 33),
    widths=st.lists(st.integers(1, 6), max_size=4),
    depth=st.integers(1, 2),
    activation=st.sampled_from(["relu", "gelu", "silu", "tanh", "elu"]),
    normalisation=st.sampled_from(["none", "batch", "layer"]),
    latent_size=st.integers(1, 24),
)
def test_a_picture_comes_back_in_its_shape_for_every_plan_that_is_accepted(
    kind, objective, channels, height, width, widths, depth, activation, normalisation, latent_size
):
    architecture = Architecture(
        kind, (channels, height, width), tuple(widths), depth, activation, normalisation, latent_size
    )
    chosen = make_objective(objective, {"codes": 3})
    try:
        architecture.check(getattr(chosen, "codes", 1))
    except UserError:
        return
    model = build_autoencoder(architecture, chosen, seed=0).eval()
    x = torch.rand(2, channels, height, width)
    z = model.embed(x)
    assert z.shape == (2, latent_size)
    assert model.decode(z).shape == x.shape
    model.train()
    loss, parts = chosen(model, x, torch.Generator().manual_seed(0))
    assert torch.isclose(loss.detach(), parts["reconstruction"] + parts.get("regulariser", 0))
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
