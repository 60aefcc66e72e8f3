import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import features
from cnnjax.errors import UserError
from cnnjax.features import pipeline


def test_names_apply_from_left_to_right():
    images = np.random.default_rng(0).random((2, 12, 12, 1)).astype(np.float32) ** 4
    extract = features.build(("deskew", "normalise_size", "hog"))
    expected = features.hog(features.normalise_size(features.deskew(images)))
    np.testing.assert_allclose(extract(images), expected, atol=1e-6)
    np.testing.assert_allclose(jax.jit(extract)(images), expected, atol=1e-4)


def test_no_names_are_the_identity_for_signals_too():
    signals = np.random.default_rng(0).random((2, 40, 1)).astype(np.float32)
    np.testing.assert_array_equal(features.build(())(signals), signals)


@pytest.mark.parametrize("name", features.NAMES)
def test_every_name_takes_a_batch_and_refuses_signals(name, unchecked):
    extract = features.build((name,))
    assert len(extract(jnp.ones((3, 12, 12, 1)))) == 3
    with pytest.raises(ValueError, match=r"images of shape \(3, 40, 1\): expected \(batch, height"):
        extract(jnp.ones((3, 40, 1)))


def test_unknown_and_misplaced_names_are_user_errors():
    with pytest.raises(UserError, match="did you mean 'deskew'"):
        features.build(("deskw",))
    with pytest.raises(UserError, match="expected 'hog' last, it gives vectors"):
        features.build(("hog", "deskew"))
    with pytest.raises(UserError, match=r"features='hog': expected a tuple of names, \('hog',\)"):
        features.build("hog")


@pytest.mark.parametrize("name", features.NAMES)
def test_pixels_of_whole_numbers_are_refused(name, unchecked):
    with pytest.raises(ValueError, match="images of type uint8: expected floats"):
        features.build((name,))(jnp.ones((3, 12, 12, 1), jnp.uint8))


@pytest.mark.parametrize("name", features.NAMES)
def test_names_are_told_and_only_those_that_give_vectors_must_come_last(name):
    result = features.build((name,))(jnp.ones((2, 12, 12, 1)))
    assert (name in pipeline._LAST) == (result.ndim != 4), f"{name}: see pipeline._LAST"
    assert f"- {name}: " in features.build.__doc__, f"{name}: tell it in features.build"
