import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data, feature

from cnnjax import features


def by_skimage(images, orientations, cell, block):
    grey = images.shape[-1] == 1
    return np.stack(
        [
            feature.hog(
                image[..., 0] if grey else image,
                orientations=orientations,
                pixels_per_cell=cell,
                cells_per_block=block,
                block_norm="L2-Hys",
                transform_sqrt=False,
                feature_vector=True,
                channel_axis=None if grey else -1,
            )
            for image in images
        ]
    )


@pytest.mark.parametrize(
    ("shape", "orientations", "cell", "block"),
    [
        ((28, 28, 1), 9, (4, 4), (2, 2)),
        ((28, 28, 1), 8, (7, 7), (1, 1)),
        ((30, 27, 3), 6, (5, 4), (3, 2)),
        ((17, 19, 3), 9, (3, 8), (2, 2)),  # rows and columns are left over
        ((1, 8, 1), 9, (1, 1), (1, 1)),
        ((8, 1, 3), 9, (4, 1), (2, 1)),
        ((2, 6, 1), 9, (1, 3), (2, 2)),
    ],
)
def test_agrees_with_skimage(shape, orientations, cell, block):
    images = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    images[1] *= images[1] > 0.7  # mostly empty
    images[2] *= 1e-4  # so faint that ε counts
    found = features.hog(images, orientations=orientations, cell=cell, block=block)
    expected = by_skimage(images, orientations, cell, block)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_agrees_with_skimage_where_gradients_lie_on_the_boundaries():
    # Black and white: every gradient is a multiple of 45°, with 8 orientations a boundary.
    images = np.random.default_rng(1).integers(0, 2, (4, 16, 16, 1)).astype(np.float32)
    for orientations in (4, 8, 9):
        found = features.hog(images, orientations=orientations)
        expected = by_skimage(images, orientations, (4, 4), (2, 2))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_agrees_with_skimage_on_a_photograph():
    # Left at 0 to 255, where float32 is exact: bytes often tie between channels, and divided by 255
    # the tie would go to whichever channel each library happens to round up.
    photograph = data.astronaut()[None, 100:228, 180:276].astype(np.float32)
    found = features.hog(photograph, cell=(8, 8))
    np.testing.assert_allclose(found, by_skimage(photograph, 9, (8, 8), (2, 2)), atol=1e-5)


def test_each_image_by_itself_under_jit_and_vmap():
    images = np.random.default_rng(2).random((3, 16, 12, 1)).astype(np.float32)
    found = features.hog(images)
    np.testing.assert_allclose(jax.jit(features.hog)(images), found, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(features.hog)(images[:, None])[:, 0], found, atol=1e-6)


def test_brightness_and_contrast_hardly_matter():
    images = np.random.default_rng(3).random((2, 16, 16, 1)).astype(np.float32)
    np.testing.assert_allclose(features.hog(0.5 * images + 0.3), features.hog(images), atol=1e-4)


def test_a_flat_image_gives_zeros_and_a_finite_gradient():
    flat = jnp.full((2, 8, 8, 1), 0.5)
    assert not np.any(features.hog(flat))
    assert np.all(np.isfinite(jax.grad(lambda x: jnp.sum(features.hog(x)))(flat)))


def test_nan_is_seen_in_its_blocks_and_nowhere_else():
    images = np.random.default_rng(5).random((2, 16, 16, 1)).astype(np.float32)
    images[1, 1, 1] = np.nan  # the first cell's, and so the first block's
    lost = np.isnan(features.hog(images)).reshape(2, 3, 3, -1).any(-1)
    assert np.argwhere(lost).tolist() == [[1, 0, 0]]


def test_pairs_may_be_lists_or_arrays(unchecked):
    images = np.random.default_rng(6).random((1, 12, 12, 1)).astype(np.float32)
    expected = features.hog(images, cell=(3, 4), block=(2, 1))
    found = features.hog(images, cell=[3, 4], block=np.array([2, 1]))
    np.testing.assert_array_equal(found, expected)


def test_half_precision_is_single_precision_rounded():
    images = np.random.default_rng(4).random((2, 16, 16, 1)).astype(np.float16)
    images[:, :, 8:] = 0.5
    found = features.hog(images)
    assert found.dtype == np.float16
    expected = features.hog(images.astype(np.float32)).astype(np.float16)
    np.testing.assert_array_equal(found, expected)


def test_no_images_have_no_features():
    assert features.hog(jnp.zeros((0, 28, 28, 1))).shape == (0, 1296)


def test_whole_numbers_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"^images of type uint8: expected floats"):
        features.hog(np.zeros((1, 12, 12, 1), np.uint8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orientations": 0}, "orientations=0: expected an integer ≥ 1"),
        ({"orientations": 9.0}, r"orientations=9\.0: expected an integer ≥ 1"),
        ({"cell": 4}, "cell=4: expected a pair of integers ≥ 1"),
        ({"cell": [4, 4, 4]}, r"cell=\[4, 4, 4\]: expected a pair of integers ≥ 1"),
        ({"block": (2.0, 2)}, r"block=\(2\.0, 2\): expected a pair of integers ≥ 1"),
        ({"cell": (0, 4)}, r"cell=\(0, 4\): expected a pair of integers ≥ 1"),
        ({"block": (2, -1)}, r"block=\(2, -1\): expected a pair of integers ≥ 1"),
        ({"cell": (8, 8)}, "images of 12 × 12: expected at least one block, 16 × 16"),
    ],
)
def test_bad_options_are_named(options, message, unchecked):
    with pytest.raises(ValueError, match=message):
        features.hog(jnp.zeros((1, 12, 12, 1)), **options)
