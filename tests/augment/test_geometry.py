import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import ProjectiveTransform

from cnnjax.augment import affine_matrix, canvas_corners, perspective_matrix
from cnnjax.ops import warp

SIZE = (11, 14)


def image(seed=0):
    return np.random.default_rng(seed).random((*SIZE, 1)).astype(np.float32)


def move(picture, **parameters):
    return np.asarray(warp(picture, affine_matrix(size=picture.shape[:2], **parameters)))


@pytest.mark.parametrize("degrees", [-70.0, -7.5, 15.0, 90.0, 133.0])
def test_rotation_agrees_with_scipy(degrees):
    expected = ndimage.rotate(
        image()[..., 0], degrees, reshape=False, order=1, mode="grid-constant", prefilter=False
    )
    np.testing.assert_allclose(move(image(), rotation=degrees)[..., 0], expected, atol=3e-5)


def test_positive_rotation_is_counter_clockwise_as_displayed():
    square = image()[:, :11]
    np.testing.assert_allclose(move(square, rotation=90.0), np.rot90(square), atol=1e-5)


def test_positive_shear_leans_the_top_to_the_right():
    line = np.zeros((5, 9, 1), np.float32)
    line[:, 4] = 1
    slanted = move(line, shear=1.0)[..., 0]
    np.testing.assert_array_equal(slanted, np.eye(5, 9, 2)[::-1])


def test_scales_and_translations_go_the_way_they_are_named():
    dots = np.zeros((9, 9, 1), np.float32)
    dots[4, 2] = dots[4, 6] = 1
    wider = move(dots, scale=(1.0, 2.0))[..., 0]
    assert wider[4, 0] == wider[4, 8] == 1
    assert wider[4, 4] == 0
    np.testing.assert_array_equal(
        move(dots, translation=(2.0, -1.0)), np.roll(dots, (2, -1), (0, 1))
    )


def test_mirrors_are_negative_scales_and_exact():
    np.testing.assert_array_equal(move(image(), scale=(1.0, -1.0)), image()[:, ::-1])
    np.testing.assert_array_equal(move(image(), scale=(-1.0, 1.0)), image()[::-1])


def test_composition_is_scale_then_shear_then_rotation_then_translation():
    parameters = {"rotation": 25.0, "shear": 0.3, "scale": (1.2, 0.7), "translation": (1.5, -2.0)}
    angle = np.deg2rad(25.0)
    # Forward maps in (row, column): what each does to a picture's point, rows downwards.
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, 0], [-0.3, 1]])
    scale = np.diag([1.2, 0.7])
    inverse = np.linalg.inv(rotation @ shear @ scale)
    centre = (np.array(SIZE) - 1) / 2
    offset = centre - inverse @ (centre + np.array([1.5, -2.0]))
    matrix = affine_matrix(size=SIZE, **parameters)
    np.testing.assert_allclose(matrix[:, :2], inverse, atol=1e-6)
    np.testing.assert_allclose(matrix[:, 2], offset, atol=1e-5)
    expected = ndimage.affine_transform(
        image()[..., 0].astype(np.float64), inverse, offset, order=1, mode="grid-constant"
    )
    np.testing.assert_allclose(move(image(), **parameters)[..., 0], expected, atol=3e-5)


def test_neutral_parameters_are_exactly_the_identity_even_when_traced():
    @jax.jit
    def neutral(picture, zero):
        matrix = affine_matrix(
            rotation=zero, shear=zero, scale=(1 + zero, 1 + zero), translation=(zero, zero),
            size=SIZE,
        )  # fmt: skip
        return warp(picture, matrix)

    np.testing.assert_array_equal(neutral(image(), 0.0), image())
    np.testing.assert_array_equal(neutral(image(), -0.0), image())
    np.testing.assert_array_equal(affine_matrix(size=(28, 29)), np.eye(2, 3))


def test_magnitudes_can_be_mapped_over():
    degrees = jnp.linspace(-30, 30, 7)

    def rotated(angle):
        return warp(image(), affine_matrix(rotation=angle, size=SIZE))

    np.testing.assert_allclose(jax.vmap(rotated)(degrees), jax.lax.map(rotated, degrees), atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_perspective_agrees_with_scikit_image(seed):
    home = canvas_corners(SIZE).astype(np.float64)
    spread = 0.2 * np.array(SIZE)
    corners = home + np.random.default_rng(seed).uniform(-spread, spread, (4, 2))
    expected = ProjectiveTransform.from_estimate(corners, home).params
    matrix = np.asarray(perspective_matrix(corners.astype(np.float32), SIZE))
    ours = matrix / matrix[2, 2]
    np.testing.assert_allclose(ours, expected / expected[2, 2], rtol=1e-3, atol=1e-4)
    sent = np.append(corners, np.ones((4, 1)), 1) @ matrix.T
    np.testing.assert_allclose(sent[:, :2] / sent[:, 2:], home, atol=1e-4)
    assert np.all(sent[:, 2] > 0)


def test_corners_that_stay_are_exactly_the_identity():
    for size in [(28, 28), (49, 31), (1, 7)]:
        np.testing.assert_array_equal(perspective_matrix(canvas_corners(size), size), np.eye(3))
