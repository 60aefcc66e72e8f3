"""Corruptions grow with their severity, draw what they should, and are counted as published."""

import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from cnnjax import data
from cnnjax.errors import UserError
from cnnjax.invariance import (
    corrupt,
    corrupted,
    corruption_errors,
    measure_corruptions,
    measurement,
)
from cnnjax.invariance.corruptions import NAMES, SEVERITIES, _spoil

KEY = jax.random.key(0)


@functools.cache
def digits():
    """A dozen digits, which do not reach the border."""
    return data.load("digits").validation.images[:12]


@pytest.fixture(scope="module")
def spoilt():
    return {name: np.asarray(corrupted(KEY, digits(), name)) for name in NAMES}


def of_grey(name, level):
    """A corruption of 300 images of one grey level, severity by severity, in [0, 1]."""
    images = np.full((300, 28, 28, 1), level, np.uint8)
    return np.asarray(corrupted(KEY, images, name))[..., 0] / 255.0


@pytest.mark.parametrize("name", NAMES)
def test_each_severity_is_farther_from_the_original(spoilt, name):
    away = np.square(spoilt[name] / 255.0 - digits() / 255.0).mean((1, 2, 3, 4))
    assert away[0] > 0
    assert np.all(np.diff(away) > 0)


def test_the_same_key_gives_the_same_images_and_another_one_others(spoilt):
    for name in ("gaussian_noise", "cutout"):
        again = np.asarray(corrupted(KEY, digits(), name))
        np.testing.assert_array_equal(again, spoilt[name])
        assert np.any(np.asarray(corrupted(jax.random.key(1), digits(), name)) != again)


def test_an_image_does_not_depend_on_those_after_it(spoilt):
    few = np.asarray(corrupted(KEY, digits()[:5], "rotation"))
    np.testing.assert_allclose(few.astype(int), spoilt["rotation"][:, :5], atol=1)


def test_images_draw_for_themselves(spoilt):
    alike = np.repeat(digits()[:1], 12, axis=0)
    each = np.asarray(corrupted(KEY, alike, "cutout"))[0]
    assert len({image.tobytes() for image in each}) > 6


def test_the_severity_is_traced():
    images = digits()
    corrupted(KEY, images, "brightness")
    programs = _spoil._cache_size()
    corrupted(jax.random.key(5), images[::-1], "brightness")
    assert _spoil._cache_size() == programs


@pytest.mark.parametrize("name", ["rotation", "salt_and_pepper"])
def test_one_image_alone_under_jit_and_under_vmap_is_the_same(name):
    images = jnp.asarray(digits()[:3] / 255.0, jnp.float32)
    keys = jax.random.split(KEY, 3)
    alone = [corrupt(key, image, name, 4) for key, image in zip(keys, images, strict=True)]
    mapped = jax.vmap(lambda key, image: corrupt(key, image, name, 4))(keys, images)
    jitted = jax.jit(corrupt, static_argnums=2)(keys[0], images[0], name, 4)
    np.testing.assert_allclose(mapped, np.stack(alone), atol=1e-5)
    np.testing.assert_allclose(jitted, alone[0], atol=1e-5)


def test_values_by_hand():
    image = jnp.array([0.0, 1.0, 0.0, 1.0]).reshape(2, 2, 1)

    def ends(name):
        found = np.stack([corrupt(KEY, image, name, severity) for severity in SEVERITIES])
        return found[:, 0, :, 0].T

    # About the mean, a half.
    factors = np.array([0.4, 0.3, 0.22, 0.15, 0.1])
    np.testing.assert_allclose(ends("contrast"), [0.5 - factors / 2, 0.5 + factors / 2], atol=1e-6)
    offsets = [0.08, 0.16, 0.25, 0.35, 0.5]  # clipped at 1
    np.testing.assert_allclose(ends("brightness"), [offsets, [1.0] * 5], atol=1e-6)


