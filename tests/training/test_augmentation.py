from __future__ import annotations

import numpy as np
import torch

from lab.training.augmentation import LightAugmentation

IMAGES = torch.randint(0, 256, (6, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
SEEDS = np.array([1, 2, 3, 4, 5, 2**64 - 1], dtype=np.uint64)


def test_a_view_is_a_function_of_image_and_seed_alone():
    augment = LightAugmentation()
    views = augment(IMAGES, SEEDS)
    assert views.dtype == torch.uint8
    assert views.shape == IMAGES.shape
    assert torch.equal(views[2:4], augment(IMAGES[2:4], SEEDS[2:4]))
    assert not torch.equal(views, augment(IMAGES, SEEDS + np.uint64(1)))
    assert not torch.equal(views, LightAugmentation(seed=1)(IMAGES, SEEDS))
    last = IMAGES.contiguous(memory_format=torch.channels_last)
    assert torch.equal(views, augment(last, SEEDS))
    assert augment(last, SEEDS).is_contiguous(memory_format=torch.channels_last)


def test_keys_name_the_settings():
    assert len({LightAugmentation(f, s).key for f in (True, False) for s in (None, 0, 1)}) == 6


def test_mirrors_only_where_it_may():
    ramp = torch.arange(16).repeat(6, 3, 16, 1).mul(10).to(torch.uint8)
    rising = [bool((view[0, 8].float().diff() >= 0).all()) for view in LightAugmentation(flip=False)(ramp, SEEDS)]
    assert all(rising)
    many = LightAugmentation()(ramp[:1].expand(64, -1, -1, -1), np.arange(64, dtype=np.uint64))
    mirrored = sum(bool((view[0, 8].float().diff() <= 0).all()) for view in many)
    assert 16 < mirrored < 48


def test_changes_are_light():
    flat = torch.full((64, 3, 16, 16), 100, dtype=torch.uint8)
    views = LightAugmentation()(flat, np.arange(64, dtype=np.uint64))
    assert views.min() >= 80
    assert views.max() <= 120
    assert views.float().mean((1, 2, 3)).std() > 5
