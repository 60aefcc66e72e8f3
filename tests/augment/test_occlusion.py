import functools

import jax
import numpy as np
import pytest
import skimage
from scipy import ndimage

from cnnjax.augment.occlusion import cutout, emboss, superpixel

KEY = jax.random.key(0)


def picture(height=9, width=7, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        (cutout, {"fraction": 1.5}, r"fraction=1\.5: expected .* within \[0, 1\]"),
        (cutout, {"value": -1.0}, "value="),
        (emboss, {"alpha": (0.5, 2.0)}, "alpha="),
        (emboss, {"relief": -1.0}, "relief="),
        (superpixel, {"probability": 2.0}, "probability="),
        (superpixel, {"segments": 0}, "segments=0: expected a whole number ≥ 1"),
        (superpixel, {"iterations": 0}, "iterations=0: expected a whole number ≥ 1"),
        (superpixel, {"compactness": 0.0}, r"compactness=0\.0: expected a number above 0"),
    ],
)
def test_bad_options_are_refused(op, options, message):
    with pytest.raises(ValueError, match=message):
        op(KEY, picture(), **options)


def test_cutout_is_a_square_anywhere():
    image = np.full((20, 12, 2), 0.25, np.float32)
    op = functools.partial(cutout, fraction=0.5, value=0.75)
    cut = np.asarray(jax.jit(jax.vmap(op, (0, None)))(jax.random.split(KEY, 2000), image))
    assert set(np.unique(cut)) == {0.25, 0.75}
    filled = cut[..., 0] == 0.75
    assert np.array_equal(filled, cut[..., 1] == 0.75)
    rows, columns = filled.any(2), filled.any(1)
    assert np.array_equal(filled, rows[:, :, None] & columns[:, None, :])
    # Half of the shorter side, or less where the border cuts it, but never less than half of it.
    for lines in (rows, columns):
        assert set(lines.sum(1)) == {3, 4, 5, 6}
        assert np.all(np.abs(np.diff(lines.astype(int), axis=1)).sum(1) <= 2)
    # Every pixel well inside is as likely: 6 of 20 rows times 6 of 12 columns.
    np.testing.assert_allclose(filled[:, 3:-3, 3:-3].mean(0), 0.15, atol=0.04)


@pytest.fixture(scope="module")
def squares():
    """Which pixels of 7 × 5 a square of a given side covers, for 60 keys."""

    @jax.jit
    def cut(side):
        blank = np.zeros((7, 5, 1), np.float32)
        op = functools.partial(cutout, fraction=1.0, value=1.0, strength=side / 5)
        return jax.vmap(op, (0, None))(jax.random.split(KEY, 60), blank)

    return lambda side: np.asarray(cut(side))[..., 0]


def test_cutout_by_hand(squares):
    # A square of one pixel is its centre, which is the key's whatever the side.
    _, rows, columns = np.nonzero(squares(1))
    assert len(rows) == 60
    for centre, side, expected in (
        ((3, 2), 3, ["00000", "00000", "01110", "01110", "01110", "00000", "00000"]),
        ((3, 2), 4, ["00000", "11110", "11110", "11110", "11110", "00000", "00000"]),
        ((0, 0), 3, ["11000", "11000", "00000", "00000", "00000", "00000", "00000"]),
        ((6, 4), 4, ["00000", "00000", "00000", "00000", "00111", "00111", "00111"]),
    ):
        (which,) = np.nonzero((rows == centre[0]) & (columns == centre[1]))
        assert len(which) > 0
        found = squares(side)[which[0]]
        assert ["".join("01"[int(pixel)] for pixel in row) for row in found] == expected


@pytest.mark.parametrize("side", [0, 2, 3, 5])
def test_cutout_is_a_slice_about_its_centre(squares, side):
    expected = np.zeros((60, 7, 5))
    for which, row, column in np.argwhere(squares(1)):
        top, left = row - side // 2, column - side // 2
        expected[which, max(top, 0) : top + side, max(left, 0) : left + side] = 1
    np.testing.assert_array_equal(squares(side), expected)


@pytest.mark.parametrize(("fraction", "likely"), [(0.5, {6: 1}), ((0.0, 0.5), None)])
def test_cutout_covers_the_share_that_it_should(fraction, likely):
    # Of a side evenly between 0 and 6, rounded, the ends are half as likely as the others.
    likely = likely or {side: (0.5 if side in (0, 6) else 1) / 6 for side in range(7)}

    def covered(side, length):
        """The mean over all centres: h pixels before one and r behind it, less what sticks out."""
        h = side // 2
        r = side - 1 - h
        return side - (h * (h + 1) + r * (r + 1)) / (2 * length) if side else 0

    expected = sum(p * covered(side, 20) * covered(side, 12) for side, p in likely.items()) / 240
    op = functools.partial(cutout, fraction=fraction, value=1.0)
    blank = np.zeros((20, 12, 1), np.float32)
    cut = np.asarray(jax.jit(jax.vmap(op, (0, None)))(jax.random.split(KEY, 10_000), blank))
    shares = cut.mean((1, 2, 3))
    assert abs(shares.mean() - expected) < 4 * shares.std() / np.sqrt(len(shares))


@pytest.mark.parametrize(("alpha", "relief"), [(1.0, 0.0), (0.4, 0.7)])
def test_emboss_is_scipys_correlation_with_imgaugs_kernel(alpha, relief):
    s = relief
    kernel = np.array([[-1 - s, 0 - s, 0], [0 - s, 1, 0 + s], [0, 0 + s, 1 + s]])
    identity = np.zeros((3, 3))
    identity[1, 1] = 1
    kernel = (1 - alpha) * identity + alpha * kernel
    image = picture()
    expected = ndimage.correlate(image, kernel[..., None], mode="mirror")
    found = emboss(KEY, image, alpha=alpha, relief=relief)
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-6)


