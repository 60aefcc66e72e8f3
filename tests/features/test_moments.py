import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import measure

from cnnjax import features

EXTRACTORS = ["centre", "deskew", "normalise_size", "crop"]


def blobs(count, size=(16, 13), seed=0):
    """Lopsided ellipses well inside the canvas, each elsewhere and with its own slant."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    images = []
    for _ in range(count):
        cy, cx = np.array(size) / 2 - 0.5 + generator.uniform(-1.5, 1.5, 2)
        slant = generator.uniform(-0.5, 0.5)
        u, v = y - cy, x - cx + slant * (y - cy)
        images.append(np.exp(-(u**2) / generator.uniform(4, 6) - v**2 / 2) * (1 + 0.2 * np.sin(u)))
    images = np.array(images)
    return np.where(images > 0.01, images, 0).astype(np.float32)[..., None]


def with_room(images):
    """A wider canvas, so that nothing leaves it."""
    return np.pad(images, ((0, 0), (6, 6), (6, 6), (0, 0)))


def moments_by_skimage(images):
    """skimage's: mass, centre and covariance of each image."""
    found = []
    for image in images[..., 0].astype(np.float64):
        raw = measure.moments(image, order=1)
        centre = raw[1, 0] / raw[0, 0], raw[0, 1] / raw[0, 0]
        central = measure.moments_central(image, order=2) / raw[0, 0]
        covariance = [[central[2, 0], central[1, 1]], [central[1, 1], central[0, 2]]]
        found.append((raw[0, 0], centre, covariance))
    return [np.array(column) for column in zip(*found, strict=True)]


