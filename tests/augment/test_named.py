import jax
import numpy as np
import pytest

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
