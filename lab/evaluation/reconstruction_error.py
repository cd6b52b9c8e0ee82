"""How far a picture's reconstruction is from it: squared error, signal-to-noise ratio and structural similarity.

All take pictures and their reconstructions, (n, C, H, W) floats from 0 to 1, and return (n,) float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.floating]
MOST_DECIBELS = 100.0
WINDOW, SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # of Wang et al., for values from 0 to 1


def squared_error(pictures: Pictures, reconstructions: Pictures) -> NDArray[np.float64]:
    """Mean squared error a pixel and channel of each picture."""
    difference = np.asarray(pictures, dtype=np.float64) - reconstructions
    return np.asarray((difference**2).reshape(len(difference), -1).mean(axis=1))


def psnr(pictures: Pictures, reconstructions: Pictures) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each picture in dB, -10 log₁₀ of the squared error: 100 at most, a perfect copy."""
    smallest = 10 ** (-MOST_DECIBELS / 10)
    return -10 * np.log10(np.maximum(squared_error(pictures, reconstructions), smallest))


def ssim(pictures: Pictures, reconstructions: Pictures) -> NDArray[np.float64]:
    """Mean structural similarity of each picture, 1 for a perfect copy (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    In a Gaussian window of 11 pixels and σ = 1.5 at every place where it fits, channel by channel. In a picture of less
    than 11 pixels a side the window is the largest odd one that fits, its σ smaller in proportion.
    """
    x, y = np.asarray(pictures, dtype=np.float64), np.asarray(reconstructions, dtype=np.float64)
    height, width = x.shape[2:]
    side = min(WINDOW, (min(height, width) - 1) // 2 * 2 + 1)
    across, down = _window(width, side), _window(height, side)

    def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(down.T @ (values @ across))

    mean_x, mean_y = smooth(x), smooth(y)
    products = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    variances = smooth(x * x + y * y) - squares
    covariance = smooth(x * y) - products
    similarity = (2 * products + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))
    return np.asarray(similarity.reshape(len(x), -1).mean(axis=1))


def _window(length: int, side: int) -> NDArray[np.float64]:
    """A matrix (length, places) whose columns hold the Gaussian weights of the window at each place it fits."""
    offsets = np.arange(side) - side // 2
    weights = np.exp(-0.5 * (offsets / (SIGMA * side / WINDOW)) ** 2)
    places = length - side + 1
    matrix = np.zeros((length, places))
    for place in range(places):
        matrix[place : place + side, place] = weights / weights.sum()
    return matrix
