"""Operations that only imgaug has, against what it made of fixed pictures.

tests/golden/make_augment.py wrote the file, says with which versions, and has the statistics.
"""

import functools
import importlib.util
import pathlib

import jax
import numpy as np
import pytest

from cnnjax import augment

FOLDER = pathlib.Path(__file__).parents[1] / "golden"
GOLDEN = dict(np.load(FOLDER / "augment.npz"))
PHOTO = GOLDEN["photo"].astype(np.float32) / 255
KEY = jax.random.key(0)


def levels(name, image):
    """By how many of 255 levels an image is off."""
    return np.abs(255 * np.asarray(image) - GOLDEN[name])


@pytest.mark.parametrize(("alpha", "strength"), [(1.0, 0.0), (0.4, 0.7), (0.8, 1.0)])
def test_emboss(alpha, strength):
    found = augment.emboss(KEY, PHOTO, alpha=alpha, relief=strength)
    # Theirs is rounded to whole levels; the border is mirrored as ours.
    assert levels(f"emboss {alpha} {strength}", found).max() <= 0.501


@pytest.mark.parametrize(("threshold", "factor"), [(140, 2.5), (100, 1.5), (255, 4.0)])
def test_fast_snowy_landscape(threshold, factor):
    # Theirs compares whole levels of lightness, hence the half.
    below = min((threshold - 0.5) / 255, 1.0) if threshold < 255 else 1.0
    found = augment.fast_snowy_landscape(
        KEY, PHOTO, lightness_threshold=below, lightness_multiplier=factor
    )
    off = levels(f"fast_snowy_landscape {threshold} {factor}", found)
    # Theirs rounds hue to 2°, and lightness and saturation to whole levels; the multiplier takes
    # the rounding of the lightness along.
    assert off.mean() < 0.5
    assert off.max() <= 1.0 + 1.5 * factor


@pytest.mark.parametrize(
    ("length", "angle", "mean", "most"),
    [(5, 0.0, 1.0, 7), (5, 90.0, 1.0, 7), (9, 45.0, 0.4, 2.5), (9, -20.0, 0.4, 2.5)],
)
def test_motion_blur(length, angle, mean, most):
    # imgaug measures from straight up, clockwise, and ours counter-clockwise from the right.
    found = augment.motion_blur(KEY, PHOTO, length=length, angle=90 - angle)
    # Inside, as it leaves the outermost pixel out where it mirrors. Along an axis its path is whole
    # pixels; ours has its ends between pixels, so that they fade: an eighth of a pixel moves
    # outwards at each. A turned path it reads bilinearly, as ours.
    off = levels(f"motion_blur {length} {angle}", found)[5:-5, 5:-5]
    assert off.mean() < mean
    assert off.max() < most
    assert levels(f"motion_blur {length} {angle}", PHOTO).mean() > 12


def test_superpixel():
    flatten = functools.partial(augment.superpixel, probability=1.0, segments=64)
    ours = np.asarray(jax.jit(flatten)(KEY, PHOTO))
    theirs = GOLDEN["superpixel 64"] / 255
    count, expected = (
        len(np.unique(np.round(image.reshape(-1, 3), 5), axis=0)) for image in (ours, theirs)
    )
    assert 0.75 <= count / expected <= 1.33
    # Theirs, in the colour space Lab, lets position count for more, and gives scraps to their
    # neighbours: it lies between ours and the grid's squares, of 6 × 6 pixels.
    means = PHOTO.reshape(8, 6, 8, 6, 3).mean((1, 3))
    squares = means.repeat(6, axis=0).repeat(6, axis=1)
    error = [np.mean((image - PHOTO) ** 2) for image in (ours, theirs, squares)]
    assert error == sorted(error)


