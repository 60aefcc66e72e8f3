import jax
import numpy as np
import pytest
from scipy import ndimage

from cnnjax import augment

KEY = jax.random.key(0)


def picture(shape=(9, 7, 3)):
    return np.random.default_rng(0).random(shape).astype(np.float32)


def by_scipy(image, forward, shift=(0.0, 0.0)):
    """Moves a picture about its centre by a forward matrix on (row, column)."""
    inverse = np.linalg.inv(forward)
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - inverse @ (centre + shift)
    channels = [
        ndimage.affine_transform(
            image[..., c].astype(np.float64), inverse, offset, order=1, mode="grid-constant"
        )
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, -1)


COSINE, SINE = np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))


@pytest.mark.parametrize(
    ("name", "options", "forward", "shift"),
    [
        ("rotate", {"degrees": 20}, [[COSINE, -SINE], [SINE, COSINE]], (0, 0)),
        ("shear_x", {"ratio": 0.3}, [[1, 0], [-0.3, 1]], (0, 0)),
        ("shear_y", {"ratio": 0.3}, [[1, -0.3], [0, 1]], (0, 0)),
        ("translate_x", {"fraction": 0.25}, np.eye(2), (0, 0.25 * 7)),
        ("translate_y", {"fraction": -0.25}, np.eye(2), (-0.25 * 9, 0)),
        ("scale", {"factor": 0.8}, np.eye(2) * 0.8, (0, 0)),
    ],
)
def test_fixed_parameters_agree_with_scipy(name, options, forward, shift):
    found = getattr(augment, name)(KEY, picture(), **options)
    expected = by_scipy(picture(), np.array(forward), np.array(shift))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rotation_turns_counter_clockwise_and_shear_y_lifts_the_right():
    square = picture((6, 6, 1))
    np.testing.assert_allclose(augment.rotate(KEY, square, degrees=90), np.rot90(square), atol=1e-5)
    line = np.zeros((9, 5, 1), np.float32)
    line[4] = 1
    lifted = augment.shear_y(KEY, line, ratio=1.0)[..., 0]
    np.testing.assert_array_equal(lifted, np.eye(9, 5, -2)[:, ::-1])


@pytest.mark.parametrize("degrees", [np.inf, (0.0, np.inf), np.nan])
def test_an_infinite_angle_is_refused(degrees):
    with pytest.raises(ValueError, match=r"degrees=.*(inf|nan).*: expected .* of finite numbers"):
        augment.rotate(KEY, picture(), degrees=degrees)


def test_axes_scale_apart_only_if_told():
    together = augment.draw_scale(KEY, (9, 7)).steps[0]
    apart = augment.draw_scale(KEY, (9, 7), each_axis=True).steps[0]
    assert together[0, 0] == together[1, 1]
    assert apart[0, 0] != apart[1, 1]
    strong = augment.draw_scale(KEY, (9, 7), factor=0.5, strength=5.0).steps[0]
    np.testing.assert_allclose(strong[0, 0], 10)


def test_ranges_are_drawn_from_evenly():
    motions = jax.vmap(lambda key: augment.draw_translate_x(key, (9, 10), fraction=(0.1, 0.3)))(
        jax.random.split(KEY, 1000)
    )
    pixels = -np.asarray(motions.steps[0][:, 1, 2])
    assert 1 <= pixels.min() < 1.02
    assert 2.98 < pixels.max() <= 3.00001
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [2, 2 / np.sqrt(12)], atol=0.05)


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [("horizontal_flip", picture()[:, ::-1]), ("vertical_flip", picture()[::-1])],
)
def test_flips_have_their_probability_and_their_motion(name, mirrored):
    flip, draws = getattr(augment, name), getattr(augment, f"draw_{name}")
    np.testing.assert_array_equal(flip(KEY, picture(), probability=1.0), mirrored)
    np.testing.assert_array_equal(flip(KEY, picture(), probability=0), picture())

    def both(key):
        motion = draws(key, (9, 7), probability=0.6, strength=0.5)
        moved = augment.move_image(picture(), motion)
        return flip(key, picture(), probability=0.6, strength=0.5), moved

    flipped, moved = jax.vmap(both)(jax.random.split(KEY, 1000))
    np.testing.assert_array_equal(flipped, moved)
    count = np.sum(np.all(flipped == mirrored, (1, 2, 3)))
    assert abs(count - 300) < 5 * np.sqrt(1000 * 0.3 * 0.7)
