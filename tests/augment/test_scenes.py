import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from cnnjax import augment
from cnnjax.augment import scenes

SIZE = (16, 20)
COUNT = 60
KEYS = jax.random.split(jax.random.key(3), COUNT)
STILL = augment.Randomisation(
    rotation=0.0,
    scale=1.0,
    translation=0.0,
    viewpoint=0.0,
    distractors=0,
    relief=0.0,
    gain=1.0,
    slope=0.0,
    gamma=1.0,
)
"""Nothing varies but the colours of the object and of the ground."""


@functools.partial(jax.jit, static_argnames="randomisation")
def composed(objects, masks, strength, pictures, randomisation):
    def one(key):
        return augment.compose_scene(
            key,
            objects,
            masks,
            size=SIZE,
            randomisation=randomisation,
            strength=strength,
            pictures=pictures,
        )

    return jax.vmap(one)(KEYS)


def compose(objects, masks, *, strength=1.0, pictures=None, **ranges):
    """Sixty scenes of the same objects."""
    randomisation = dataclasses.replace(STILL, **ranges)
    return composed(objects, masks, strength, pictures, randomisation)


def block(channels=3):
    """One object, white, that covers the middle half of the canvas's rows and columns."""
    mask = np.zeros((1, *SIZE), np.float32)
    mask[:, 4:12, 5:15] = 1
    return np.repeat(mask[..., None], channels, -1), mask


