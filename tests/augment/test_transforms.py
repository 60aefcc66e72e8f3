import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.augment import transforms

TRANSFORMS = {
    "rotate": "degrees",
    "shear": "ratio",
    "scale": "fraction",
    "translate": "pixels",
    "elastic": "alpha",
    "affine": "rotation",
    "affine_elastic": "rotation",
    "flip_horizontal": "probability",
    "flip_vertical": "probability",
    "gaussian_noise": "deviation",
}


@pytest.fixture(params=TRANSFORMS, scope="module")
def transform(request):
    return getattr(augment, request.param)


def picture():
    return np.random.default_rng(0).random((9, 7, 2)).astype(np.float32)


def test_plain_jit_and_vmap_agree(transform):
    keys = jax.random.split(jax.random.key(0), 3)
    images = np.stack([picture(), picture()[::-1], picture()[:, ::-1]])
    batched = jax.jit(jax.vmap(transform))(keys, images)
    assert batched.shape == images.shape
    jitted = jax.jit(transform)
    for key, image, expected in zip(keys, images, batched, strict=True):
        np.testing.assert_allclose(jitted(key, image), expected, atol=1e-4)
    np.testing.assert_allclose(transform(keys[0], images[0]), batched[0], atol=1e-4)


def test_twenty_keys_give_more_than_one_result(transform):
    results = jax.jit(jax.vmap(transform, (0, None)))(
        jax.random.split(jax.random.key(1), 20), picture()
    )
    assert len(np.unique(np.asarray(results).reshape(20, -1), axis=0)) > 1


def test_every_public_signature_is_key_image_and_keyword_defaults():
    public = [
        value
        for name, value in vars(transforms).items()
        if inspect.isfunction(value) and not name.startswith("_")
        if value.__module__ == transforms.__name__
    ]
    assert {f.__name__ for f in public} == set(TRANSFORMS)
    for function in public:
        key, image, *options = inspect.signature(function).parameters.values()
        assert (key.name, image.name) == ("key", "image")
        assert all(o.kind is o.KEYWORD_ONLY and o.default is not o.empty for o in options)
        assert TRANSFORMS[function.__name__] in {o.name for o in options}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_negative_range_is_refused_in_the_policys_words(name):
    with pytest.raises(ValueError, match=r"=-1.*: expected a number ≥ 0"):
        getattr(augment, name)(jax.random.key(0), jnp.ones((4, 4, 1)), **{TRANSFORMS[name]: -1.0})


def test_translate_shifts_within_its_range():
    dot = np.zeros((21, 21, 1), np.float32)
    dot[10, 10] = 1
    moved = jax.vmap(augment.translate, (0, None))(jax.random.split(jax.random.key(0), 200), dot)
    rows, columns = np.mgrid[:21, :21]
    places = np.stack(
        [np.sum(moved[..., 0] * rows, (1, 2)), np.sum(moved[..., 0] * columns, (1, 2))]
    )
    assert 1.9 < np.abs(places - 10).max() <= 2.001
    np.testing.assert_allclose(places.mean(1), 10, atol=0.25)
