import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from cnnjax import augment
from cnnjax.errors import UserError

COUNT = 2000
SIZE = (12, 10)
# Of images, as they are; "signals" is tested with the policies.
NEEDY = ("none", "signals", "sequence", "one_of", "some_of")
NAMES = [name for name in augment.NAMES if name not in NEEDY]


def batch(count=4, size=SIZE, channels=1):
    generator = np.random.default_rng(0)
    images = generator.random((count, *size, channels)).astype(np.float32)
    return images, generator.integers(0, 10, count).astype(np.int32)


@pytest.fixture(params=NAMES, scope="module")
def policy(request):
    return augment.build(request.param)


@pytest.fixture(scope="module")
def jitted(policy):
    traces = []

    def call(key, images, labels, strength):
        traces.append(None)
        return policy(key, images, labels, strength)

    call = jax.jit(call)
    call.traces = traces
    return call


def test_strength_zero_gives_every_bit_back_and_others_do_not(jitted):
    images, labels = batch()
    np.testing.assert_array_equal(jitted(jax.random.key(1), images, labels, 0.0), images)
    assert not np.allclose(jitted(jax.random.key(1), images, labels, 0.5), images)


def test_no_kind_of_strength_is_compiled_for_anew():
    policy, (images, labels) = augment.Distortion(rotation=10.0), batch()
    policy(jax.random.key(0), images, labels, 1.0)
    programs = augment.Distortion._moved._cache_size()
    for strength in (0, 1, np.float32(0.5), jnp.float32(2)):
        policy(jax.random.key(0), images, labels, strength)
    assert augment.Distortion._moved._cache_size() == programs


def test_the_key_decides(jitted):
    images, labels = batch()
    first = jitted(jax.random.key(1), images, labels, 1.0)
    np.testing.assert_array_equal(first, jitted(jax.random.key(1), images, labels, 1.0))
    assert not np.allclose(first, jitted(jax.random.key(2), images, labels, 1.0))


def test_every_image_has_its_own_draw(jitted):
    images, _ = batch()
    same = np.repeat(images[:1], 4, axis=0)
    distorted = np.asarray(jitted(jax.random.key(1), same, np.full(4, 3, np.int32), 1.0))
    for i in range(4):
        for j in range(i):
            assert not np.allclose(distorted[i], distorted[j])


def test_an_image_does_not_depend_on_its_neighbours(jitted):
    images, labels = batch()
    other = images.copy()
    other[1:] = 0.5
    one = jitted(jax.random.key(1), images, labels, 1.0)
    two = jitted(jax.random.key(1), other, labels, 1.0)
    np.testing.assert_array_equal(one[0], two[0])


def test_plain_jit_vmap_and_map_over_strengths_agree(policy, jitted):
    images, labels = batch()
    key = jax.random.key(1)
    strengths = jnp.array([0.0, 0.7, 1.0])
    mapped = jax.jit(lambda s: jax.lax.map(lambda x: policy(key, images, labels, x), s))(strengths)
    spread = jax.jit(jax.vmap(lambda x: policy(key, images, labels, x)))(strengths)
    for index, strength in enumerate(strengths):
        expected = jitted(key, images, labels, float(strength))
        np.testing.assert_allclose(mapped[index], expected, atol=1e-4)
        np.testing.assert_allclose(spread[index], expected, atol=1e-4)


def test_called_plainly_the_same():
    images, labels = batch()
    key = jax.random.key(1)
    policy = augment.build("affine_elastic")
    with jax.disable_jit():
        plain = policy(key, jnp.asarray(images), labels, 0.7)
    np.testing.assert_allclose(plain, policy(key, images, labels, 0.7), atol=1e-4)


def test_another_strength_compiles_nothing(jitted):
    images, labels = batch()
    for strength in (0.0, 0.3, 2.0):
        jitted(jax.random.key(1), images, labels, strength)
    assert len(jitted.traces) == 1


def draw(policy, strength=1.0, label=3):
    return policy.draw(jax.random.key(5), jnp.full(COUNT, label), strength)


def assert_uniform(values, low, high):
    values = np.asarray(values)
    assert values.min() >= low - 1e-5
    assert values.max() <= high + 1e-5
    assert stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-3