def test_what_is_brighter_than_the_threshold_is_turned_over():
    ramp = jnp.arange(256.0).reshape(16, 16, 1) / 255
    for severity, threshold in zip(SEVERITIES, (0.95, 0.85, 0.75, 0.6, 0.4), strict=True):
        found = corrupt(KEY, ramp, "solarise", severity)
        # What lies exactly on the threshold may round to either side of it.
        clear = np.abs(ramp - threshold) > 1e-6
        expected = np.where(ramp > threshold, 1 - ramp, ramp)
        np.testing.assert_allclose(found[clear], expected[clear], atol=1e-6)


def test_noise_has_the_deviation_it_says():
    # The median distance from the mean, 0.6745 deviations, does not notice the clipping.
    for images, deviation in zip(
        of_grey("gaussian_noise", 128), (0.1, 0.2, 0.3, 0.4, 0.55), strict=True
    ):
        found = np.median(np.abs(images - 128 / 255)) / 0.6745
        assert found == pytest.approx(deviation, rel=0.03)


def test_coarse_salt_hits_the_share_it_says():
    found = of_grey("coarse_salt", 128)
    for images, share in zip(found, (0.04, 0.07, 0.1, 0.14, 0.18), strict=True):
        assert np.mean(images == 1) == pytest.approx(share, rel=0.15)
    # Seven cells along either side: each block of four by four is of one colour.
    blocks = found.reshape(5, 300, 7, 4, 7, 4)
    assert np.all(blocks == blocks[:, :, :, :1, :, :1])


def test_blurs_are_as_wide_as_they_say():
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    away = np.arange(41) - 20.0
    for severity, sigma in zip(SEVERITIES, (0.7, 1.1, 1.6, 2.2, 3.0), strict=True):
        spread = np.asarray(corrupt(KEY, point, "gaussian_blur", severity))[..., 0]
        assert spread.sum() == pytest.approx(1, abs=1e-3)
        assert np.sqrt((spread.sum(0) * away**2).sum()) == pytest.approx(sigma, rel=0.05)
    keys = jax.random.split(KEY, 30)  # of lines in all directions
    for severity, length in zip(SEVERITIES, (2, 4, 6, 8, 10), strict=True):
        blurred = jax.vmap(lambda key, at=severity: corrupt(key, point, "motion_blur", at))(keys)
        line = np.asarray(blurred)[..., 0]
        variances = (line.sum(1) * away**2).sum(1) + (line.sum(2) * away**2).sum(1)
        # An even line has a twelfth of its square; that it is read between pixels adds to it about
        # a sixth along each axis, and less to short ones.
        assert length**2 + 1 < 12 * np.mean(variances) < length**2 + 4.1


def test_a_cut_is_as_wide_as_it_says():
    black = np.zeros((60, 100, 100, 1), np.uint8)
    found = np.asarray(corrupted(KEY, black, "cutout"))
    for images, side in zip(found, (0.15, 0.22, 0.3, 0.4, 0.5), strict=True):
        rows = (images[..., 0] > 0).any(2).sum(1)
        assert rows.max() == pytest.approx(100 * side, abs=1)  # others reach over the border
        assert images.max() == 128, "grey"


def sheared(image, tangent):
    matrix = np.array([[1, 0], [tangent, 1]])
    offset = 13.5 - matrix @ [13.5, 13.5]
    return scipy.ndimage.affine_transform(image, matrix, offset, order=1)


def turned(image, degrees):
    return scipy.ndimage.rotate(image, degrees, reshape=False, order=1, mode="grid-constant")


@pytest.mark.parametrize(
    ("name", "by_scipy", "values"),
    [
        ("shear", sheared, (0.1, 0.2, 0.35, 0.5, 0.7)),
        ("rotation", turned, (8, 16, 24, 34, 45)),
    ],
)
def test_it_is_scipys_one_way_or_the_other(spoilt, name, by_scipy, values):
    sides = []
    for value, images in zip(values, spoilt[name], strict=True):
        for image, found in zip(digits(), images, strict=True):
            both = [by_scipy(image[..., 0] / 255.0, each) for each in (value, -value)]
            away = [np.abs(each - found[..., 0] / 255.0).max() for each in both]
            assert min(away) < 0.005 < max(away)
            sides.append(np.argmin(away))
    # The severities of an image share its side, and either side is drawn.
    by_severity = np.reshape(sides, (5, 12))
    assert np.all(by_severity == by_severity[0])
    assert 2 < np.sum(by_severity[0]) < 10