@pytest.mark.parametrize("cells", [5, 7])
def test_coarse_salt(cells):
    image = np.zeros((48, 48, 1), np.float32)
    salt = functools.partial(augment.coarse_salt, fraction=0.3, size_fraction=cells / 48)
    white = np.asarray(jax.jit(jax.vmap(salt, (0, None)))(jax.random.split(KEY, 300), image))[
        ..., 0
    ]
    # Cells begin at the same pixels. Theirs are grey to white, ours are white.
    starts = np.flatnonzero(np.diff(white, axis=1).any((0, 2))) + 1
    np.testing.assert_array_equal(starts, GOLDEN[f"coarse_salt {cells} starts"])
    share, deviation = GOLDEN[f"coarse_salt {cells} share"]
    # Five standard errors of a difference between two means of 300.
    assert white.mean() == pytest.approx(share, abs=5 * deviation * np.sqrt(2 / 300))
    assert white.mean((1, 2)).std() == pytest.approx(deviation, rel=0.25)


@pytest.mark.parametrize("grey", [128, 230])
def test_additive_gaussian_noise(grey):
    image = np.full((200, 32 * 32, 3), grey / 255, np.float32)
    noisy = np.asarray(augment.additive_gaussian_noise(KEY, image, deviation=0.1))
    # 614,400 numbers each: five standard errors of the difference are 0.001; at 230 a sixth is
    # clipped. Theirs is cut off to whole levels.
    found = [noisy.mean(), noisy.std(), np.mean(np.round(noisy * 255) == 255)]
    np.testing.assert_allclose(found, GOLDEN[f"additive_gaussian_noise {grey}"], atol=0.004)


# --- weather, by statistics: mean, deviation, coverage, and the shares of the octaves


@functools.cache
def maker():
    """The module that wrote the file; it imports imgaug only where it makes pictures."""
    spec = importlib.util.spec_from_file_location("make_augment", FOLDER / "make_augment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def statistics(name, **options):
    """The mean statistics of an operation on black pictures of the file's size."""
    black = np.zeros((maker().SIZE, maker().SIZE, 1), np.float32)
    operation = functools.partial(getattr(augment, name), **options)
    layers = jax.jit(jax.vmap(operation, (0, None)))(jax.random.split(KEY, 200), black)
    return maker().statistics(layers[..., 0]).mean(0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clouds", {"density": 0.8, "sparsity": 1.5, "exponent": -2.0}),
        ("fog", {"density": 0.8, "unevenness": 0.3, "exponent": -3.0}),
    ],
)
def test_the_opacity_of_clouds_and_fog_at_fixed_parameters(name, options):
    found, expected = statistics(name, intensity=1.0, **options), GOLDEN[f"{name} opacity"]
    # The same formula over another noise: octaves of splines for random phases of a spectrum. 200
    # draws; the mean of one has the deviation 0.065, a share 0.14 at the most.
    np.testing.assert_allclose(found[:2], expected[:2], atol=0.025)
    np.testing.assert_allclose(found[2], expected[2], atol=0.05)
    np.testing.assert_allclose(found[3:], expected[3:], atol=0.15)


@pytest.mark.parametrize(
    ("name", "options", "finest"),
    [
        # imgaug's layer is finer by half of the exponent, and its brightness varies by a fifth.
        ("clouds", {}, (0.0, 0.05)),
        # Its brightness varies by a fifth too, which makes all of the finer octaves.
        ("fog", {}, (0.0, 0.02)),
        # imgaug's flakes are of a pixel or two; ours are fewer, larger, and without its glow.
        ("snowflakes", {}, (0.15, 0.65)),
        # imgaug's picture does not darken; its streaks are blurred, ours are not.
        ("rain", {"darkening": 0.0}, (0.4, 0.65)),
    ],
)
def test_weather_of_the_default_ranges_is_about_as_strong(name, options, finest):
    found, expected = statistics(name, **options), GOLDEN[name]
    ratio = found[:3] / expected[:3]
    # Ranges are parametrised otherwise, so within a factor of two, of 2.5 for the deviation.
    assert 0.5 < ratio[0] < 2
    assert 0.4 < ratio[1] < 2.5
    assert 0.5 < ratio[2] < 2
    assert finest[0] <= found[-1] <= finest[1]
