from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from lab.evaluation.reconstruction_error import MOST_DECIBELS, SIGMA, WINDOW, psnr, squared_error, ssim


def pictures(channels=1, height=28, width=28, n=4, seed=0):
    rng = np.random.default_rng(seed)
    smooth = rng.random((n, channels, height, width)).cumsum(axis=3) / width
    return smooth.astype(np.float32), np.clip(smooth + rng.normal(0, 0.1, smooth.shape), 0, 1).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("height", "width", "side"), [(28, 28, 11), (8, 8, 7), (11, 32, 11), (5, 9, 5), (4, 4, 3)], ids=str
)
def test_structural_similarity_is_that_of_scikit_image(channels, height, width, side):
    before, after = pictures(channels, height, width)
    options = {"gaussian_weights": True, "sigma": SIGMA * side / WINDOW, "use_sample_covariance": False}
    wanted = [
        structural_similarity(a.astype(float), b.astype(float), channel_axis=0, data_range=1.0, **options)
        for a, b in zip(before, after, strict=True)
    ]
    assert np.allclose(ssim(before, after), wanted, atol=1e-10)


def test_errors_are_those_of_scikit_image():
    before, after = pictures(3)
    pairs = list(zip(before.astype(float), after.astype(float), strict=True))
    assert np.allclose(squared_error(before, after), [mean_squared_error(a, b) for a, b in pairs])
    assert np.allclose(psnr(before, after), [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs])


@pytest.mark.parametrize("side", [1, 2, 8, 28])
def test_a_perfect_copy(side):
    before, _ = pictures(height=side, width=side)
    assert (squared_error(before, before) == 0).all()
    assert (psnr(before, before) == MOST_DECIBELS).all()
    assert np.allclose(ssim(before, before), 1)


def test_more_noise_is_worse_and_order_does_not_matter():
    before, _ = pictures()
    noise = np.random.default_rng(1).normal(size=before.shape)
    little, much = np.clip(before + 0.02 * noise, 0, 1), np.clip(before + 0.2 * noise, 0, 1)
    assert (ssim(before, little) > ssim(before, much)).all()
    assert (psnr(before, little) > psnr(before, much)).all()
    assert np.allclose(ssim(before, much), ssim(much, before))