def test_corruptions_draw_for_themselves():
    # Both draw a side, and by it move a point above the centre to the left or to the right.
    points = np.zeros((30, 28, 28, 1), np.uint8)
    points[:, 6:9, 13:15] = 255
    columns = [
        scipy.ndimage.center_of_mass(image[..., 0])[1]
        for name in ("rotation", "shear")
        for image in np.asarray(corrupted(KEY, points, name, severities=(2,)))[0]
    ]
    ways = np.sign(np.subtract(columns, 13.5)).reshape(2, 30)
    assert 0.2 < np.mean(ways[0] == ways[1]) < 0.8


def test_shrinking_leaves_the_square_of_the_factor(spoilt):
    for factor, shrunk in zip((0.92, 0.84, 0.76, 0.68, 0.6), spoilt["shrinking"], strict=True):
        ink = shrunk.sum((1, 2, 3)) / digits().sum((1, 2, 3))
        np.testing.assert_allclose(ink, factor**2, rtol=0.06)


def test_translation_moves_the_centre_of_mass_as_far_as_it_says():
    point = np.zeros((12, 28, 28, 1), np.uint8)  # which stays clear of the border
    point[:, 12:16, 12:16] = 255
    distances = (0.03, 0.06, 0.09, 0.12, 0.16)
    for distance, moved in zip(distances, corrupted(KEY, point, "translation"), strict=True):
        for found in np.asarray(moved):
            centre = scipy.ndimage.center_of_mass(found[..., 0])
            assert np.hypot(*np.subtract(centre, 13.5)) == pytest.approx(28 * distance, abs=0.05)


def test_salt_and_pepper_hit_the_share_they_say():
    found = of_grey("salt_and_pepper", 128)
    for share, images in zip((0.04, 0.08, 0.14, 0.22, 0.32), found, strict=True):
        # Pepper may fall on salt, and covers it.
        deviation = np.sqrt(share / 2 / images.size)
        assert np.mean(images == 0) == pytest.approx(share / 2, abs=5 * deviation)
        salt = share / 2 * (1 - share / 2)
        assert np.mean(images == 1) == pytest.approx(salt, abs=5 * deviation)


def test_jpeg_is_pillows_at_the_quality_it_says():
    images = data.load("digits").validation.images[:12, 2:26, 2:26]  # three blocks by three
    found = np.asarray(corrupted(KEY, images, "jpeg"))
    for quality, decoded in zip((30, 15, 8, 4, 2), found, strict=True):
        for image, own in zip(images, decoded, strict=True):
            file = io.BytesIO()
            Image.fromarray(image[..., 0]).save(file, "JPEG", quality=quality)
            apart = np.abs(own[..., 0] - np.asarray(Image.open(file), float))
            # libjpeg's transform in integers may round a coefficient to the other side.
            assert np.mean(apart <= 2) > 0.9


def test_fog_is_as_thick_as_it_says_and_has_thin_places():
    for images, opacity in zip(of_grey("fog", 0), (0.1, 0.2, 0.32, 0.45, 0.6), strict=True):
        thickest, thinnest = images.max((1, 2)), images.min((1, 2))
        # On black the fog is its opacity times its brightness, 0.86 to 1 ...
        assert thickest.min() == pytest.approx(0.86 * opacity, abs=0.005)
        assert thickest.max() == pytest.approx(opacity, abs=0.005)
        # ... and its thinnest place lacks six tenths of that.
        np.testing.assert_allclose(thinnest, 0.4 * thickest, atol=1.5 / 255)