# Compiled as a whole, as its many small steps take seconds one by one.
flatten = jax.jit(superpixel, static_argnames=("probability", "segments", "compactness"))


def test_more_iterations_fit_the_segments_better():
    # Lloyd's iterations of a mean over colours and places: with hardly any weight on the places,
    # each brings the colours of a segment nearer to their mean.
    image = ndimage.gaussian_filter(np.random.default_rng(3).random((24, 20, 3)), (2, 2, 0))
    image = ((image - image.min()) / np.ptp(image)).astype(np.float32)
    options = {"probability": 1.0, "segments": 12, "compactness": 1e-3}
    errors = [
        float(np.sum((np.asarray(many(KEY, image)) - image) ** 2))
        for many in (
            jax.jit(functools.partial(superpixel, iterations=count, **options))
            for count in (1, 2, 10)
        )
    ]
    assert errors[0] > 1.01 * errors[1] > errors[2]


def test_flat_quadrants_stay():
    image = np.zeros((16, 16, 3), np.float32)
    image[:8, :8], image[:8, 8:], image[8:, :8] = [1, 0, 0], [0, 1, 0], [0.2, 0.4, 0.9]
    # 9 segments straddle the quadrants at first, and are padded: 16 is no multiple of 3.
    for segments in (4, 9):
        flat = flatten(KEY, image, probability=1.0, segments=segments)
        np.testing.assert_allclose(flat, image, atol=1e-6)


def test_a_strong_strength_embosses_no_further_than_the_whole():
    image = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    strong = functools.partial(emboss, KEY, image, alpha=1.0, relief=0.5)
    np.testing.assert_array_equal(strong(strength=3.0), strong(strength=1.0))


def test_one_segment_is_the_mean_and_as_many_as_pixels_is_the_image():
    image = picture(6, 6)
    mean = np.broadcast_to(image.mean((0, 1)), image.shape)
    np.testing.assert_allclose(flatten(KEY, image, probability=1.0, segments=1), mean, atol=1e-6)
    fine = flatten(KEY, image, probability=1.0, segments=36, compactness=100.0)
    np.testing.assert_allclose(fine, image, atol=1e-6)


def test_segments_are_replaced_as_often_as_they_should_and_whole():
    image = picture(24, 24)
    flat = np.asarray(flatten(KEY, image, probability=1.0, segments=16))
    op = functools.partial(flatten, probability=0.3, segments=16)
    some = np.asarray(jax.jit(jax.vmap(op, (0, None)))(jax.random.split(KEY, 200), image))
    replaced = np.all(np.abs(some - flat) < 1e-5, axis=-1)
    np.testing.assert_array_equal(some[~replaced], np.broadcast_to(image, some.shape)[~replaced])
    # 3,200 segments: five standard errors are 0.04.
    np.testing.assert_allclose(replaced.mean(), 0.3, atol=0.05)
    colours, segment = np.unique(np.round(flat, 5).reshape(-1, 3), axis=0, return_inverse=True)
    assert 12 <= len(colours) <= 16
    for which in range(len(colours)):
        own = replaced.reshape(200, -1)[:, segment.ravel() == which]
        assert np.all(own.all(1) | ~own.any(1))


@pytest.mark.parametrize(
    ("shape", "segments"), [((2, 400, 1), 10), ((300, 1, 1), 64), ((24, 32, 1), 12)]
)
def test_there_are_about_as_many_segments_as_were_asked_for(shape, segments):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    flat = flatten(KEY, image, probability=1.0, segments=segments, compactness=100.0)
    assert segments / 1.1 <= len(np.unique(flat)) <= segments * 1.1


def test_segments_are_about_those_of_scikit_images_slic():
    image = skimage.transform.resize(skimage.data.astronaut(), (66, 64), anti_aliasing=True)
    image = image.astype(np.float32)
    ours = np.asarray(flatten(KEY, image, probability=1.0, segments=64))
    colours, own = np.unique(np.round(ours, 5).reshape(-1, 3), axis=0, return_inverse=True)
    # The same distance. Its first round, with no colours yet, is our grid, so that it needs one
    # more; its grid lies half a pixel off, and a segment's reach moves with it.
    labels = skimage.segmentation.slic(
        image,
        n_segments=64,
        compactness=0.1,
        max_num_iter=5,
        convert2lab=False,
        enforce_connectivity=False,
        start_label=0,
    )
    count = labels.max() + 1
    assert len(colours) == count == 64
    theirs = np.stack(
        [np.asarray(ndimage.mean(image[..., c], labels, np.arange(count))) for c in range(3)], -1
    )[labels]

    def agreement(segments):
        """The share of pixels that share the segment of most of their own segment."""
        table = np.zeros((64, 64))
        np.add.at(table, (segments.ravel(), labels.ravel()), 1)
        return table.max(1).sum() / labels.size

    # The grid that both began with: cells of 9 × 8 pixels.
    rows, columns = np.mgrid[:66, :64]
    squares = rows // 9 * 8 + columns // 8
    assert agreement(own) > 0.7 > agreement(squares) + 0.1
    error, of_theirs = np.mean((ours - image) ** 2), np.mean((theirs - image) ** 2)
    assert error < 1.5 * of_theirs
    square = np.stack([ndimage.mean(image[..., c], squares, np.arange(64)) for c in range(3)], -1)
    assert error < 0.5 * np.mean((square[squares] - image) ** 2)
