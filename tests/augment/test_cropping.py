import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from cnnjax import augment

KEY = jax.random.key(0)


def picture(shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


def test_crop_cuts_out_every_part_equally_often():
    image = np.arange(5 * 6, dtype=np.float32).reshape(5, 6, 1) / 30
    crop = functools.partial(augment.crop, new_size=(3, 5))
    parts = np.asarray(jax.vmap(crop, (0, None))(jax.random.split(KEY, 1200), image))
    starts = np.round(parts[:, 0, 0, 0] * 30).astype(int)
    for start, part in zip(starts, parts, strict=True):
        y, x = divmod(start, 6)
        np.testing.assert_array_equal(part, image[y : y + 3, x : x + 5])
    found, counts = np.unique(starts, return_counts=True)
    assert found.tolist() == [0, 1, 6, 7, 12, 13]
    # Each is expected 200 times, with a standard deviation of 13.
    assert np.all(np.abs(counts - 200) < 60)
    motion = augment.draw_crop(KEY, (5, 6), new_size=(3, 5))
    np.testing.assert_array_equal(augment.move_image(image, motion), crop(KEY, image))
    for position, (y, x) in {0.0: (0, 0), 0.5: (1, 1), 1.0: (2, 1)}.items():
        part = crop(KEY, image, position=position)
        np.testing.assert_array_equal(part, image[y : y + 3, x : x + 5])


@pytest.mark.parametrize(
    ("border", "fill", "mode"),
    [
        ("constant", 0.0, {"mode": "constant"}),
        ("constant", 0.3, {"mode": "constant", "constant_values": np.float32(0.3)}),
        ("edge", 0.0, {"mode": "edge"}),
        ("reflect", 0.0, {"mode": "symmetric"}),
        ("wrap", 0.0, {"mode": "wrap"}),
    ],
)
@pytest.mark.parametrize("new_size", [None, (4, 9)])
def test_a_padded_crop_is_a_slice_of_what_numpy_pads(border, fill, mode, new_size):
    image, padding = picture((5, 6, 3)), 2
    height, width = new_size or (5, 6)
    larger = np.pad(image, [(padding, padding), (padding, padding), (0, 0)], **mode)
    places = [(y, x) for y in range(10 - height) for x in range(11 - width)]

    def both(key):
        part = augment.crop(
            key, image, new_size=new_size, padding=padding, border=border, fill=fill
        )
        motion = augment.draw_crop(key, (5, 6), new_size=new_size, padding=padding)
        corner = augment.move_points(jnp.zeros((1, 2)), motion)[0]
        return part, augment.move_image(image, motion, border=border, fill=fill), corner

    parts, moved, corners = jax.jit(jax.vmap(both))(jax.random.split(KEY, 400))
    np.testing.assert_array_equal(parts, moved)
    found = [(y, x) for y, x in (padding - np.asarray(corners, int)).tolist()]
    for part, (y, x) in zip(parts, found, strict=True):
        np.testing.assert_array_equal(part, larger[y : y + height, x : x + width])
    assert sorted(set(found)) == places
    # Of 400 draws to at most 25 places.
    expected = 400 / len(places)
    for place in places:
        assert abs(found.count(place) - expected) < 5 * np.sqrt(expected)


def test_a_crop_of_whole_numbers_is_filled_on_their_own_scale(unchecked):
    image = np.full((4, 4, 1), 7, np.uint8)
    for fill, expected in ((1.0, 255), (0.5, 128), (0.0, 0)):
        found = augment.crop(KEY, image, padding=np.int64(2), position=0.0, fill=fill)
        assert found.dtype == np.uint8
        assert found[0, 0, 0] == expected
        assert found[3, 3, 0] == 7


def test_crop_and_pad_agrees_with_pillow():
    image = picture((20, 30, 1))
    # Cropping: Pillow resizes a box of the image; bilinear, enlarging, it smooths nothing.
    box = (0.1 * 30, 0.1 * 20, 0.9 * 30, 0.9 * 20)
    expected = Image.fromarray(image[..., 0]).resize((30, 20), Image.Resampling.BILINEAR, box=box)
    found = augment.crop_and_pad(KEY, image, fraction=-0.1)[..., 0]
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-5)
    # Padding by half the size on each side shows the picture half as large: each pixel of it is the
    # mean of two by two.
    image = picture((20, 32, 1))
    found = augment.crop_and_pad(KEY, image, fraction=0.5)[..., 0]
    halved = image[..., 0].reshape(10, 2, 16, 2).mean((1, 3))
    np.testing.assert_allclose(found, np.pad(halved, [(5, 5), (8, 8)]), atol=1e-5)


def test_crop_and_pad_draws_each_side():
    motions = jax.vmap(lambda key: augment.draw_crop_and_pad(key, (20, 30)))(
        jax.random.split(KEY, 500)
    )
    down, across = motions.steps[0][:, 0, 0], motions.steps[0][:, 1, 1]
    for step in (down, across):
        # The sum of two even draws from ±0.1: a triangle on ±0.2.
        assert 0.8 <= step.min() < 0.83
        np.testing.assert_allclose(np.std(step), 0.2 / np.sqrt(6), rtol=0.15)
    assert abs(np.corrcoef(down, across)[0, 1]) < 0.15