def test_snow_is_as_opaque_and_as_dense_as_it_says():
    # A flake of width w that falls ℓ has the area w (ℓ + w) and brightness 3/4 by mean; 12 %
    # of the cells, 2.8 pixels a side, hold one. Within 30° cos is 0.955 by mean.
    width, length = np.mean([1.4, 2.8]), 0.955 * np.mean([1.12, 2.8])
    area = width * length + width**2 + (2.8 - 1.4) ** 2 / 12
    covered = 0.12 / 2.8**2 * 0.75 * area
    for images, opacity in zip(of_grey("snow", 0), (0.25, 0.4, 0.6, 0.8, 1.0), strict=True):
        assert images.max() == pytest.approx(opacity, abs=0.01)
        assert images.mean() == pytest.approx(opacity * covered, rel=0.1)


def test_rain_is_as_opaque_as_it_says_and_darkens_what_is_behind():
    # A streak is a pixel wide and falls a fifth of the side by mean; 3 % of the pixels start one.
    covered = 0.03 * 0.75 * (28 * 0.2 * 0.989 + 1)
    strengths = (0.25, 0.4, 0.6, 0.8, 1.0)
    for images, opacity in zip(of_grey("rain", 0), strengths, strict=True):
        assert images.max() == pytest.approx(0.9 * opacity, abs=0.01)
        assert images.mean() == pytest.approx(0.9 * opacity * covered, rel=0.1)
    for images, opacity in zip(of_grey("rain", 255), strengths, strict=True):
        assert np.median(images) == pytest.approx(1 - 0.3 * opacity, abs=0.003)


def test_elastic_fields_are_as_strong_and_as_smooth_as_they_say():
    # On a slope each pixel tells how far it was moved. Away from the border the field has the
    # deviation α / (√12 · √π · σ), and is correlated as exp(−d² / 4σ²) at a distance d.
    slope = np.broadcast_to(np.arange(41.0) / 40, (300, 41, 41))[..., None].astype(np.float32)
    images = np.asarray(corrupted(KEY, slope, "elastic"))[..., 0]
    for found, alpha in zip(images, (8, 14, 20, 27, 35), strict=True):
        moved = (found / 255.0 - slope[..., 0])[:, 14:27, 14:27] * 40
        deviation = alpha / (np.sqrt(12 * np.pi) * 3)
        assert moved.std() == pytest.approx(deviation, rel=0.08)
        alike = np.mean(moved[:, :-4] * moved[:, 4:]) / np.mean(moved**2)
        assert alike == pytest.approx(np.exp(-16 / 36), abs=0.08)


def test_perspective_moves_the_corners_as_far_as_it_says():
    # What becomes dark of a white image is outside of the quadrilateral of the moved corners: as
    # often as a random point lies to the wrong side of an edge.
    random = np.random.default_rng(0)
    square, points = (
        np.array([(0, 0), (0, 1), (1, 1), (1, 0)]),
        random.uniform(size=(200_000, 1, 2)),
    )
    found = 1 - of_grey("perspective", 255).mean((1, 2, 3))
    for reach, dark in zip((0.06, 0.1, 0.14, 0.19, 0.24), found, strict=True):
        corners = square + random.uniform(-reach, reach, (200_000, 4, 2))
        edges, to_point = np.roll(corners, -1, 1) - corners, points - corners
        turns = edges[..., 1] * to_point[..., 0] - edges[..., 0] * to_point[..., 1]
        outside = np.mean((turns < 0).any(1))
        assert dark == pytest.approx(outside, rel=0.05)


@pytest.mark.parametrize("severity", [0, 6, 2.5, 3.0, "3"])
def test_a_severity_outside_1_to_5_is_an_error(severity, unchecked):
    with pytest.raises(ValueError, match=f"severity={severity!r}: expected 1, 2, 3, 4 or 5"):
        corrupt(KEY, jnp.zeros((4, 4, 1)), "fog", severity)
    with pytest.raises(ValueError, match=f"severity={severity!r}: expected 1, 2, 3, 4 or 5"):
        corrupted(KEY, digits(), "fog", severities=(1, severity))


def test_a_severity_may_be_an_integer_of_jax():
    image = jnp.zeros((4, 4, 1))
    with pytest.raises(ValueError, match=r"expected 1, 2, 3, 4 or 5"):
        corrupt(KEY, image, "brightness", jnp.int32(6))
    np.testing.assert_allclose(corrupt(KEY, image, "brightness", jnp.int32(3)), image + 0.25)


