import functools

import jax
import numpy as np
import pytest
from scipy import ndimage

from cnnjax.augment.blur import _most_pixels, gaussian_blur, motion_blur

KEY = jax.random.key(0)


def picture(height=9, width=7, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        (gaussian_blur, {"sigma": -1.0}, r"sigma=-1\.0: expected .* within \[0, inf\)"),
        (gaussian_blur, {"sigma": (0.0, np.inf)}, r"sigma=\(0\.0, inf\): expected .* \[0, inf\)"),
        (gaussian_blur, {"sigma": (2.0, 1.0)}, "sigma="),
        (motion_blur, {"length": -1.0}, r"length=-1\.0: expected"),
        (motion_blur, {"angle": (1.0, 0.0)}, "angle="),
    ],
)
def test_bad_ranges_are_refused(op, options, message):
    with pytest.raises(ValueError, match=message):
        op(KEY, picture(), **options)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(9, 7, 3), (12, 3, 1)])
def test_gaussian_is_scipys_with_its_mirrored_border(sigma, shape):
    # The widest window, of 10 pixels, mirrors an image of 3 columns several times.
    image = picture(*shape)
    expected = ndimage.gaussian_filter(image, sigma, mode="reflect", axes=(0, 1))
    np.testing.assert_allclose(gaussian_blur(KEY, image, sigma=sigma), expected, atol=1e-6)


def test_a_drawn_deviation_is_scipys_too_with_the_window_of_the_upper_end():
    # Any deviation of the range gives the Gaussian in the same window: found by its variance.
    dot = np.zeros((31, 31, 1), np.float32)
    dot[15, 15] = 1
    op = functools.partial(gaussian_blur, sigma=(1.0, 3.0))
    spots = np.asarray(jax.jit(jax.vmap(op, (0, None)))(jax.random.split(KEY, 100), dot))
    found = np.sqrt(np.sum(spots[..., 0] * (np.mgrid[:31, :31][0] - 15) ** 2, (1, 2)))
    assert 1 <= found.min() < 1.1
    assert 2.9 < found.max() < 3
    np.testing.assert_allclose(found.mean(), 2, atol=0.2)
    expected = ndimage.gaussian_filter(dot, found[0], radius=12, axes=(0, 1))
    np.testing.assert_allclose(spots[0], expected, atol=1e-4)


def test_a_zero_deviation_or_length_is_the_identity_in_a_wide_window():
    image = picture()
    assert np.array_equal(gaussian_blur(KEY, image, sigma=0.0), image)
    assert np.array_equal(motion_blur(KEY, image, length=0.0), image)
    assert np.array_equal(gaussian_blur(KEY, image, sigma=(0.0, 3.0), strength=0.0), image)
    assert np.array_equal(motion_blur(KEY, image, length=(3.0, 7.0), strength=0.0), image)


@pytest.mark.parametrize(("op", "name"), [(gaussian_blur, "sigma"), (motion_blur, "length")])
def test_strength_goes_no_further_than_the_upper_end(op, name):
    at = functools.partial(op, KEY, picture(), **{name: 2.0})
    assert np.array_equal(at(strength=3.0), at())


@pytest.mark.parametrize("length", [0.7, 2.0, 6.5, 14.0])
@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -135.0])
def test_motion_is_the_mean_of_bilinear_readings_along_the_path(length, angle):
    image = picture()
    points = max(8, int(np.ceil(8 * length)))
    found = motion_blur(KEY, image, length=length, angle=angle)
    np.testing.assert_allclose(found, mean_along(image, length, angle, points), atol=1e-5)
    np.testing.assert_allclose(found, mean_along(image, length, angle, 2000), atol=0.01)


def mean_along(image, length, angle, points):
    along = ((np.arange(points) + 0.5) / points - 0.5) * length
    rows, columns = np.mgrid[:9, :7]
    down, right = -np.sin(np.deg2rad(angle)) * along, np.cos(np.deg2rad(angle)) * along
    places = np.stack([rows[..., None] + down, columns[..., None] + right])
    # Padded by hand, wide enough: no doubt about what is read between pixels at the border.
    padded = np.pad(image, [(8, 8), (8, 8), (0, 0)], mode="symmetric")
    read = [ndimage.map_coordinates(padded[..., c], places + 8, order=1) for c in range(3)]
    return np.stack(read, axis=-1).mean(2)