@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_affine_elastic_draws_uniformly_from_its_ranges(strength):
    drawn = draw(augment.build("affine_elastic"), strength)
    assert_uniform(drawn.rotation, -7.5 * strength, 7.5 * strength)
    assert_uniform(drawn.shear, -0.1 * strength, 0.1 * strength)
    for factor in drawn.scale:
        assert_uniform(factor, 1 - 0.075 * strength, 1 + 0.075 * strength)
    for shift in drawn.translation:
        assert_uniform(shift, -strength, strength)
    np.testing.assert_allclose(drawn.alpha, 17 * strength, rtol=1e-6)
    np.testing.assert_allclose(drawn.sigma, 4)


def test_the_draws_of_different_properties_are_independent():
    drawn = draw(augment.build("ciresan", translation=1.0))
    independent = [*drawn.scale, *drawn.translation, drawn.alpha, drawn.sigma]
    angle = drawn.rotation + np.rad2deg(np.arctan(drawn.shear))
    correlation = np.corrcoef(np.stack([angle, *independent]))
    np.testing.assert_allclose(correlation, np.eye(7), atol=0.1)


@pytest.mark.parametrize(("label", "largest"), [(0, 15), (1, 7.5), (2, 15), (7, 7.5), (9, 15)])
def test_ciresans_angle_turns_or_shears_and_ones_and_sevens_half(label, largest):
    drawn = draw(augment.build("ciresan"), label=label)
    turned = np.asarray(drawn.rotation != 0)
    sheared = np.asarray(drawn.shear != 0)
    assert not np.any(turned & sheared)
    assert 0.45 < turned.mean() < 0.55
    assert_uniform(drawn.rotation[turned], -largest, largest)
    assert_uniform(np.rad2deg(np.arctan(drawn.shear[sheared])), -largest, largest)


def test_ciresans_other_ranges_as_published():
    drawn = draw(augment.build("ciresan"), label=1)
    assert_uniform(drawn.alpha, 36, 38)
    assert_uniform(drawn.sigma, 5, 6)
    for factor in drawn.scale:
        # γ uniform in [0.15, 0.20] times a uniform number in ±1.
        change = np.asarray(factor) - 1
        assert 0.19 < np.abs(change).max() <= 0.2
        np.testing.assert_allclose(change.std(), np.sqrt((0.175**2 + 0.05**2 / 12) / 3), rtol=0.05)
        assert stats.kstest(change[np.abs(change) < 0.15], "uniform", (-0.15, 0.3)).pvalue > 1e-3


def test_gentle_labels_within_one_batch_touch_only_their_own_images():
    policy = augment.build("ciresan")
    labels = jnp.arange(10)
    mixed = policy.draw(jax.random.key(0), labels)
    all_other = policy.draw(jax.random.key(0), jnp.zeros(10, int))
    factor = np.where(np.isin(labels, (1, 7)), 0.5, 1.0)
    np.testing.assert_allclose(mixed.rotation, factor * all_other.rotation, rtol=1e-5)
    np.testing.assert_array_equal(mixed.scale[0], all_other.scale[0])


def test_one_property_draws_the_same_whatever_the_others_are():
    alone = draw(augment.Distortion(rotation=7.5))
    together = draw(augment.build("affine_elastic"))
    np.testing.assert_array_equal(alone.rotation, together.rotation)


def test_no_strength_mirrors_an_image_by_shrinking_it():
    drawn = draw(augment.build("affine"), 50.0)
    assert np.min(drawn.scale) > 0


def test_channels_move_together():
    images, labels = batch(3, channels=1)
    colour = np.concatenate([images, 2 * images, -images], -1)
    policy = jax.jit(augment.build("affine_elastic"))
    moved = np.asarray(policy(jax.random.key(0), colour, labels))
    one = np.asarray(policy(jax.random.key(0), images, labels))
    np.testing.assert_allclose(moved, np.concatenate([one, 2 * one, -one], -1), atol=1e-5)