@pytest.mark.parametrize("severities", [(), 3])
def test_severities_are_some_of_1_to_5(severities, unchecked):
    told = f"severities={severities!r} of fog: expected some of 1 to 5".replace("()", r"\(\)")
    with pytest.raises(ValueError, match=told):
        corrupted(KEY, digits(), "fog", severities=severities)
    with pytest.raises(ValueError, match=told):
        measure(np.zeros((28 * 28, 3)), corruptions={"fog": severities})


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (255 * np.ones((2, 4, 4, 1), np.float32), r"images from 255 to 255: expected floats in"),
        (
            np.ones((2, 4, 1), np.float32),
            r"images of shape \(2, 4, 1\): expected \(examples, height",
        ),
    ],
)
def test_images_are_pixels_or_floats_from_0_to_1(images, told, unchecked):
    with pytest.raises(ValueError, match=told):
        corrupted(KEY, images, "brightness")
    with pytest.raises(ValueError, match=told):
        measure_corruptions(linear, [], images, np.zeros(2, np.int32), key=KEY)


def test_an_unknown_corruption_is_one_line():
    with pytest.raises(UserError, match="did you mean 'fog'") as told:
        corrupted(KEY, digits(), "frog")
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match="did you mean 'fog'"):
        corrupt(KEY, jnp.zeros((4, 4, 1)), "frog", 1)


def linear(variables, x):
    return x.reshape(len(x), -1) @ variables


def measure(*members, **options):
    """The digits, all said to be of class 0."""
    labels = np.zeros(12, np.int32)
    return measure_corruptions(linear, members, digits(), labels, key=KEY, **options)


def test_without_a_choice_all_corruptions_are_measured_at_all_severities(spoilt):
    (rows,) = measure(np.zeros((28 * 28, 3), np.float32))
    every = [(name, float(severity)) for name in NAMES for severity in SEVERITIES]
    assert [row[:2] for row in rows] == [("none", 0.0), *every]


def test_no_copies_are_held_while_others_are_made(monkeypatch):
    held = []

    def noted(*args, **options):
        held.append([each for each in jax.live_arrays() if each.shape == (3, *digits().shape)])
        return corrupted(*args, **options)

    monkeypatch.setattr(measurement, "corrupted", noted)
    chosen = {"brightness": (1, 2, 3), "contrast": (1, 2, 3), "fog": (1, 2, 3)}
    measure(np.zeros((28 * 28, 3), np.float32), corruptions=chosen)
    assert held == [[], [], []]


def test_members_are_measured_as_counting_by_hand_does(spoilt):
    random = np.random.default_rng(2)
    members = [random.normal(size=(28 * 28, 3)).astype(np.float32) for _ in range(2)]
    labels = random.integers(0, 3, 12).astype(np.int32)
    chosen = {"snow": (2, 5), "brightness": SEVERITIES}
    found = measure_corruptions(
        linear, members, digits(), labels, corruptions=chosen, batch_size=7, key=KEY
    )
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
    # 0.2 − 0.3 and 0.4 − 0.3 cancel but for rounding.
    errors, plain = np.array([[0.3, 0.3]]), np.array([[0.2, 0.4]])
    assert np.isnan(corruption_errors(errors, plain, clean=0.2, plain_clean=0.3))


def test_a_severity_that_was_not_measured_counts_on_neither_side():
    errors, plain = np.array([[0.1, np.nan, 0.3]]), np.array([[0.2, np.nan, 0.2]])
    np.testing.assert_allclose(corruption_errors(errors, plain), [1.0])
    found = corruption_errors(errors, plain, clean=0.05, plain_clean=0.1)
    np.testing.assert_allclose(found, [0.3 / 0.2])
    # Nor where only the one was not measured; and where nothing is left, nothing is known.
    np.testing.assert_allclose(corruption_errors(errors, np.full((1, 3), 0.2)), [1.0])
    np.testing.assert_allclose(corruption_errors(np.full((1, 3), np.nan), plain), [np.nan])