@pytest.mark.parametrize("length", [5.0, 14.0])
def test_the_gradient_of_motion_is_its_transpose(length):
    # One sum of shifted images, and several after each other.
    image, other = picture(), picture(seed=1)
    op = functools.partial(motion_blur, KEY, length=length, angle=30.0)
    blurred, transposed = jax.jit(lambda image: jax.vjp(op, image))(image)
    np.testing.assert_allclose(
        np.vdot(blurred, other), np.vdot(image, transposed(other)[0]), rtol=1e-5
    )


@pytest.mark.parametrize("length", [1.0, 2.5, 4.0, 5.0, 6.0, 8.0, 12.0, 16.0, 31.0])
def test_no_weight_of_a_path_is_left_out(length):
    # The weights sum to 1: white would turn grey. 45° crosses the most pixels.
    white = np.ones((1, 1, 1), np.float32)
    op = functools.partial(motion_blur, length=length)
    keys = jax.random.split(KEY, 2000)
    np.testing.assert_allclose(jax.jit(jax.vmap(op, (0, None)))(keys, white), 1, atol=1e-5)
    for angle in (-45.0, 45.0):
        np.testing.assert_allclose(op(KEY, white, angle=angle), 1, atol=1e-6)


@pytest.mark.parametrize(("length", "most"), [(2.0, 7), (5.0, 19), (8.0, 27)])
def test_a_path_crosses_so_many_pixels(length, most):
    # Counted over a fine grid of angles, of all pixels that are nearer than 1 along both axes.
    points = np.linspace(-length / 2, length / 2, 2001)
    pixels = np.arange(-8, 9)
    counts = []
    for angle in np.linspace(1e-6, np.pi / 4, 400):
        rows = np.abs(np.sin(angle) * points - pixels[:, None]) < 1
        columns = np.abs(np.cos(angle) * points - pixels[:, None]) < 1
        counts.append(np.sum(rows.astype(int) @ columns.astype(int).T > 0))
    assert _most_pixels(length / 2) == max(counts) == most


def test_motion_paints_a_point_along_its_angle():
    dot = np.zeros((11, 11, 1), np.float32)
    dot[5, 5] = 1
    line = np.asarray(motion_blur(KEY, dot, length=4.0, angle=0.0))[..., 0]
    # ¼ of the integral of a triangle of width 2 over [−2, 2], moved by the pixel's distance; up
    # to the mean of 32 points for the integral.
    np.testing.assert_allclose(line[5, 3:8], [0.125, 0.25, 0.25, 0.25, 0.125], atol=0.005)
    assert not np.any(np.delete(line, 5, axis=0))
    # Counter-clockwise: the line rises to the right.
    rising = np.asarray(motion_blur(KEY, dot, length=6.0, angle=45.0))[..., 0]
    assert rising[4, 6] > 0.1
    assert rising[6, 4] > 0.1
    assert rising[4, 4] == rising[6, 6] < 0.05


def spreads(count, length, angle):
    """The variances and the covariance of what becomes of a dot, upwards and to the right."""
    dot = np.zeros((15, 15, 1), np.float32)
    dot[7, 7] = 1
    op = functools.partial(motion_blur, length=length, angle=angle)
    lines = jax.jit(jax.vmap(op, (0, None)))(jax.random.split(KEY, count), dot)[..., 0]
    rows, columns = np.mgrid[:15, :15] - 7
    return (np.sum(lines * m, (1, 2)) for m in (rows**2, columns**2, -rows * columns))


def test_angles_are_drawn_from_their_range():
    yy, xx, xy = spreads(300, length=(9.0, 10.0), angle=(20.0, 60.0))
    angles = np.rad2deg(np.arctan2(2 * xy, xx - yy) / 2)
    assert 19 < angles.min() < 23
    assert 57 < angles.max() < 61
    np.testing.assert_allclose(angles.mean(), 40, atol=3)
    # The variance along the path: L²/12 of the line and up to 1/6 + … of its bilinear reading.
    assert np.all((yy + xx > 81 / 12) & (yy + xx < 100 / 12 + 0.5))


def test_length_and_angle_are_drawn_apart():
    yy, xx, xy = spreads(400, length=(3.0, 12.0), angle=(20.0, 60.0))
    # A line's variance grows with its length, its direction is that of its covariance.
    angles = np.arctan2(2 * xy, xx - yy)
    assert abs(np.corrcoef(np.sqrt(yy + xx), angles)[0, 1]) < 5 / np.sqrt(400)
