"""From stored pixels to network inputs."""

import numpy as np
import pytest
import scipy.stats

from cnnjax import ops
from cnnjax.errors import UserError
from cnnjax.train import door

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1)).astype(np.uint8)


def test_standard_is_the_z_score():
    inputs = door.build(IMAGES, (), "standard")(ops.unit(IMAGES))
    expected = scipy.stats.zscore(IMAGES.astype(float), axis=None)
    np.testing.assert_allclose(inputs, expected, atol=1e-4)


def test_signed_maps_black_and_white_to_minus_one_and_one():
    opened = door.build(IMAGES, (), "signed")
    assert opened(ops.unit(np.array([[0, 255]], np.uint8))).tolist() == [[-1.0, 1.0]]


def test_signals_are_not_taken_for_pixels():
    signals = np.array([[-3.0, 4.0]], np.float32)
    assert ops.unit(signals).tolist() == signals.tolist()


def test_pixels_of_booleans_are_black_and_white_and_other_whole_numbers_are_refused():
    assert ops.unit(np.array([False, True])).tolist() == [0.0, 1.0]
    for kind in (np.int32, np.uint16):
        with pytest.raises(ValueError, match=f"pixels of type {kind.__name__}: expected uint8"):
            ops.unit(np.array([0, 255], kind))


def test_features_are_normalised_after_extraction():
    inputs = np.asarray(door.build(IMAGES, ("hog",), "standard")(ops.unit(IMAGES)))
    assert inputs.ndim == 2
    assert inputs.mean() == pytest.approx(0, abs=1e-4)
    assert inputs.std() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("names", "normalise", "message"),
    [((), "standart", "dataset.normalise='standart'"), (("hogg",), "standard", "'hog'")],
)
def test_unknown_names_are_told(names, normalise, message):
    with pytest.raises(UserError, match=message):
        door.build(IMAGES, names, normalise)
