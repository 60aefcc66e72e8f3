"""Corruptions grow with their severity, draw what they should, and are counted as published."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from cnnjax import data
from cnnjax.errors import UserError
from cnnjax.invariance import corrupt, corrupted, corruption_errors, measure_corruptions
from cnnjax.invariance.corruptions import CORRUPTIONS, NAMES, SEVERITIES, _spoil

KEY = jax.random.key(0)


@functools.cache
def digits():
    """A dozen digits, which do not reach the border."""
    return data.load("digits").validation.images[:12]


@pytest.fixture(scope="module")
def spoilt():
    return {name: np.asarray(corrupted(name, KEY, digits())) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_severity_is_farther_from_the_original(spoilt, name):
    away = np.square(spoilt[name] / 255.0 - digits() / 255.0).mean((1, 2, 3, 4))
    assert away[0] > 0
    assert np.all(np.diff(away) > 0)


def test_the_same_key_gives_the_same_images_and_another_one_others(spoilt):
    for name in ("gaussian_noise", "cutout"):
        again = np.asarray(corrupted(name, KEY, digits()))
        np.testing.assert_array_equal(again, spoilt[name])
        assert np.any(np.asarray(corrupted(name, jax.random.key(1), digits())) != again)


def test_an_image_does_not_depend_on_those_after_it(spoilt):
    few = np.asarray(corrupted("rotation", KEY, digits()[:5]))
    np.testing.assert_allclose(few.astype(int), spoilt["rotation"][:, :5], atol=1)


def test_images_draw_for_themselves(spoilt):
    alike = np.repeat(digits()[:1], 12, axis=0)
    each = np.asarray(corrupted("cutout", KEY, alike))[0]
    assert len({image.tobytes() for image in each}) > 6


def test_the_severity_is_traced():
    images = digits()
    corrupted("brightness", KEY, images)
    programs = _spoil._cache_size()
    corrupted("brightness", jax.random.key(5), images[::-1])
    assert _spoil._cache_size() == programs


@pytest.mark.parametrize("name", ["rotation", "salt_and_pepper"])
def test_one_image_alone_under_jit_and_under_vmap_is_the_same(name):
    images = jnp.asarray(digits()[:3] / 255.0, jnp.float32)
    keys = jax.random.split(KEY, 3)
    alone = [corrupt(name, key, image, 4) for key, image in zip(keys, images, strict=True)]
    mapped = jax.vmap(lambda key, image: corrupt(name, key, image, 4))(keys, images)
    jitted = jax.jit(corrupt, static_argnums=0)(name, keys[0], images[0], 4)
    np.testing.assert_allclose(mapped, np.stack(alone), atol=1e-5)
    np.testing.assert_allclose(jitted, alone[0], atol=1e-5)


def test_values_by_hand():
    image = jnp.array([0.0, 1.0, 0.0, 1.0]).reshape(2, 2, 1)
    # Contrast 0.4 about the mean 0.5; brightness + 0.5, clipped; above 0.4 is turned over.
    by_hand = {
        ("contrast", 1): [0.3, 0.7, 0.3, 0.7],
        ("brightness", 5): [0.5, 1.0, 0.5, 1.0],
        ("solarise", 5): [0.0, 0.0, 0.0, 0.0],
    }
    for (name, severity), expected in by_hand.items():
        found = corrupt(name, KEY, image, severity)
        np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_noise_has_the_deviation_it_says():
    grey = np.full((28, 28, 1), 0.5, np.float32)
    for severity in (1, 2):
        found = corrupt("gaussian_noise", KEY, grey, severity)
        assert np.std(found) == pytest.approx(0.1 * severity, rel=0.08)


def test_coarse_salt_hits_the_share_it_says():
    grey = np.full((300, 28, 28, 1), 128, np.uint8)
    found = np.asarray(corrupted("coarse_salt", KEY, grey))
    for images, share in zip(found, CORRUPTIONS["coarse_salt"].values, strict=True):
        assert np.mean(images != 128) == pytest.approx(share, rel=0.2)


def test_blurs_are_as_wide_as_they_say():
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    away = np.arange(41) - 20.0
    for severity in (1, 3, 5):
        spread = np.asarray(corrupt("gaussian_blur", KEY, point, severity))[..., 0]
        assert spread.sum() == pytest.approx(1, abs=1e-3)
        sigma = CORRUPTIONS["gaussian_blur"].values[severity - 1]
        assert np.sqrt((spread.sum(0) * away**2).sum()) == pytest.approx(sigma, rel=0.05)
        line = np.asarray(corrupt("motion_blur", KEY, point, severity))[..., 0]
        variance = (line.sum(0) * away**2).sum() + (line.sum(1) * away**2).sum()
        length = CORRUPTIONS["motion_blur"].values[severity - 1]
        # An even line, whose ends are as soft as a pixel.
        assert np.sqrt(12 * variance) == pytest.approx(length, abs=1.5)


def test_a_cut_is_as_wide_as_it_says():
    black = np.zeros((60, 28, 28, 1), np.uint8)
    found = np.asarray(corrupted("cutout", KEY, black))
    for images, side in zip(found, CORRUPTIONS["cutout"].values, strict=True):
        rows = (images[..., 0] > 0).any(2).sum(1)
        assert rows.max() == pytest.approx(28 * side, abs=1)  # others reach over the border


def test_shearing_is_scipys_one_way_or_the_other(spoilt):
    tangent = CORRUPTIONS["shear"].values[1]
    for image, found in zip(digits(), spoilt["shear"][1], strict=True):
        away = []
        for side in (tangent, -tangent):
            matrix = np.array([[1, 0], [side, 1]])
            expected = scipy.ndimage.affine_transform(
                image[..., 0] / 255.0, matrix, 13.5 - matrix @ [13.5, 13.5], order=1
            )
            away.append(np.abs(expected - found[..., 0] / 255.0).max())
        assert min(away) < 0.005 < max(away)


def test_shrinking_leaves_the_square_of_the_factor(spoilt):
    for severity in (2, 5):
        factor = CORRUPTIONS["shrinking"].values[severity - 1]
        ink = spoilt["shrinking"][severity - 1].sum((1, 2, 3)) / digits().sum((1, 2, 3))
        np.testing.assert_allclose(ink, factor**2, rtol=0.06)


def test_rotation_is_scipys_one_way_or_the_other(spoilt):
    degrees = CORRUPTIONS["rotation"].values[1]
    for image, found in zip(digits(), spoilt["rotation"][1], strict=True):
        both = [
            scipy.ndimage.rotate(
                image[..., 0] / 255.0, angle, reshape=False, order=1, mode="grid-constant"
            )
            for angle in (degrees, -degrees)
        ]
        away = [np.abs(each - found[..., 0] / 255.0).max() for each in both]
        assert min(away) < 0.005 < max(away)


def test_translation_moves_the_centre_of_mass_as_far_as_it_says(spoilt):
    for severity in (1, 3):
        distance = 28 * CORRUPTIONS["translation"].values[severity - 1]
        for image, found in zip(digits(), spoilt["translation"][severity - 1], strict=True):
            centres = [scipy.ndimage.center_of_mass(each[..., 0]) for each in (image, found)]
            assert np.hypot(*np.subtract(*centres)) == pytest.approx(distance, abs=0.2)


def test_salt_and_pepper_hit_the_share_they_say(spoilt):
    grey = np.full((12, 28, 28, 1), 128, np.uint8)
    found = np.asarray(corrupted("salt_and_pepper", KEY, grey))
    for share, images in zip(CORRUPTIONS["salt_and_pepper"].values, found, strict=True):
        # Pepper may fall on salt, and covers it.
        deviation = np.sqrt(share / 2 / images.size)
        assert np.mean(images == 0) == pytest.approx(share / 2, abs=5 * deviation)
        salt = share / 2 * (1 - share / 2)
        assert np.mean(images == 255) == pytest.approx(salt, abs=5 * deviation)


@pytest.mark.parametrize("severity", [0, 6])
def test_a_severity_outside_1_to_5_is_an_error(severity):
    with pytest.raises(ValueError, match=f"severity={severity}: expected 1, 2, 3, 4 or 5"):
        corrupt("fog", KEY, jnp.zeros((4, 4, 1)), severity)
    with pytest.raises(ValueError, match=f"severity={severity}: expected 1, 2, 3, 4 or 5"):
        corrupted("fog", KEY, digits(), severities=(1, severity))


def test_an_unknown_corruption_is_one_line():
    with pytest.raises(UserError, match="did you mean 'fog'") as told:
        corrupted("frog", KEY, digits())
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match="did you mean 'fog'"):
        corrupt("frog", KEY, jnp.zeros((4, 4, 1)), 1)


def linear(variables, x):
    return x.reshape(len(x), -1) @ variables


def test_members_are_measured_as_counting_by_hand_does(spoilt):
    random = np.random.default_rng(2)
    members = [random.normal(size=(28 * 28, 3)).astype(np.float32) for _ in range(2)]
    labels = random.integers(0, 3, 12).astype(np.int32)
    chosen = {"snow": (2, 5), "brightness": SEVERITIES}
    found = measure_corruptions(linear, members, digits(), labels, chosen, batch_size=7, key=KEY)
    for weights, rows in zip(members, found, strict=True):

        def guess(images, weights=weights):
            return np.argmax((images / 255.0).reshape(len(images), -1) @ weights, axis=1)

        before = guess(digits())
        assert rows[0][:2] == ("none", 0.0)
        assert rows[0].errors == np.sum(before != labels)
        cells = [(name, float(each)) for name, severities in chosen.items() for each in severities]
        assert [row[:2] for row in rows[1:]] == cells
        for row, (name, severity) in zip(rows[1:], cells, strict=True):
            after = guess(spoilt[name][int(severity) - 1])
            assert row.accuracy == pytest.approx(np.mean(after == labels))
            assert row.errors == np.sum(after != labels)
            assert row.consistency == pytest.approx(np.mean(after == before))


def test_corruption_errors_by_the_papers_formulas():
    # Two corruptions at three severities. CE = (10 + 20 + 30) / (20 + 40 + 60) = 50 % and
    # (40 + 50 + 60) / (30 + 30 + 40) = 150 %, so that mCE is 100 %.
    errors = np.array([[0.10, 0.20, 0.30], [0.40, 0.50, 0.60]])
    plain = np.array([[0.20, 0.40, 0.60], [0.30, 0.30, 0.40]])
    np.testing.assert_allclose(corruption_errors(errors, plain), [0.5, 1.5])
    # Relative, with clean errors of 5 % and 10 %: (60 − 15) / (120 − 30), (150 − 15) / (100 − 30).
    relative = corruption_errors(errors, plain, clean=0.05, plain_clean=0.10)
    np.testing.assert_allclose(relative, [45 / 90, 135 / 70])
    both = corruption_errors(np.stack([errors, plain]), plain, clean=[0.05, 0.1], plain_clean=0.1)
    np.testing.assert_allclose(both, [relative, [1.0, 1.0]])


def test_where_the_plain_network_makes_no_error_there_is_no_figure():
    found = corruption_errors(np.array([[0.1], [0.1]]), np.array([[0.0], [0.2]]))
    np.testing.assert_allclose(found, [np.nan, 0.5])


def test_a_severity_that_was_not_measured_counts_on_neither_side():
    errors, plain = np.array([[0.1, np.nan, 0.3]]), np.array([[0.2, np.nan, 0.2]])
    np.testing.assert_allclose(corruption_errors(errors, plain), [1.0])
    found = corruption_errors(errors, plain, clean=0.05, plain_clean=0.1)
    np.testing.assert_allclose(found, [0.3 / 0.2])
    # Nor where only the one was not measured; and where nothing is left, nothing is known.
    np.testing.assert_allclose(corruption_errors(errors, np.full((1, 3), 0.2)), [1.0])
    np.testing.assert_allclose(corruption_errors(np.full((1, 3), np.nan), plain), [np.nan])
