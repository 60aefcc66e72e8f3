import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from cnnjax.ops import affine_coordinates, resample, warp

SHAPES = [(7, 5, 1), (4, 9, 3), (1, 6, 2)]


def random_image(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def read_by_scipy(image, coordinates, mode="grid-constant"):
    channels = [
        ndimage.map_coordinates(image[..., c], coordinates, order=1, mode=mode, cval=0.0)
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, -1)


@given(shape=st.sampled_from(SHAPES), seed=st.integers(0, 2**31), far=st.sampled_from([1.0, 40.0]))
def test_agrees_with_scipy_inside_on_and_beyond_the_border(shape, seed, far):
    generator = np.random.default_rng(seed)
    image = random_image(shape, seed)
    size = np.array(shape[:2], np.float32)[:, None, None]
    where = generator.uniform(-far - 1, size + far, (2, 6, 8)).astype(np.float32)
    expected = read_by_scipy(image.astype(np.float64), where.astype(np.float64))
    # A coordinate of 40 is known to 4e-6 of a pixel in float32.
    np.testing.assert_allclose(resample(image, where), expected, atol=3e-5)


def test_the_border_fades_where_scipys_constant_mode_drops():
    image = np.ones((3, 3, 1), np.float32)
    rows = np.array([[-1.0, -0.5, 0.0, 2.0, 2.25, 3.0]], np.float32)
    where = np.stack([rows, np.ones_like(rows)])
    assert resample(image, where)[0, :, 0].tolist() == [0, 0.5, 1, 1, 0.75, 0]
    assert read_by_scipy(image, where, "constant")[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_identity_gives_every_bit_back(shape):
    image = random_image(shape)
    identity = jnp.eye(2, 3)
    np.testing.assert_array_equal(warp(image, identity), image)
    np.testing.assert_array_equal(jax.jit(warp)(image, identity), image)


def test_whole_coordinates_read_pixels_exactly_under_jit():
    # Where floor and weight were computed apart, a coordinate a hair from a whole number would be
    # read a whole pixel off. The coordinates are computed here inside the same program.
    image = random_image((28, 28, 1))

    @jax.jit
    def shifted(image, shift):
        return warp(image, jnp.eye(2, 3).at[0, 2].set(shift / 3))

    np.testing.assert_array_equal(shifted(image, 6.0)[:-2], image[2:])
    for third in np.linspace(-9, 9, 37, dtype=np.float32):
        expected = ndimage.shift(
            image[..., 0], (-third / 3, 0), order=1, mode="grid-constant", prefilter=False
        )
        np.testing.assert_allclose(shifted(image, third)[..., 0], expected, atol=1e-5)


def test_warp_agrees_with_scipys_affine_transform():
    generator = np.random.default_rng(1)
    images = random_image((5, 9, 12, 2))
    matrices = (np.eye(2, 3) + 0.3 * generator.normal(size=(5, 2, 3))).astype(np.float32)
    expected = [
        np.stack(
            [
                ndimage.affine_transform(
                    image[..., c].astype(np.float64), matrix, order=1, mode="grid-constant"
                )
                for c in range(2)
            ],
            -1,
        )
        for image, matrix in zip(images, matrices, strict=True)
    ]
    np.testing.assert_allclose(warp(images, matrices), np.stack(expected), atol=2e-5)


def test_batches_vmap_and_single_images_agree():
    images = random_image((2, 3, 6, 5, 2))
    matrices = np.eye(2, 3) + 0.1 * np.random.default_rng(2).normal(size=(2, 3, 2, 3))
    matrices = matrices.astype(np.float32)
    together = warp(images, matrices)
    one_by_one = jnp.stack(
        [jnp.stack([warp(images[i, j], matrices[i, j]) for j in range(3)]) for i in range(2)]
    )
    np.testing.assert_array_equal(together, one_by_one)
    np.testing.assert_array_equal(together, jax.vmap(warp)(images, matrices))
    np.testing.assert_allclose(together, jax.jit(warp)(images, matrices), atol=1e-5)


def test_shared_coordinates_and_another_size():
    images = random_image((4, 6, 6, 1))
    where = affine_coordinates(jnp.array([[0.5, 0.0, 0.25], [0.0, 2.0, 0.0]]), (11, 3))
    result = resample(images, where)
    assert result.shape == (4, 11, 3, 1)
    for image, read in zip(images, result, strict=True):
        np.testing.assert_allclose(read, read_by_scipy(image, np.asarray(where)), atol=1e-6)


def test_gradients_are_the_derivatives_of_the_interpolation():
    image = random_image((5, 6, 2))
    where = np.random.default_rng(3).uniform(0.1, 3.9, (2, 4, 4)).astype(np.float32)
    weights = random_image((4, 4, 2), 5)

    def loss(image, where):
        return jnp.sum(weights * resample(image, where))

    to_image, to_where = jax.grad(loss, (0, 1))(image, where)
    # The result is linear in the image, so the gradient gives its value back.
    np.testing.assert_allclose(np.sum(to_image * image), loss(image, where), rtol=1e-4)
    step = 1e-3
    for axis in (0, 1):
        change = np.zeros_like(where)
        change[axis] = step
        ahead = read_by_scipy(image.astype(np.float64), where.astype(np.float64) + change)
        behind = read_by_scipy(image.astype(np.float64), where.astype(np.float64) - change)
        slope = np.sum(weights * (ahead - behind), -1) / (2 * step)
        clear = np.all(np.abs(where - np.round(where)) > 2 * step, axis=0)
        np.testing.assert_allclose(to_where[axis][clear], slope[clear], atol=2e-3)


def test_empty_batch_and_low_precision():
    assert resample(jnp.zeros((0, 4, 4, 1)), jnp.zeros((0, 2, 4, 4))).shape == (0, 4, 4, 1)
    half = resample(jnp.ones((4, 4, 1), jnp.bfloat16), jnp.full((2, 1, 1), 1.5))
    assert half.dtype == jnp.bfloat16
    assert half.item() == 1
