import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnjax import augment
from cnnjax.errors import UserError

SIDE, COUNT = 12, 60
BARE = {"distractors": 0, "viewpoint": 0.0, "relief": 0.0, "gain": 1.0, "slope": 0.0, "gamma": 1.0}
"""Nothing of a scene but its ground, which is even unless it is a photograph."""


@functools.cache
def grounds(channels):
    """What the policy puts behind images that show nothing."""
    policy = augment.build("scenes", photographs=True, **BARE)
    nothing = np.zeros((COUNT, SIDE, SIDE, channels), np.float32)
    made = jax.jit(policy)(jax.random.key(2), nothing, jnp.zeros(COUNT, int), 1.0)
    return policy, nothing, np.asarray(made)


def occurrences(window, pictures):
    """(picture, row, column) wherever the window is found."""
    height, width, _ = window.shape
    corners = np.all(pictures[:, : 1 - height, : 1 - width] == window[0, 0], -1)
    return [
        place
        for place in zip(*np.nonzero(corners), strict=True)
        for which, y, x in [place]
        if np.array_equal(pictures[which, y : y + height, x : x + width], window)
    ]


def pillow(channels):
    """The photographs as Pillow has them."""
    colour = map(Image.fromarray, load_sample_images().images)
    return np.stack([np.asarray(each.convert("L" if channels == 1 else "RGB")) for each in colour])


def test_grey_is_the_luma_that_pillow_gives():
    np.testing.assert_array_equal(augment.photographs(3), pillow(3))
    # Pillow's weights have 16 bits, so that a value half way between two levels may go either way.
    away = augment.photographs(1)[..., 0].astype(int) - pillow(1)
    assert np.abs(away).max() <= 1
    assert np.mean(away != 0) < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_a_third_of_the_grounds_are_crops_of_the_photographs(channels):
    made = grounds(channels)[-1]
    flat = np.ptp(made, axis=(1, 2)).max(-1) < 1e-6
    crops = np.rint(made[~flat] * 255).astype(np.uint8)
    np.testing.assert_allclose(crops / 255, made[~flat], atol=1e-6)
    assert 0.2 < len(crops) / COUNT < 0.5
    places = [occurrences(crop, augment.photographs(channels)) for crop in crops]
    assert all(places)
    assert {which for found in places for which, _, _ in found} == {0, 1}
    assert len({found[0] for found in places}) > 10


def test_the_same_key_gives_the_same_bits_and_strength_zero_the_images():
    policy, nothing, made = grounds(3)
    again = jax.jit(policy)(jax.random.key(2), nothing, jnp.zeros(COUNT, int), 1.0)
    assert np.asarray(again).tobytes() == made.tobytes()
    image = np.random.default_rng(0).random((1, SIDE, SIDE, 3)).astype(np.float32)
    plain = policy(jax.random.key(2), image, jnp.zeros(1, int), 0.0)
    np.testing.assert_array_equal(plain, image)


def test_plain_and_under_jit_and_vmap_agree():
    image = jnp.zeros((SIDE, SIDE, 1)).at[3:9, 4:8].set(1.0)
    show = functools.partial(augment.in_scene, pictures=augment.photographs(1))
    keys = jax.random.split(jax.random.key(0), 20)
    many = jax.jit(jax.vmap(show, (0, None)))(keys, image)
    np.testing.assert_allclose(show(keys[0], image), many[0], atol=2e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="channels=2: photographs have 1, grey, or 3, colour"):
        augment.photographs(2)
    with pytest.raises(UserError, match=r"augment.ranges: photographs=2: expected true or false"):
        augment.build("scenes", photographs=2)
    with pytest.raises(UserError, match=r"augment.ranges='photographs': there is none"):
        augment.build("affine", photographs=True)
    policy = augment.build("scenes", photographs=True)
    with pytest.raises(ValueError, match="expected at least 500 × 9 pixels and 3 channels"):
        policy(jax.random.key(0), jnp.zeros((1, 500, 9, 3)), jnp.zeros(1, int))
    assert not augment.photographs(3).flags.writeable
