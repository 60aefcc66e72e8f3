import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from jax.test_util import check_grads

from cnnjax import ops


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_local_response_against_the_papers_formula(size):
    x = random(2, 3, 7) * 20
    expected = np.empty_like(x)
    for b, i, c in np.ndindex(x.shape):
        first, last = max(0, c - size // 2), min(7 - 1, c + size // 2)
        energy = sum(x[b, i, j] ** 2 for j in range(first, last + 1))
        expected[b, i, c] = x[b, i, c] / (1.5 + 0.01 * energy) ** 0.6
    found = ops.local_response_normalise(x, size=size, bias=1.5, alpha=0.01, beta=0.6)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_local_response_is_the_papers_by_default():
    # Squares of 100 count 1 each: 3, 4 or 5 channels of 7 beside k = 2, to the power of 3/4.
    found = ops.local_response_normalise(np.full((1, 1, 7), 100, np.float32))
    expected = [29.907, 26.084, 23.236, 23.236, 23.236, 26.084, 29.907]
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-3)


@pytest.mark.parametrize(("options", "windows"), [({}, (9, 9)), ({"window": (5, 9)}, (5, 9))])
def test_local_contrast_is_weighted_by_a_quarter_of_the_window_by_default(options, windows):
    x = random(2, 12, 14, 3)

    def smooth(image):
        mean = image.mean(-1, keepdims=True)
        for axis, pixels in enumerate(windows):
            mean = scipy.ndimage.gaussian_filter1d(
                mean, pixels / 4, axis, mode="mirror", radius=pixels // 2
            )
        return mean

    for found, image in zip(ops.local_contrast_normalise(x, **options), x, strict=True):
        centred = image - smooth(image)
        contrast = np.sqrt(smooth(centred**2))
        expected = centred / np.maximum(contrast, contrast.mean())
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-4, 0.1, 0.5, 1.0])
def test_local_contrast_against_scipy(epsilon):
    x = random(2, 12, 10, 3)
    x[1, :, :6] = 0.3  # half of it without contrast
    window, deviation = 5, 1.3
    weights = np.exp(-0.5 * (np.arange(-2, 3) / deviation) ** 2)
    weights /= weights.sum()

    def smooth(image):
        mean = image.mean(-1)
        for axis in (0, 1):
            mean = scipy.ndimage.correlate1d(mean, weights, axis, mode="mirror")
        return mean[..., None]

    options = {"window": window, "deviation": deviation, "epsilon": epsilon}
    for found, image in zip(ops.local_contrast_normalise(x, **options), x, strict=True):
        centred = image - smooth(image)
        contrast = np.sqrt(np.maximum(smooth(centred**2), 0))
        expected = centred / np.maximum(contrast, max(contrast.mean(), epsilon))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_local_contrast_ignores_brightness_and_contrast():
    x = random(1, 12, 12, 1)
    plain = ops.local_contrast_normalise(x, window=5)
    np.testing.assert_allclose(
        ops.local_contrast_normalise(3 * x + 7, window=5), plain, rtol=1e-3, atol=1e-4
    )


def test_a_flat_image_has_no_contrast_and_a_finite_gradient():
    x = jnp.full((1, 8, 8, 1), 0.5)
    np.testing.assert_allclose(ops.local_contrast_normalise(x, window=3), 0, atol=0.01)
    gradient = jax.grad(lambda x: jnp.sum(ops.local_contrast_normalise(x, window=3) ** 2))(x)
    assert np.isfinite(gradient).all()


def test_half_precision_has_a_floor_too():
    x = random(2, 9, 9, 1).astype(np.float16)
    x[1] = 0.5
    found = ops.local_contrast_normalise(x, window=3)
    assert found.dtype == np.float16
    expected = ops.local_contrast_normalise(x.astype(np.float32), window=3)
    np.testing.assert_array_equal(found, expected.astype(np.float16))


def test_signals_and_volumes():
    assert ops.local_contrast_normalise(random(1, 12, 2), window=5).shape == (1, 12, 2)
    assert ops.local_response_normalise(random(1, 2, 2, 2, 4)).shape == (1, 2, 2, 2, 4)


@pytest.mark.parametrize(
    "normalise", [ops.local_response_normalise, lambda x: ops.local_contrast_normalise(x, window=3)]
)
def test_gradients_against_finite_differences(normalise):
    with jax.enable_x64(True):
        x = jnp.asarray(random(2, 5, 6), jnp.float64)
        check_grads(jax.jit(normalise), (x,), order=1, atol=1e-4, rtol=1e-4)
        check_grads(jax.jit(jax.vmap(normalise)), (x[:, None],), order=1, atol=1e-4, rtol=1e-4)


def test_errors():
    x = np.zeros((1, 6, 6, 2), np.float32)
    with pytest.raises(ValueError, match="size=4: expected an odd integer ≥ 1"):
        ops.local_response_normalise(x, size=4)
    with pytest.raises(ValueError, match=r"bias=0\.0: expected a number > 0"):
        ops.local_response_normalise(x, bias=0.0)
    with pytest.raises(ValueError, match="window=4: expected odd integers"):
        ops.local_contrast_normalise(x, window=4)
    with pytest.raises(ValueError, match=r"deviation=0\.0: expected a number > 0"):
        ops.local_contrast_normalise(x, window=3, deviation=0.0)
    with pytest.raises(ValueError, match=r"epsilon=0\.0: expected a number > 0"):
        ops.local_contrast_normalise(x, window=3, epsilon=0.0)
    with pytest.raises(ValueError, match="padding='REFLECT': expected an axis longer"):
        ops.local_contrast_normalise(x, window=13)


@pytest.mark.parametrize("normalise", [ops.local_response_normalise, ops.local_contrast_normalise])
def test_whole_numbers_are_refused(normalise, unchecked):
    with pytest.raises(ValueError, match="x of type uint8: expected floats"):
        normalise(np.zeros((1, 12, 12, 1), np.uint8))


def test_responses_are_normalised_in_half_precision_too():
    x = np.zeros((1, 1, 1, 5), np.float16)
    x[..., 2] = 300
    found = ops.local_response_normalise(x)
    assert found.dtype == np.float16
    exact = ops.local_response_normalise(x.astype(np.float32))
    np.testing.assert_allclose(np.asarray(found, np.float32), exact, rtol=1e-3)
