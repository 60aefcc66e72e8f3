import hashlib

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import assume, given
from sklearn.datasets import load_digits

from cnnjax.data import load
from cnnjax.data.digits import place


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def splits(dataset):
    return dataset.train, dataset.validation, dataset.test


def box_around(image):
    rows, columns = np.nonzero(image)
    return image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def test_sizes_and_types(digits):
    assert [len(part.labels) for part in splits(digits)] == [1079, 359, 359]
    assert digits.num_classes == 10
    assert digits.class_names == tuple("0123456789")
    assert "scikit-learn" in digits.source
    for images, labels in splits(digits):
        assert images.shape == (len(labels), 28, 28, 1)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int32


def test_every_class_has_its_share_of_every_split(digits):
    counts = np.array([np.bincount(part.labels, minlength=10) for part in splits(digits)])
    assert counts.sum(axis=0).tolist() == np.bincount(load_digits().target).tolist()
    shares = np.array([[0.6], [0.2], [0.2]])
    np.testing.assert_allclose(counts, shares * counts.sum(axis=0), atol=1.5)


def test_no_scan_is_in_two_splits(digits):
    # Every one of the 1,797 scans differs from all others, so equal images would be the same scan.
    images = np.concatenate([part.images for part in splits(digits)])
    assert len({image.tobytes() for image in images}) == len(images) == 1797


def test_centres_of_mass_lie_in_the_middle(digits):
    for images, _ in splits(digits):
        centres = [scipy.ndimage.center_of_mass(image[..., 0].astype(float)) for image in images]
        np.testing.assert_allclose(centres, 13.5, atol=0.5)


def test_ink_fills_a_box_of_twenty(digits):
    for image in digits.train.images:
        assert max(box_around(image[..., 0]).shape) == 20


def test_resampling_agrees_with_scipy():
    scans = load_digits().images
    for scan in scans[:40]:
        ink = box_around(scan)
        height, width = np.floor(np.array(ink.shape) * 20 / max(ink.shape) + 0.5).astype(int)
        rows = (np.arange(height) + 0.5) * ink.shape[0] / height - 0.5
        columns = (np.arange(width) + 0.5) * ink.shape[1] / width - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        # One more pixel of blank paper all round is as far as bilinear interpolation can see.
        expected = scipy.ndimage.map_coordinates(np.pad(ink, 1), [g + 1 for g in grid], order=1)
        actual = place(scan.astype(np.int64))
        top, left = (np.argwhere(actual)[:, axis].min() for axis in (0, 1))
        np.testing.assert_allclose(
            actual[top : top + height, left : left + width], expected * 255 / 16, atol=0.51
        )


@given(hnp.arrays(np.int64, (8, 8), elements=st.integers(0, 16)))
def test_any_ink_is_centred_unless_it_would_leave_the_canvas(scan):
    assume(scan.any())
    image = place(scan)
    for axis in (0, 1):
        lines = image.sum(axis=1 - axis, dtype=np.int64)
        centre = lines @ np.arange(28) / lines.sum()
        at_the_edge = lines[0] > 0 or lines[-1] > 0
        assert abs(centre - 13.5) <= 0.5 or at_the_edge


def test_one_full_pixel_becomes_a_box():
    scan = np.zeros((8, 8), np.int64)
    scan[2, 5] = 16
    image = place(scan)
    assert box_around(image).shape == (20, 20)
    np.testing.assert_array_equal(image, image[::-1])
    np.testing.assert_array_equal(image, image[:, ::-1])


def test_pixels_stay_what_they_were(digits):
    hashes = [
        hashlib.sha256(part.images.tobytes() + part.labels.astype("<i4").tobytes()).hexdigest()
        for part in splits(digits)
    ]
    assert [value[:16] for value in hashes] == [
        "5df1202131af3488",
        "909e5b18fafba4cc",
        "93303c289cb0d768",
    ]


def test_nobody_can_write_to_the_arrays(digits):
    with pytest.raises(ValueError, match="read-only"):
        digits.train.images[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        digits.test.labels[0] = 0