def test_an_object_stands_out_from_the_ground_in_every_channel():
    made = compose(*block(), contrast=0.3)
    image = np.asarray(made.image)
    thing, ground = image[:, 8, 10], image[:, 0, 0]
    np.testing.assert_array_equal(image[:, 4:12, 5:15], thing[:, None, None] * np.ones((8, 10, 1)))
    difference = np.abs(thing - ground)
    assert difference.min() > 0.3 - 1e-5
    assert difference.max() > 0.6
    assert np.abs(np.quantile(ground, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.12


@pytest.mark.parametrize("strength", [0.25, 0.5, 2 / 3, 0.75, 1.5])
def test_an_object_stands_out_at_every_strength(strength):
    image = np.asarray(compose(*block(), contrast=1 / 3, strength=strength).image)
    thing, ground = image[:, 8, 10], image[:, 0, 0]
    assert np.abs(thing - ground).min() > 1 / 3 - 1e-5
    assert thing.min() >= 1 - min(strength, 1) - 1e-6
    assert np.std(thing) > 0.05


def test_the_strength_leads_from_a_plain_object_on_black_to_everything():
    plain, half, whole = (
        np.asarray(compose(*block(), strength=strength).image) for strength in (0.0, 0.5, 1.0)
    )
    np.testing.assert_array_equal(plain[0], block()[0][0])
    # Colours are on their way from white.
    assert 0.5 <= half[:, 8, 10].min() < half[:, 8, 10].mean() < 1
    assert whole[:, 8, 10].min() < 0.2
    np.testing.assert_allclose(half[:, 0, 0], whole[:, 0, 0] / 2, atol=1e-6)


def test_the_light_is_a_plane():
    objects, masks = np.ones((1, *SIZE, 1), np.float32), np.ones((1, *SIZE), np.float32)
    image = np.asarray(compose(objects, masks, gain=(0.4, 0.7), slope=0.3).image)[..., 0]
    for axis in (1, 2):
        np.testing.assert_allclose(np.diff(image, 2, axis=axis), 0, atol=1e-5)
    plain = np.asarray(compose(objects, masks).image)[..., 0]
    gain, slope = image.mean((1, 2)) / plain[:, 0, 0], np.ptp(image, axis=(1, 2)) / 2
    assert 0.4 < gain.min() < 0.45
    assert 0.65 < gain.max() < 0.7
    assert np.all(slope / image.mean((1, 2)) < 0.3 + 1e-4)


def test_no_light_hides_an_object_on_its_ground():
    mask = np.zeros((1, 12, 12), np.float32)
    mask[:, 2:10, 2:10] = 1
    light = {name: getattr(augment.Randomisation(), name) for name in ("gain", "slope", "gamma")}
    randomisation = dataclasses.replace(STILL, contrast=0.3, **light)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def many(key, strength):
        return augment.compose_scene(
            key,
            mask[..., None].repeat(3, -1),
            mask,
            size=(12, 12),
            randomisation=randomisation,
            strength=strength,
        ).image

    keys = jax.random.split(jax.random.key(5), 3000)
    # The light may take much of the contrast of 0.3; at its brightest and darkest, this is left.
    for strength, left in ((0.25, 0.25), (0.5, 0.2), (1.0, 0.09), (1.5, 0.03)):
        image = np.asarray(many(keys, strength))
        assert image.min() >= 0
        assert image.max() <= 1
        across = [np.abs(image[:, 2:10, i] - image[:, 2:10, i + 1]) for i in (1, 9)]
        across += [np.abs(image[:, i, 2:10] - image[:, i + 1, 2:10]) for i in (1, 9)]
        assert min(each.min() for each in across) > left


def test_a_bright_light_changes_a_difference_by_its_own_factor_at_most():
    # An object that grows brighter from column to column, in colours of which some reach white.
    light, steps = 2.5, np.linspace(0, 1, 20, dtype=np.float32)
    objects = np.broadcast_to(steps[:, None], (*SIZE, 1))[None]
    masks = np.ones((1, *SIZE), np.float32)
    dim, bright = (
        np.asarray(compose(objects, masks, gain=gain, contrast=0.0).image)[..., 0]
        for gain in (1.0, light)
    )
    np.testing.assert_array_less(dim - 1e-6, bright)
    rise = np.diff(bright, axis=2) / np.diff(dim, axis=2)
    assert 1 / light - 1e-3 < rise.min()
    assert rise.max() < light + 1e-3


def test_a_third_of_the_grounds_are_windows_of_a_picture():
    pictures = np.random.default_rng(0).random((2, 24, 23, 1)).astype(np.float32)
    nothing = np.zeros((1, *SIZE, 1), np.float32), np.zeros((1, *SIZE), np.float32)
    image = np.asarray(compose(*nothing, pictures=pictures, relief=0.2).image)
    windows = np.lib.stride_tricks.sliding_window_view(pictures[..., 0], SIZE, axis=(1, 2))
    windows = windows.reshape(-1, *SIZE)
    found = [np.flatnonzero(np.all(windows == each[..., 0], (1, 2))) for each in image]
    places = [int(each[0]) for each in found if len(each)]
    assert 0.15 < len(places) / COUNT < 0.5
    assert len(set(places)) > 5


def test_distractors_hide_and_are_hidden():
    plain, hidden = compose(*block()), compose(*block(), distractors=6)
    np.testing.assert_array_equal(plain.masks, plain.opacities)
    np.testing.assert_array_equal(hidden.opacities, plain.opacities)
    lost = np.sum(np.asarray(hidden.opacities) - np.asarray(hidden.masks), (1, 2, 3))
    assert np.all(lost > -1e-5)
    assert 0.3 < np.mean(lost > 1) < 1
    # Where the object is seen in full, its colour is what it was without distractors.
    seen = np.broadcast_to(np.asarray(hidden.masks)[:, 0, ..., None] == 1, hidden.image.shape)
    np.testing.assert_allclose(
        np.asarray(hidden.image)[seen], np.asarray(plain.image)[seen], atol=1e-6
    )
    outside = np.asarray(plain.opacities)[:, 0] == 0
    assert not np.allclose(
        np.asarray(hidden.image)[outside], np.asarray(plain.image)[outside], atol=0.01
    )


def moments(mask):
    """Mass, centre (row, column) and covariance of a picture."""
    mask = np.asarray(mask, np.float64)
    where = np.argwhere(mask > 0)
    weights = mask[mask > 0]
    centre = (weights @ where) / weights.sum()
    spread = (where - centre).T @ ((where - centre) * weights[:, None]) / weights.sum()
    return weights.sum(), centre, spread


def bar():
    """One object that shows which way it is turned, far from every border."""
    mask = np.zeros((1, *SIZE), np.float32)
    mask[:, 7:9, 7:13] = 1
    return mask[..., None], mask


def test_objects_turn_as_far_as_asked_to():
    angles = []
    for mask in np.asarray(compose(*bar(), rotation=30.0).opacities)[:, 0]:
        *_, spread = moments(mask)
        angles.append(np.degrees(np.arctan2(2 * spread[0, 1], spread[1, 1] - spread[0, 0])) / 2)
    assert 25 < np.abs(angles).max() < 31
    assert np.std(angles) == pytest.approx(30 / np.sqrt(3), rel=0.2)


def test_objects_are_as_large_as_asked_to():
    whole, *_ = moments(bar()[1][0])
    made = np.asarray(compose(*bar(), scale=(0.7, 1.4)).opacities)[:, 0]
    factors = np.sqrt([moments(mask)[0] / whole for mask in made])
    assert 0.65 < factors.min() < 0.8
    assert 1.3 < factors.max() < 1.45
    assert factors.mean() == pytest.approx(1.05, abs=0.08)


def test_objects_are_shifted_as_far_as_asked_to():
    _, home, _ = moments(bar()[1][0])
    made = np.asarray(compose(*bar(), translation=0.2).opacities)[:, 0]
    shifts = np.array([moments(mask)[1] for mask in made]) - home
    for found, side in zip(np.abs(shifts).T, SIZE, strict=True):
        assert 0.8 * 0.2 * side < found.max() < 0.2 * side + 0.1
        assert found.mean() == pytest.approx(0.1 * side, rel=0.25)


def test_the_viewpoint_moves_corners_as_far_as_asked_to():
    # A canvas that is all object: its mask is the quadrilateral that the scene becomes.
    objects, masks = np.ones((1, *SIZE, 1), np.float32), np.ones((1, *SIZE), np.float32)
    made = np.asarray(compose(objects, masks, viewpoint=0.2).opacities)[:, 0]
    corner = made[:, 0, 0] < 0.5
    assert 0.5 < corner.mean() < 0.95, "in or out for each axis: it is lost unless both are out"
    # Along the left border, at half the height, the line between two corners is at most 0.2 in.
    lost = (made[:, 8] < 0.5).argmin(1) / SIZE[1]
    assert 0.08 < lost.max() <= 0.2 + 1 / SIZE[1]


def test_the_ground_departs_as_far_as_the_relief_and_an_object_half_as_far():
    image = np.asarray(compose(*block(1), relief=0.4, contrast=0.0).image)[..., 0]
    ground = np.concatenate([image[:, :4].reshape(COUNT, -1), image[:, 12:].reshape(COUNT, -1)], 1)
    thing = image[:, 4:12, 5:15].reshape(COUNT, -1)
    assert 0.5 < np.ptp(ground, axis=1).max() <= 0.8 + 1e-5
    assert 0.25 < np.ptp(thing, axis=1).max() <= 0.4 + 1e-5
    even = np.asarray(compose(*block(1), contrast=0.0).image)[..., 0]
    assert np.ptp(even[:, :4].reshape(COUNT, -1), axis=1).max() < 1e-5


def test_distractors_are_discs_rectangles_and_bars_of_the_size_asked_for():
    nothing = np.zeros((1, 64, 64, 1), np.float32), np.zeros((1, 64, 64), np.float32)
    ranges = dataclasses.replace(STILL, distractors=1, distractor_size=(0.1, 0.1))

    @jax.jit
    @jax.vmap
    def many(key):
        return augment.compose_scene(key, *nothing, size=(64, 64), randomisation=ranges).image

    shapes = {"disc": 0, "square": 0, "bar": 0}
    half = 6.4
    for image in np.asarray(many(jax.random.split(jax.random.key(2), 300)))[..., 0]:
        ground = np.median(image)
        away = np.abs(image - ground)
        border = np.concatenate([away[0], away[-1], away[:, 0], away[:, -1]])
        if away.max() < 0.05 or border.max() > 1e-6:
            continue  # as pale as the ground, or not whole
        mass, _, spread = moments(away / away.max())
        small, large = np.linalg.eigvalsh(spread)
        if large > 3 * small:
            shapes["bar"] += 1
            assert large == pytest.approx((6 * half) ** 2 / 12, rel=0.1)
            assert mass == pytest.approx(6 * half * half / 2, rel=0.1)
        elif mass > 146:  # between π·half² = 129 and 4·half² = 164
            shapes["square"] += 1
            assert mass == pytest.approx((2 * half) ** 2, rel=0.05)
            np.testing.assert_allclose([small, large], (2 * half) ** 2 / 12, rtol=0.06)
        else:
            shapes["disc"] += 1
            assert mass == pytest.approx(np.pi * half**2, rel=0.05)
            np.testing.assert_allclose([small, large], half**2 / 4, rtol=0.06)
    assert min(shapes.values()) > 10


def test_no_more_distractors_than_asked_for():
    nothing = np.zeros((1, 64, 64, 1), np.float32), np.zeros((1, 64, 64), np.float32)
    ranges = dataclasses.replace(STILL, distractors=3, distractor_size=(0.04, 0.04))

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def many(key, strength):
        return augment.compose_scene(
            key, *nothing, size=(64, 64), randomisation=ranges, strength=strength
        ).image

    keys, numbers = jax.random.split(jax.random.key(2), 200), []
    for strength in (0.5, 1.0):
        images = np.asarray(many(keys, strength))[..., 0]
        grounds = np.median(images, axis=(1, 2), keepdims=True)
        seen = [ndimage.binary_dilation(away > 0.02) for away in np.abs(images - grounds)]
        numbers.append([ndimage.label(each)[1] for each in seen])
        # One in the colour of the ground may cut another in two.
        assert np.mean(np.array(numbers[-1]) > 3) < 0.05
    # Each appears with the strength's probability; a few lie over one another or are pale.
    half, whole = np.mean(numbers, axis=1)
    assert 2.4 < whole < 3
    assert half == pytest.approx(whole / 2, rel=0.2)


def test_later_objects_lie_over_earlier_ones():
    objects, masks = (np.repeat(part, 3, 0) for part in block(1))
    made = compose(objects, masks, rotation=180.0)
    alpha, seen = np.asarray(made.opacities), np.asarray(made.masks)
    np.testing.assert_allclose(seen[:, 2], alpha[:, 2], atol=1e-6)
    np.testing.assert_allclose(seen[:, 1], alpha[:, 1] * (1 - alpha[:, 2]), atol=1e-6)
    below = (1 - alpha[:, 1]) * (1 - alpha[:, 2])
    np.testing.assert_allclose(seen[:, 0], alpha[:, 0] * below, atol=1e-6)
    assert np.all(seen.sum(1) <= 1 + 1e-5)
    covered = (alpha[:, 2] == 1) & (alpha[:, 1] == 1)
    assert covered.any()
    for each, top, both in zip(np.asarray(made.image), alpha[:, 2] == 1, covered, strict=True):
        if both.any():
            np.testing.assert_array_equal(np.unique(each[top]), each[both][0])


def test_strength_zero_gives_any_image_back():
    image = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    clothes = jax.jit(functools.partial(augment.in_scene, full=0.3))
    np.testing.assert_array_equal(clothes(KEYS[0], image, strength=0.0), image)
    assert not np.allclose(clothes(KEYS[0], image, strength=0.5), image, atol=0.1)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"rotation": -1.0}, "rotation=-1.0: expected"),
        ({"scale": 0.0}, "scale=0.0: expected"),
        ({"viewpoint": 0.3}, r"viewpoint=0.3: expected .* within \[0, 0.24\]"),
        ({"contrast": 0.4}, r"contrast=0.4: expected .* within \[0, 0.333"),
        ({"gain": (1.0, 0.5)}, r"gain=\(1.0, 0.5\): expected"),
        ({"distractors": -1}, "distractors=-1: expected a whole number ≥ 0"),
    ],
)
def test_bad_ranges_are_refused(ranges, message):
    with pytest.raises(ValueError, match=message):
        augment.Randomisation(**ranges)


def test_ranges_may_be_arrays(unchecked):
    told = augment.Randomisation(scale=np.array([0.5, 2.0]), rotation=np.float32(10))
    assert told == augment.Randomisation(scale=(0.5, 2.0), rotation=10.0)
    assert hash(told) == hash(augment.Randomisation(scale=(0.5, 2.0), rotation=10.0))


def test_other_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"full=0.0: expected a number in \(0, 1\]"):
        augment.mask_of(jnp.ones((2, 2, 1)), full=0.0)
    expected = (
        r"pictures of shape \(2, 15, 30, 3\): expected at least 16 × 20 pixels and 3 channels"
    )
    with pytest.raises(ValueError, match=expected):
        compose(*block(), pictures=jnp.ones((2, 15, 30, 3)))


def test_at_strength_1_what_is_drawn_arrives_to_the_last_bit():
    drawn = np.random.default_rng(0).random(1000).astype(np.float32)
    found = scenes._parameter(jnp.asarray(drawn), (0.0, 1.0), 1.0, jnp.float32(1))
    np.testing.assert_array_equal(found, drawn)
    assert np.any(np.float32(1) + (drawn - np.float32(1)) != drawn)
