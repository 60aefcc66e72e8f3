import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from cnnjax import ops


def integers(*shape, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("space", "window", "keywords"),
    [
        ((9,), (3,), {"stride": 2}),
        ((6, 5), (3, 2), {"padding": "SAME"}),
        ((6, 5), (2, 3), {"padding": "CIRCULAR", "stride": (2, 1)}),
        ((4, 4, 3), (2, 2, 2), {"padding": "REFLECT"}),
    ],
)
def test_with_shared_weights_it_is_a_convolution(space, window, keywords):
    x, shared = integers(2, *space, 2), integers(*window, 2, 3, seed=1)
    expected = np.asarray(ops.cross_correlate(x, shared, **keywords))
    kernel = np.broadcast_to(shared.reshape(-1, 3), (*expected.shape[1:-1], shared.size // 3, 3))
    found = ops.locally_connected(x, kernel, window=window, **keywords)
    np.testing.assert_array_equal(found, expected)


def test_with_weights_of_its_own_it_is_that_of_lax():
    x, kernel = integers(2, 6, 5, 2), integers(4, 4, 3 * 2 * 2, 3, seed=1)
    # Lax flattens a window with the channels slowest.
    theirs = kernel.reshape(4, 4, 3 * 2, 2, 3).swapaxes(2, 3).reshape(kernel.shape)
    expected = lax.conv_general_dilated_local(
        x, theirs, (1, 1), "VALID", (3, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_array_equal(ops.locally_connected(x, kernel, window=(3, 2)), expected)


def test_no_images_have_no_features():
    x, kernel = np.zeros((0, 6, 5, 2), np.float32), integers(4, 4, 3 * 2 * 2, 3)
    assert ops.locally_connected(x, kernel, window=(3, 2)).shape == (0, 4, 4, 3)


def test_gradients_and_programs():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        x, kernel = jnp.asarray(rng.normal(size=(2, 5, 2))), jnp.asarray(rng.normal(size=(3, 4, 2)))
        f = jax.jit(lambda x, k: ops.locally_connected(x, k, window=2, stride=2, padding="SAME"))
        check_grads(f, (x, kernel), order=1)
        stacked = jax.vmap(f, (None, 0))(x, jnp.stack([kernel, 2 * kernel]))
        np.testing.assert_allclose(stacked[1], 2 * stacked[0])


def test_errors():
    x = np.zeros((1, 6, 6, 2), np.float32)
    kernel = np.zeros((4, 4, 18, 5), np.float32)
    assert ops.locally_connected(x, kernel, window=3).shape == (1, 4, 4, 5)
    with pytest.raises(ValueError, match=r"kernel.shape=.*: expected \(5, 5, 8\) and one axis"):
        ops.locally_connected(x, kernel, window=2)
    with pytest.raises(ValueError, match="window=7: expected it to fit"):
        ops.locally_connected(x, kernel, window=7)
    with pytest.raises(ValueError, match="stride=0"):
        ops.locally_connected(x, kernel, window=3, stride=0)
    with pytest.raises(ValueError, match=r"x.shape=\(1, 6\)"):
        ops.locally_connected(x[:, :, 0, 0], kernel, window=3)
