"""The textbook's numbers, exactly."""

import flax.linen as linen
import jax
import numpy as np
import pytest

from cnnjax import nn, ops

PLUS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
DIAGONALS = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
VERTICAL_EDGE = [[1, 0, -1]] * 3


def correlate(image, kernel):
    """One image, one channel, one kernel; lists in, array out."""
    x = np.asarray(image, np.float32)[None, ..., None]
    return np.asarray(ops.cross_correlate(x, np.asarray(kernel, np.float32)[..., None, None]))[
        0, ..., 0
    ]


def test_signal_with_a_difference():
    y = correlate([0, 0, 0, 0, 1, 2, 3, 3], [-1, 1])
    np.testing.assert_array_equal(y, [0, 0, 0, 1, 1, 1, 0])


def test_binary_image_with_diagonals():
    image = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    np.testing.assert_array_equal(correlate(image, DIAGONALS), [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


def test_vertical_edge_at_the_top_left():
    image = [[7, 2, 3, 3, 8], [4, 5, 3, 8, 4], [3, 3, 2, 8, 4], [2, 8, 7, 2, 7], [5, 4, 4, 5, 4]]
    assert correlate(image, VERTICAL_EDGE)[0, 0] == 6


def test_plus():
    assert correlate([[0, 2, 3], [2, 4, 1], [0, 3, 0]], PLUS) == 12


@pytest.mark.parametrize("name", ["sobel_vertical", "sobel_horizontal"])
def test_sobel_is_blind_to_stripes_of_one_pixel(name):
    stripes = np.repeat([[0], [1]] * 3, 6, axis=1)
    assert stripes.shape == (6, 6)
    np.testing.assert_array_equal(correlate(stripes, ops.named_kernel(name)), np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("shape", "features", "weights"),
    [((256, 256, 1), 2048, 134_217_728), ((128, 128, 3), 64, 3_145_728)],
)
def test_weights_of_a_dense_layer_on_an_image(shape, features, weights):
    layers = linen.Sequential([nn.Flatten(), nn.Dense(features)])
    image = jax.ShapeDtypeStruct((1, *shape), np.float32)
    made = jax.eval_shape(layers.init, jax.random.key(0), image)
    (parameters,) = made["params"].values()
    assert parameters["kernel"].size == weights
    assert parameters["bias"].size == features


def test_a_convolution_as_a_dense_layer():
    # The matrix that a convolution is has as many columns as its image has pixels.
    assert ops.dense_matrix(np.ones((100, 100, 1, 1), np.float32), (100, 100, 1)).shape == (
        1,
        10_000,
    )


def test_output_size_formula():
    for i, k, p, s in [(28, 5, 0, 1), (28, 5, 2, 1), (227, 11, 0, 4), (7, 3, 1, 2), (8, 3, 1, 2)]:
        assert ops.output_size(i, k, stride=s, padding=p) == (i + 2 * p - k) // s + 1


NAMED = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "edge_diagonal": [[1, 0, -1], [0, 0, 0], [-1, 0, 1]],
    "edge_cross": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "edge_square": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box_blur": np.ones((3, 3)) / 9,
    "gaussian_blur": np.outer([1, 2, 1], [1, 2, 1]) / 16,
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "sobel_vertical": np.outer([1, 2, 1], [-1, 0, 1]),
    "sobel_horizontal": np.outer([-1, 0, 1], [1, 2, 1]),
    "laplacian": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    "prewitt_diagonal": [[1, 0, -1], [0, 0, 0], [-1, 0, 1]],
    "lines_vertical": np.outer([1, 1, 1], [-1, 2, -1]),
    "lines_horizontal": np.outer([-1, 2, -1], [1, 1, 1]),
}


def test_named_kernels():
    assert set(ops.KERNEL_NAMES) == set(NAMED)
    for name, rows in NAMED.items():
        kernel = ops.named_kernel(name)
        assert kernel.dtype == np.float32
        np.testing.assert_allclose(kernel, rows, rtol=1e-6)


def test_named_kernels_are_copies():
    ops.named_kernel("identity")[:] = 7
    np.testing.assert_array_equal(ops.named_kernel("identity"), NAMED["identity"])


def test_blurs_keep_the_brightness_and_edges_remove_it():
    for name in ("box_blur", "gaussian_blur", "identity", "sharpen", "emboss"):
        assert ops.named_kernel(name).sum() == pytest.approx(1)
    for name in set(ops.KERNEL_NAMES) - {
        *("box_blur", "gaussian_blur", "identity", "sharpen", "emboss")
    }:
        assert ops.named_kernel(name).sum() == 0


def test_unknown_kernel_is_named_with_a_suggestion():
    with pytest.raises(ValueError, match="kernel='sobel_vertcal': did you mean 'sobel_vertical'"):
        ops.named_kernel("sobel_vertcal")