@given(seed=st.integers(0, 2**31), size=st.sampled_from([(16, 13), (28, 28)]))
def test_moments_agree_with_skimage(seed, size):
    images = np.random.default_rng(seed).random((3, *size, 1)).astype(np.float32) ** 3
    found = features.moments(images)
    for ours, theirs in zip(found, moments_by_skimage(images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_mass_of_colours_adds_up():
    colour = np.random.default_rng(0).random((2, 6, 5, 3)).astype(np.float32)
    ours, grey = features.moments(colour), features.moments(colour.sum(-1, keepdims=True))
    for one, other in zip(ours, grey, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_centre_brings_the_centre_of_mass_to_the_middle():
    _, centres, _ = moments_by_skimage(np.asarray(features.centre(blobs(5))))
    np.testing.assert_allclose(centres, np.tile([7.5, 6.0], (5, 1)), atol=5e-3)


def test_deskew_takes_the_slant_out_and_centres():
    images = with_room(blobs(5))
    before = moments_by_skimage(images)[2]
    _, centres, after = moments_by_skimage(np.asarray(features.deskew(images)))
    assert np.abs(before[:, 0, 1]).max() > 0.5
    # Interpolation between two rows spreads the ink vertically by at most 1/4 pixel², which the
    # shear turns into as much of a slant again.
    slant = before[:, 0, 1] / before[:, 0, 0]
    assert np.all(np.abs(after[:, 0, 1]) <= 0.25 * np.abs(slant) + 5e-3)
    np.testing.assert_allclose(centres, np.tile([13.5, 12.0], (5, 1)), atol=5e-3)
    # Rows keep their height, up to the same spread.
    np.testing.assert_allclose(after[:, 0, 0], before[:, 0, 0], atol=0.26)


def test_deskew_is_the_classic_resample():
    from scipy import ndimage

    images = blobs(4)
    _, centres, covariance = moments_by_skimage(images)
    for image, centre, c, result in zip(
        images[..., 0], centres, covariance, features.deskew(images), strict=True
    ):
        matrix = np.array([[1, 0], [c[0, 1] / c[0, 0], 1]])
        offset = centre - matrix @ np.array([7.5, 6.0])
        expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")
        np.testing.assert_allclose(result[..., 0], expected, atol=1e-4)


def test_normalise_size_reaches_the_radius_it_is_asked_for():
    result = np.asarray(features.normalise_size(with_room(blobs(5)), size=0.16 * 13 / 25))
    _, centres, covariance = moments_by_skimage(result)
    radius = np.sqrt(np.trace(covariance, axis1=1, axis2=2))
    # Bilinear interpolation spreads the ink by a little of a pixel.
    np.testing.assert_allclose(radius, 0.16 * 13, rtol=0.06)
    np.testing.assert_allclose(centres, np.tile([13.5, 12.0], (5, 1)), atol=0.05)


def test_normalise_size_stops_at_its_limit():
    square = np.zeros((1, 20, 20, 1), np.float32)
    square[:, 9:11, 9:11] = 1
    result = np.asarray(features.normalise_size(square, size=0.4, limit=2.0))[0, ..., 0]
    assert result.sum() == pytest.approx(16, rel=1e-5)  # twice as wide, twice as high
    np.testing.assert_array_equal(features.normalise_size(square, size=0.4, limit=1.0), square)


def test_normalise_size_shrinks_no_further_than_its_limit():
    full = np.ones((1, 40, 40, 1), np.float32)
    result = np.asarray(features.normalise_size(full, size=0.05, limit=1.2))
    assert result.sum() == pytest.approx(1600 / 1.2**2, rel=0.01)


def test_the_default_radius_is_a_share_of_the_shorter_side():
    # The mean of MNIST's digits: 0.24 of the canvas's side, 9.6 pixels of 40.
    y, x = np.mgrid[:40, :50]
    discs = [np.hypot(y - 19, x - 26) < radius for radius in (10, 18)]
    images = np.array(discs, np.float32)[..., None]
    covariance = moments_by_skimage(np.asarray(features.normalise_size(images)))[2]
    radius = np.sqrt(np.trace(covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(radius, 9.6, rtol=0.01)


def test_crop_fills_the_canvas_up_to_the_margin():
    box = np.zeros((2, 20, 20, 1), np.float32)
    box[0, 2:8, 3:6] = 1  # 6 × 3, to become 12 × 6
    box[1, 1:19, 1:19] = 1  # 18 × 18, to become 12 × 12
    tall, square = np.asarray(features.crop(box))[..., 0]
    assert tall.sum() == pytest.approx(12 * 6, rel=0.02)
    assert np.all(tall[5:15, 8:12] == 1)
    assert not np.any(tall[:3])
    assert square.sum() == pytest.approx(12 * 12, rel=0.03)
    rows = np.flatnonzero(square.sum(1) > 0.5)
    assert (rows[0], rows[-1]) in {(4, 15), (3, 16)}


@pytest.mark.parametrize(("side", "margin"), [(6, 4.0), (2, 7.0), (4, 2.0), (18, 4.0)])
def test_crop_fades_out_over_half_a_pixel_of_the_input(side, margin):
    box = np.zeros((1, 20, 20, 1), np.float32)
    box[0, 1 : 1 + side, 1 : 1 + side] = 1
    result = np.asarray(features.crop(box, margin=margin))[0, ..., 0]
    # Of the margin's pixels, those whose centre is less than half an enlarged pixel from the box.
    half = (20 - 2 * margin) / side / 2
    faded = [distance + 0.5 < half for distance in range(int(margin))]
    rows = result.max(1) > 1e-6
    assert rows[: len(faded)][::-1].tolist() == faded
    assert rows[20 - len(faded) :].tolist() == faded


def test_crop_fills_a_canvas_that_is_not_square():
    boxes = np.zeros((2, 20, 30, 1), np.float32)
    boxes[0, 2:8, 3:6] = 1  # 6 × 3: the height, 12 pixels of 20, is filled first
    boxes[1, 2:5, 3:14] = 1  # 3 × 11: the width, 22 pixels of 30
    tall, wide = np.asarray(features.crop(boxes))[..., 0]
    assert tall.sum() == pytest.approx(12 * 6, rel=0.02)
    assert wide.sum() == pytest.approx(6 * 22, rel=0.02)
    assert np.all(tall[5:15, 13:17] == 1)
    assert np.all(wide[8:12, 5:25] == 1)


def test_crop_overlooks_what_is_no_brighter_than_the_threshold():
    clean = np.zeros((1, 20, 20, 1), np.float32)
    clean[0, 2:8, 3:6] = 1
    specked = clean.copy()
    specked[0, 19, 19] = 0.5
    np.testing.assert_array_equal(features.crop(specked, threshold=0.5), features.crop(clean))
    found = np.asarray(features.crop(specked, threshold=0.49))
    assert found.sum() < 0.7 * clean.sum()  # 18 rows of ink now, on 12


@pytest.mark.parametrize("name", EXTRACTORS)
def test_empty_images_and_single_dots_stay_finite(name):
    extract = getattr(features, name)
    images = np.zeros((3, 9, 9, 1), np.float32)
    images[1, 4, 4] = 1
    images[2, 4, 2:7] = 1  # a dash: no vertical extent
    result, gradient = jax.value_and_grad(lambda x: jnp.sum(extract(x) ** 2))(images)
    assert np.isfinite(result)
    assert np.all(np.isfinite(gradient))
    assert not np.any(extract(images)[0])


def test_a_lone_dot_and_a_dash_are_left_as_they_are():
    images = np.zeros((2, 9, 9, 1), np.float32)
    images[0, 4, 4] = 1
    images[1, 4, 2:7] = 1
    np.testing.assert_allclose(features.deskew(images), images, atol=1e-6)
    np.testing.assert_allclose(features.normalise_size(images[:1]), images[:1], atol=1e-6)


@pytest.mark.parametrize("size", [28, 224])
def test_grey_dots_and_dashes_anywhere_are_only_centred(size):
    generator = np.random.default_rng(0)
    images = np.zeros((60, size, size, 1), np.float32)
    for image, length in zip(images, generator.integers(2, size // 2, 60), strict=True):
        y, x = generator.integers(size), generator.integers(size - length)
        image[y, x : x + length, 0] = generator.random(length)
    np.testing.assert_allclose(features.deskew(images), features.centre(images), atol=1e-6)
    dots = np.where(images == images.max((1, 2, 3), keepdims=True), images, 0)
    np.testing.assert_allclose(features.normalise_size(dots), features.centre(dots), atol=1e-6)


def test_a_second_row_however_faint_has_a_slant():
    images = np.zeros((1, 28, 28, 1), np.float32)
    images[0, 10, :20], images[0, 11, 25] = 1, 1 / 255
    assert np.abs(features.deskew(images) - features.centre(images)).max() > 0.01


def test_moments_of_nothing():
    found = features.moments(jnp.zeros((1, 5, 8, 1)))
    assert found.mass.tolist() == [0]
    assert found.centre.tolist() == [[2, 3.5]]
    assert not np.any(found.covariance)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_jit_and_vmap_agree_and_images_do_not_mix(name):
    extract = getattr(features, name)
    images = blobs(3)
    plain = extract(images)
    np.testing.assert_allclose(jax.jit(lambda x: extract(x))(images), plain, atol=1e-4)
    np.testing.assert_allclose(jax.vmap(extract)(images[:, None])[:, 0], plain, atol=1e-4)


@pytest.mark.parametrize("shift", [(2, 0), (-1, 1)])
def test_normalised_images_no_longer_depend_on_a_shift(shift):
    images = with_room(blobs(3))
    moved = np.roll(images, shift, (1, 2))
    for name in ("centre", "deskew", "normalise_size"):
        extract = getattr(features, name)
        np.testing.assert_allclose(extract(moved), extract(images), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("normalise_size", {"size": 0.0}, "size=0.0: expected a number > 0"),
        ("normalise_size", {"size": np.nan}, "size=nan: expected a number > 0"),
        ("normalise_size", {"limit": 0.5}, "limit=0.5: expected a number ≥ 1"),
        ("normalise_size", {"limit": np.nan}, "limit=nan: expected a number ≥ 1"),
        ("crop", {"margin": np.nan}, "margin=nan: expected at least 0 and below 4.5"),
        ("crop", {"threshold": np.nan}, "threshold=nan: expected a number"),
        ("crop", {"margin": 5.0}, "margin=5.0: expected at least 0 and below 4.5"),
    ],
)
def test_bad_options_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(features, name)(jnp.zeros((1, 9, 9, 1)), **options)


def test_a_large_half_precision_image_is_not_too_much_ink():
    image = np.zeros((1, 400, 400, 1), np.float16)
    image[0, :300, :300] = 1
    np.testing.assert_allclose(features.moments(image).centre, [[149.5, 149.5]], rtol=1e-3)
    assert np.argwhere(np.asarray(features.centre(image)[0, :, :, 0]) > 0.5)[0].tolist() == [50, 50]


def test_a_single_image_is_told_what_it_lacks(unchecked):
    with pytest.raises(ValueError, match=r"images of shape \(28, 28, 1\): expected \(batch"):
        features.deskew(np.ones((28, 28, 1), np.float32))
