import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.ops import unit
from cnnjax.ops.pixels import as_pixels


def test_every_byte_comes_back():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(as_pixels(unit(every), np.uint8), every)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, jnp.bfloat16])
def test_values_become_the_nearest_byte_and_those_outside_the_last(dtype):
    values = np.array([-1.0, 0.0, 0.0019, 0.002, 0.498, 0.5, 0.9999, 1.0, 7.0]).astype(dtype)
    wide = np.clip(np.asarray(values, np.float64), 0, 1)
    np.testing.assert_array_equal(as_pixels(values, np.uint8), np.floor(255 * wide + 0.5))
    assert as_pixels(values, np.float16).dtype == np.float16
    assert as_pixels(0.5, np.uint8).item() == 128
