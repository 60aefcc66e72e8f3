"""The squashing functions against numpy's."""

import jax.numpy as jnp
import numpy as np

from cnnjax import ops

X = np.linspace(-4, 4, 33, dtype=np.float32)


def test_scaled_tanh_is_numpys():
    np.testing.assert_allclose(ops.scaled_tanh(jnp.array(X)), 1.7159 * np.tanh(X * 2 / 3), 1e-5)


def test_relu_cuts_at_nought():
    np.testing.assert_array_equal(ops.relu(jnp.array(X)), np.maximum(X, 0))