@pytest.mark.parametrize("name", ["affine_elastic", "ciresan"])
def test_each_pixel_reads_the_affine_place_plus_its_displacement(name):
    policy = augment.build(name)
    images, labels = batch(8, size=(28, 20))
    affine_key, elastic_key = jax.random.split(jax.random.key(1))
    drawn = policy.draw(affine_key, labels, 0.7)
    sigma, smallest = (drawn.sigma, 5.0) if name == "ciresan" else (4.0, 4.0)
    fields = augment.displacement_field(
        elastic_key, 8, (28, 20), alpha=drawn.alpha, sigma=sigma, smallest_sigma=smallest
    )
    found = np.asarray(jax.jit(policy)(jax.random.key(1), images, labels, 0.7))
    for i, field in enumerate(np.asarray(fields)):
        matrix = np.asarray(
            augment.affine_matrix(
                rotation=drawn.rotation[i],
                shear=drawn.shear[i],
                scale=(drawn.scale[0][i], drawn.scale[1][i]),
                translation=(drawn.translation[0][i], drawn.translation[1][i]),
                size=(28, 20),
            )
        )
        places = np.einsum("ij,jyx->iyx", matrix[:, :2], np.indices((28, 20)))
        places = places + matrix[:, 2, None, None] + field
        expected = ndimage.map_coordinates(images[i, ..., 0], places, order=1, mode="grid-constant")
        np.testing.assert_allclose(found[i, ..., 0], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["affine", "affine_elastic", "ciresan"])
def test_masks_and_boxes_move_with_the_images(name):
    policy, key, labels = augment.build(name), jax.random.key(3), np.arange(50) % 10
    square = np.zeros((28, 24), np.float32)
    square[7:20, 6:18] = 1
    images = np.tile(square[None, ..., None], (50, 1, 1, 1))
    images = np.asarray(jax.jit(policy)(key, images, labels, 1.0))[..., 0]
    box = jnp.array([[7.0, 6, 20, 18]])

    @jax.jit
    def annotations(key, labels):
        motions = policy.motions(key, labels, (28, 24), 1.0)
        return jax.vmap(
            lambda motion: (
                augment.move_mask(square > 0, motion),
                augment.move_boxes(box, motion)[0],
            )
        )(motions)

    masks, boxes = map(np.asarray, annotations(key, labels))
    # Between pixels that are all lit, or all dark, the nearest is lit, or dark.
    assert np.all(masks[images > 1 - 1e-4])
    assert not np.any(masks[images < 1e-4])
    for image, (y0, x0, y1, x1) in zip(images, boxes, strict=True):
        # A pixel is brighter than a half if its centre lies in the square. Half a pixel is for
        # that, half for the tip of a corner that lies between two centres.
        rows, columns = np.nonzero(image > 0.5)
        seen = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(seen, [y0, x0, y1, x1], atol=1)
    assert np.ptp(boxes, axis=0).min() > 1


def test_points_move_with_the_images():
    policy = augment.build("affine_elastic")
    key, labels = jax.random.key(2), np.zeros(50, np.int32)
    spot = np.exp(-np.sum((np.indices((28, 28)) - 10) ** 2, 0) / 2).astype(np.float32)
    moved = policy(key, np.tile(spot[None, ..., None], (50, 1, 1, 1)), labels, 1.0)
    moved = np.asarray(moved[..., 0])
    seen = np.einsum("byx,iyx->bi", moved, np.indices((28, 28))) / moved.sum((1, 2))[:, None]
    motions = policy.motions(key, labels, (28, 28), 1.0)
    told = jax.vmap(lambda motion: augment.move_points(jnp.array([[10.0, 10.0]]), motion))(motions)
    np.testing.assert_allclose(seen, told[:, 0], atol=0.5)
    assert np.ptp(seen, axis=0).min() > 1


def test_signals_shift_and_stretch():
    signal = np.zeros((50, 40, 1), np.float32)
    signal[:, 20] = 1
    labels = np.zeros(50, np.int32)
    shift = augment.Distortion(translation=3.0)
    moved = np.asarray(jax.jit(shift)(jax.random.key(0), signal, labels))
    assert moved.shape == signal.shape
    # Linear interpolation splits the impulse; its mass and its shifted place stay.
    np.testing.assert_allclose(moved.sum((1, 2)), 1, rtol=1e-5)
    place = moved[..., 0] @ np.arange(40)
    np.testing.assert_allclose(
        place - 20, shift.draw(jax.random.split(jax.random.key(0))[0], labels).translation[1],
        atol=1e-3,
    )  # fmt: skip
    warped = jax.jit(augment.Distortion(scale=0.1, alpha=10.0))
    np.testing.assert_array_equal(warped(jax.random.key(0), signal, labels, 0.0), signal)
    assert warped(jax.random.key(0), signal, labels, 1.0).shape == signal.shape


