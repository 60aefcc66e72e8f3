import functools

import jax
import numpy as np
import pytest
import skimage

from cnnjax.augment.noise import additive_gaussian_noise, coarse_salt, pepper, salt

KEY = jax.random.key(0)


def picture(height=9, width=7, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        (additive_gaussian_noise, {"deviation": -0.1}, r"deviation=-0\.1: expected"),
        (salt, {"fraction": 1.1}, r"fraction=1\.1: expected .* within \[0, 1\]"),
        (pepper, {"fraction": (0.5, 0.1)}, "fraction="),
        (coarse_salt, {"fraction": -1}, "fraction=-1"),
        (coarse_salt, {"size_fraction": (0.5, 2.0)}, "size_fraction="),
    ],
)
def test_bad_ranges_are_refused(op, options, message):
    with pytest.raises(ValueError, match=message):
        op(KEY, picture(), **options)


def test_noise_has_its_deviation_and_is_independent():
    image = np.full((200, 100, 3), 0.5, np.float32)
    added = np.asarray(additive_gaussian_noise(KEY, image, deviation=0.1)) - 0.5
    # 60,000 numbers: a standard error of 0.0004 for the mean, 0.0003 for the deviation.
    np.testing.assert_allclose(added.mean(), 0, atol=0.002)
    np.testing.assert_allclose(added.std(), 0.1, atol=0.0015)
    np.testing.assert_allclose(np.mean(np.abs(added) < 0.1), 0.6827, atol=0.01)
    for shifted in (added[1:, :, :], added[:, 1:, :], added[:, :, 1:]):
        own = added[: shifted.shape[0], : shifted.shape[1], : shifted.shape[2]]
        assert abs(np.mean(own * shifted)) < 0.01 * 5 / np.sqrt(shifted.size)


def test_the_halves_of_an_image_have_noise_of_their_own():
    # One number drawn serves a value in each half.
    image = np.full((200, 100, 3), 0.5, np.float32)
    added = np.asarray(additive_gaussian_noise(KEY, image, deviation=0.1)) - 0.5
    first, second = added[:100], added[100:]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)
    # Nor do the sizes of the two go together.
    sizes = np.corrcoef(np.abs(first).ravel(), np.abs(second).ravel())[0, 1]
    assert abs(sizes) < 5 / np.sqrt(first.size)


@pytest.mark.parametrize(("op", "colour"), [(salt, 1.0), (pepper, 0.0)])
def test_salt_and_pepper_set_whole_pixels_as_often_as_they_say(op, colour):
    image = np.full((150, 100, 3), 0.5, np.float32)
    result = np.asarray(op(KEY, image, fraction=0.2))
    assert set(np.unique(result)) == {0.5, np.float32(colour)}
    assert np.array_equal(result[..., 0], result[..., 2])
    # Five standard errors.
    changed = result[..., 0] != 0.5
    np.testing.assert_allclose(changed.mean(), 0.2, atol=5 * np.sqrt(0.16 / changed.size))
    assert np.all(op(KEY, image, fraction=1.0) == colour)


@pytest.mark.parametrize("fraction", [0.05, 0.3])
@pytest.mark.parametrize("op", [salt, pepper])
def test_salt_and_pepper_against_scikit_image_by_statistics(op, fraction):
    # Of one channel: scikit-image draws for each channel by itself. No value is 0 or 1, and the
    # picture is drawn from another seed than the noise.
    image = 0.1 + 0.8 * picture(300, 200, 1)
    ours = np.asarray(op(KEY, image, fraction=fraction))
    theirs = skimage.util.random_noise(image, mode=op.__name__, amount=fraction, rng=1)
    assert np.unique(ours[ours != image]).tolist() == np.unique(theirs[theirs != image]).tolist()
    # Five standard errors of the difference between two shares, means or variances of n values.
    n, limit = image.size, 5 * np.sqrt(2)
    share = np.mean(theirs != image)
    deviation = np.sqrt(share * (1 - share))
    np.testing.assert_allclose(np.mean(ours != image), share, atol=limit * deviation / np.sqrt(n))
    added, expected = ours - image, theirs - image
    for power in (1, 2):
        apart = np.mean(added**power) - np.mean(expected**power)
        assert abs(apart) < limit * np.std(expected**power) / np.sqrt(n)
    # As often next to each other: pixels fall independently of their neighbours.
    for axis in (0, 1):
        ours_both, theirs_both = (
            np.mean(np.delete(x != image, 0, axis) & np.delete(x != image, -1, axis))
            for x in (ours, theirs)
        )
        atol = limit * np.sqrt(3) * fraction / np.sqrt(n)
        np.testing.assert_allclose(ours_both, theirs_both, atol=atol)


def test_coarse_salt_sets_blocks():
    image = np.full((160, 80, 3), 0.5, np.float32)
    result = np.asarray(coarse_salt(KEY, image, fraction=0.3, size_fraction=0.25))
    assert set(np.unique(result)) == {0.5, 1.0}
    blocks = result.reshape(40, 4, 20, 4, 3)
    assert np.array_equal(blocks, np.broadcast_to(blocks[:, :1, :, :1, :1], blocks.shape))
    white = blocks[:, 0, :, 0, 0] == 1
    np.testing.assert_allclose(white.mean(), 0.3, atol=5 * np.sqrt(0.21 / white.size))


def test_coarse_grids_are_enlarged_by_nearest_and_have_at_least_three_cells():
    image = np.zeros((10, 7, 1), np.float32)
    for k in range(5):
        # 0.6 · 10 and 0.6 · 7 pixels are 6 × 4 cells.
        found = coarse_salt(jax.random.key(k), image, fraction=0.5, size_fraction=0.6)[..., 0]
        rows, columns = np.arange(10) * 6 // 10, np.arange(7) * 4 // 7
        cells = found[np.unique(rows, return_index=True)[1]]
        cells = cells[:, np.unique(columns, return_index=True)[1]]
        assert cells.shape == (6, 4)
        assert np.array_equal(cells[rows][:, columns], found)
        fewest = np.asarray(coarse_salt(jax.random.key(k), image, fraction=0.5, size_fraction=0.0))
        assert np.array_equal(fewest[:4], np.broadcast_to(fewest[:1], (4, 7, 1)))
    sizes = functools.partial(coarse_salt, fraction=0.5, size_fraction=(0.0, 1.0))
    many = jax.jit(jax.vmap(sizes, (0, None)))(jax.random.split(KEY, 300), image)
    edges = np.mean(np.abs(np.diff(many, axis=1)), (1, 2, 3))
    # From 2 edges among 9 on to 9, half of which show.
    assert edges.min() <= 2 / 9
    assert edges.max() > 0.5
    np.testing.assert_allclose(many.mean(), 0.5, atol=0.05)
