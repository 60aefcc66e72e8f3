"""Padding to a larger canvas."""

import numpy as np
import pytest

from cnnjax import data
from cnnjax.errors import UserError


def test_the_odd_row_and_column_come_after_the_image():
    digits = data.load("digits")
    larger = data.on_canvas(digits, 29)
    for name in ("train", "validation", "test"):
        before, after = getattr(digits, name), getattr(larger, name)
        assert after.images.shape[1:] == (29, 29, 1)
        np.testing.assert_array_equal(after.images[:, :28, :28], before.images)
        assert not after.images[:, 28].any()
        assert not after.images[:, :, 28].any()
        np.testing.assert_array_equal(after.labels, before.labels)


def test_the_image_is_in_the_centre():
    digits = data.load("digits")
    larger = data.on_canvas(digits, 32)
    for name in ("train", "validation", "test"):
        expected = np.pad(getattr(digits, name).images, [(0, 0), (2, 2), (2, 2), (0, 0)])
        np.testing.assert_array_equal(getattr(larger, name).images, expected)


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [("digits", 20, "the images of digits are 28×28"), ("mnist1d", 50, "holds signals")],
)
def test_what_cannot_be_padded_is_told(name, side, message):
    with pytest.raises(UserError, match=message):
        data.on_canvas(data.load(name), side)