@pytest.mark.parametrize("name", ["rotation", "shear"])
def test_signals_cannot_turn(name):
    policy = augment.Distortion(**{name: 0.5})
    with pytest.raises(ValueError, match=f"{name}=0.5: expected 0 for signals"):
        policy(jax.random.key(0), jnp.zeros((2, 40, 1)), jnp.zeros(2, int))


def test_anything_but_images_and_signals_is_refused():
    with pytest.raises(ValueError, match=r"images of shape \(2, 3\): expected \(batch, height"):
        augment.Distortion(rotation=1.0)(jax.random.key(0), jnp.zeros((2, 3)), jnp.zeros(2, int))


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"rotation": -3.0}, "rotation=-3.0: expected a number ≥ 0"),
        ({"shear": "wide"}, "shear='wide': expected a number ≥ 0"),
        ({"translation": float("nan")}, "translation=nan: expected a number ≥ 0"),
        ({"sigma": 0.5}, "sigma=0.5: expected at least 1 pixel"),
        ({"sigma": (6.0, 5.0)}, "expected low ≤ high"),
        ({"alpha": (1.0, 2.0, 3.0)}, "expected a number or a pair"),
        ({"rotation_or_shear": True}, "shear=0.1: expected 0 with rotation_or_shear"),
        ({"rotatoin": 3.0}, "augment.ranges='rotatoin': did you mean 'rotation'?"),
        ({"rotation": True}, "rotation=True: expected a number ≥ 0"),
        ({"rotation_or_shear": "no"}, "rotation_or_shear='no': expected true or false"),
        ({"gentle_labels": (1, "7")}, "gentle_labels=(1, '7'): expected whole numbers"),
        ({"gentle_labels": 7.5}, "gentle_labels=7.5: expected whole numbers, such as (1, 7)"),
    ],
)
def test_bad_ranges_are_user_errors(ranges, message):
    with pytest.raises(UserError) as caught:
        augment.build("affine", **ranges)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names():
    assert augment.build("none") is None
    with pytest.raises(UserError, match="did you mean 'affine_elastic'"):
        augment.build("affine_elastc")
    with pytest.raises(UserError, match="expected none with"):
        augment.build("none", rotation=3.0)


def test_scenes_have_ranges_of_their_own():
    image = np.zeros((2, 12, 12, 1), np.float32)
    image[:, 4:8, 4:8] = 0.2
    still = {"rotation": 0.0, "scale": [1.0, 1.0], "viewpoint": 0.0, "distractors": 0}
    still |= {"translation": 0.0, "relief": 0.0, "gain": 1.0, "slope": 0.0, "gamma": 1.0}
    policy = augment.build("scenes", full=0.2, **still)
    made = np.asarray(policy(jax.random.key(0), image, jnp.zeros(2, int), 1.0))
    # Opaque from 0.2 on, the object hides the ground that is even without relief.
    assert all(len(np.unique(each)) == 2 for each in made)
    with pytest.raises(UserError, match=r"augment.ranges='rotatoin': did you mean 'rotation'"):
        augment.build("scenes", rotatoin=3.0)
    with pytest.raises(UserError, match=r"augment.ranges: viewpoint=0.3: expected .* 0.24"):
        augment.build("scenes", viewpoint=0.3)


def test_policies_are_plain_values():
    policy = augment.build("ciresan", alpha=[30, 40], gentle_labels=[4])
    assert policy.alpha == (30.0, 40.0)
    assert hash(policy) == hash(dataclasses.replace(policy))
    assert policy == augment.build("ciresan", alpha=(30.0, 40.0), gentle_labels=(4,))
    assert policy == augment.build("ciresan", alpha=(30.0, 40.0), gentle_labels=4)
