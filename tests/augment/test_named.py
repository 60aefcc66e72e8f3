import jax
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.augment import named

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("size", "padding"),
    [((32, 32), 4), ((28, 28), 4), ((224, 224), 28), ((48, 40), 5), ((3, 5), 1)],
)
def test_the_crop_of_photographs_pads_an_eighth_of_the_shorter_side(size, padding):
    draws = jax.vmap(lambda key: named._draw_padded_crop(key, size, strength=1.0))(
        jax.random.split(KEY, 3000)
    )
    assert draws.new_size == size
    corners = np.asarray(draws.steps[0])[:, :, 2]
    assert np.unique(corners).tolist() == list(range(-padding, padding + 1))


def test_the_policy_of_photographs_keeps_them_at_strength_zero_and_changes_them_at_one():
    images = np.random.default_rng(0).random((6, 12, 9, 3)).astype(np.float32)
    labels = np.zeros(6, np.int32)
    policy = jax.jit(augment.build("standard"))
    np.testing.assert_array_equal(policy(KEY, images, labels, 0.0), images)
    changed = np.asarray(policy(KEY, images, labels, 1.0))
    assert changed.shape == images.shape
    assert np.all(np.any(changed != images, (1, 2, 3)))
    assert 0 <= changed.min() <= changed.max() <= 1
