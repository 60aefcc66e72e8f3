import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import augment
from cnnjax.data import scenes

SIZE = (60, 72)
KEYS = jax.random.split(jax.random.key(1), 24)
RADIUS = 7.25
EDGE = 3
CENTRE = np.array([9.0, 10.0])


def discs():
    """Two objects, a grey and a white disc with a soft edge, of classes 4 and 9."""
    rows, columns = np.mgrid[:20, :21]
    away = np.hypot(rows - CENTRE[0], columns - CENTRE[1])
    # In an edge of three pixels a cell about the level ½ is all slope. In a narrower one some
    # hold its ends too, and bilinear reading moves the level: by 0.08 pixels in an edge of one.
    mask = np.clip(0.5 + (RADIUS - away) / EDGE, 0, 1).astype(np.float32)
    masks = np.stack([mask, mask])
    return masks[..., None] * np.array([0.5, 1.0], np.float32)[:, None, None, None], masks


@pytest.fixture(scope="module")
def many():
    """Scenes of one to three objects with everything in them, at strengths 0, 1 and 0.6."""
    images, masks = discs()
    traces = []

    def make(key, strength):
        traces.append(None)
        return scenes.scene(
            key,
            images,
            jnp.array([4, 9]),
            size=SIZE,
            masks=masks,
            least=1,
            most=3,
            channels=3,
            randomisation=augment.Randomisation(scale=(1.0, 1.3)),
            strength=strength,
        )

    jitted = jax.jit(jax.vmap(make, (0, None)))
    made = {strength: jitted(KEYS, strength) for strength in (0.0, 1.0, 0.6)}
    again = jitted(KEYS, 1.0)
    return made, again, make, len(traces)


def test_one_program_for_every_strength_and_the_same_key_the_same_bits(many):
    made, again, _, traces = many
    assert traces == 1
    for one, other in zip(made[1.0], again, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)
    assert not np.allclose(made[1.0].image[0], made[1.0].image[1], atol=0.1)


def test_plain_and_alone_the_same(many):
    made, _, make, _ = many
    plain = make(KEYS[0], 1.0)
    np.testing.assert_allclose(plain.image, made[1.0].image[0], atol=1e-4)
    np.testing.assert_array_equal(plain.boxes, made[1.0].boxes[0])
    np.testing.assert_array_equal(plain.labels, made[1.0].labels[0])


@pytest.mark.parametrize("strength", [0.0, 1.0, 0.6])
def test_boxes_are_those_of_the_masks(many, strength):
    made = many[0][strength]
    assert made.boxes.shape == (len(KEYS), 3, 4)
    for boxes, labels, masks, valid in zip(*map(np.asarray, made[1:5]), strict=True):
        for box, label, mask, real in zip(boxes, labels, masks, valid, strict=True):
            if not real:
                assert label == -1
                assert not box.any()
                assert not mask.any()
                continue
            rows, columns = np.nonzero(mask > 0.5)
            assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            assert label in (4, 9)


def test_a_disc_is_where_its_motion_says_to_half_a_pixel(many):
    made = many[0][1.0]
    turn = np.linspace(0, 2 * np.pi, 400)
    rim = CENTRE + RADIUS * np.stack([np.sin(turn), np.cos(turn)], -1)
    compared = 0
    for index in range(len(KEYS)):
        for which in range(3):
            motion = jax.tree.map(lambda a, i=index, w=which: a[i, w], made.motion)
            there = np.asarray(augment.move_points(rim, motion)) + 0.5
            low, high = there.min(0), there.max(0)
            inside = low.min() > 0 and np.all(high < SIZE)
            visible = np.asarray(made.masks[index, which]).sum()
            # The shoelace formula: nothing of this disc is off the canvas or behind others.
            y, x = there.T
            area = abs(np.sum(y[:-1] * x[1:] - y[1:] * x[:-1])) / 2
            opacity = area * (1 + EDGE**2 / (12 * RADIUS**2))  # with the soft edge around it
            if made.valid[index, which] and inside and visible > 0.998 * opacity:
                box = np.asarray(made.boxes[index, which])
                beyond = np.concatenate([low - box[:2], box[2:] - high])
                assert beyond.max() <= 0.5
                # No pixel's centre need be at the very tip of a disc: between two centres a circle
                # is 1 / (8 · radius) lower, and bilinear reading flattens it by as much again.
                assert beyond.min() >= -0.5 - 2 / (8 * RADIUS)
                compared += 1
    assert compared >= 10


def test_labels_follow_the_objects(many):
    made = many[0][0.0]  # without light and colour, the grey disc is 4 and the white one 9
    image, labels = np.asarray(made.image), np.asarray(made.labels)
    assert set(labels.ravel()) == {-1, 4, 9}
    found = set()
    for each, masks, names in zip(image, np.asarray(made.masks), labels, strict=True):
        for mask, name in zip(masks, names, strict=True):
            # Of one that is mostly hidden, no pixel may be wholly its own.
            found |= {(int(name), float(shade)) for shade in each[mask == 1].ravel()}
    assert found == {(4, 0.5), (9, 1.0)}


def test_at_strength_zero_there_is_nothing_but_objects_in_many_places(many):
    made = many[0][0.0]
    covered = np.asarray(made.masks).sum(1)
    hidden = np.asarray(jnp.any(~made.valid, 1))  # may be there and too far hidden to be annotated
    dark = (covered == 0) & ~hidden[:, None, None]
    assert np.asarray(made.image)[dark].max() == 0
    assert np.asarray(made.boxes)[..., 0].std() > 5
    counts = np.asarray(made.valid).sum(1)
    assert set(counts) == {1, 2, 3}


def test_at_strength_zero_several_objects_are_in_whole_pixels():
    images, labels = np.full((2, 5, 4, 1), 255, np.uint8), np.array([0, 1])
    made = jax.vmap(
        lambda key: (
            scenes.scene(key, images, labels, size=(12, 13), least=2, most=2, strength=0.0).image
        )
    )(KEYS)
    np.testing.assert_allclose(made, np.round(made), atol=1e-5)  # not blurred


@pytest.mark.parametrize("shape", [(6, 8), (7, 5)])
def test_at_strength_zero_one_object_is_as_it_is_in_the_middle(shape):
    images = np.random.default_rng(0).integers(1, 256, (1, *shape, 1), np.uint8)

    @jax.jit
    def make(key):
        return scenes.scene(key, images, jnp.array([7]), size=(12, 12), strength=0.0)

    plain = make(KEYS[0])
    top, left = (12 - shape[0]) // 2, (12 - shape[1]) // 2
    expected = np.zeros((12, 12, 1), np.float32)
    expected[top : top + shape[0], left : left + shape[1]] = images[0] / np.float32(255)
    np.testing.assert_allclose(plain.image, expected, atol=1e-7)
    assert plain.labels.tolist() == [7]


def test_what_is_hidden_altogether_is_not_annotated():
    whole = np.full((1, 10, 10, 1), 255, np.uint8)
    still = augment.Randomisation(translation=0.0)

    @jax.jit
    def make(key):
        return scenes.scene(
            key,
            whole,
            jnp.array([2]),
            size=(10, 10),
            least=2,
            most=2,
            randomisation=still,
            strength=0.0,
        )

    made = make(KEYS[0])
    assert made.valid.tolist() == [False, True]
    assert made.labels.tolist() == [-1, 2]
    assert made.boxes.tolist() == [[0, 0, 0, 0], [0, 0, 10, 10]]
    assert made.masks.sum((1, 2)).tolist() == [0, 100]


def test_what_is_mostly_off_the_canvas_is_not_annotated():
    # A white square, half as large as the scene to as large, shifted by up to all of the scene: all
    # that is on the canvas is seen, but often it is little of the object.
    side, size = 12, 24
    square = np.full((1, side, side, 1), 255, np.uint8)
    away = augment.Randomisation(
        rotation=0.0, scale=(1.0, 2.0), translation=1.0, viewpoint=0.0, distractors=0
    )

    def make(key):
        return scenes.scene(key, square, jnp.array([2]), size=(size, size), randomisation=away)

    made = jax.jit(jax.vmap(make))(jax.random.split(KEYS[0], 200))
    corners = np.array([[-0.5, -0.5], [side - 0.5, side - 0.5]])
    ends = jax.vmap(
        lambda motion: augment.move_points(corners, jax.tree.map(lambda a: a[0], motion))
    )
    low, high = np.moveaxis(np.asarray(ends(made.motion)) + 0.5, 1, 0)
    inside = np.clip(high, 0, size) - np.clip(low, 0, size)
    share = np.prod(inside / (high - low), axis=1)
    clear = np.abs(share - 0.25) > 0.03  # bilinear reading rounds the corners
    np.testing.assert_array_equal(np.asarray(made.valid)[clear, 0], share[clear] > 0.25)
    assert 0.2 < np.mean(share > 0.25) < 0.9
    # Told by the size it had before, larger ones would be annotated with less.
    assert np.sum(clear & (share < 0.25) & (np.prod(inside, axis=1) > 0.3 * side**2)) > 5


def test_every_draw_has_a_key_of_its_own(monkeypatch):
    class EnoughError(Exception):
        pass

    keys = []
    draw = jax.random.randint

    def noted_draw(key, *args, **kwargs):
        keys.append(key)
        return draw(key, *args, **kwargs)

    def compose(key, *_, **__):
        keys.append(key)
        raise EnoughError

    monkeypatch.setattr(jax.random, "randint", noted_draw)
    monkeypatch.setattr(scenes, "compose_scene", compose)
    with pytest.raises(EnoughError):
        scenes.scene(KEYS[0], np.ones((2, 4, 4, 1), np.float32), np.arange(2), size=(8, 8))
    assert len(keys) == 3  # which object, how many, and the picture
    assert len({jax.random.key_data(key).tobytes() for key in [KEYS[0], *keys]}) == 4


def test_a_scene_may_be_empty():
    images = np.full((1, 4, 4, 1), 255, np.uint8)

    def make(key):
        return scenes.scene(key, images, jnp.array([2]), size=(8, 8), least=0, most=1, strength=0.0)

    made = jax.jit(jax.vmap(make))(KEYS)
    assert set(made.labels.ravel().tolist()) == {-1, 2}
    lit = np.asarray(made.image).max((1, 2, 3)) > 0
    np.testing.assert_array_equal(lit, np.asarray(made.valid)[:, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": 2, "most": 1}, "least=2, most=1: expected least ≤ most"),
        ({"least": -1}, "least=-1: expected a whole number ≥ 0"),
        ({"least": 0, "most": 0}, "most=0: expected a whole number ≥ 1"),
        ({"most": 2.0}, r"most=2\.0: expected a whole number ≥ 1"),
        ({"size": (8,)}, r"size=\(8,\): expected \(height, width\)"),
        ({"channels": 1}, "channels=1: expected 3, as many as the images have"),
        ({"pictures": jnp.ones((0, 9, 9, 3))}, "no pictures: expected at least one ground"),
        ({"pictures": jnp.ones((1, 7, 9, 3))}, r"pictures of shape \(1, 7, 9, 3\): expected at"),
    ],
)
def test_bad_arguments_are_refused(options, message, unchecked):
    options = {"size": (8, 8)} | options
    with pytest.raises(ValueError, match=message):
        scenes.scene(KEYS[0], jnp.ones((2, 4, 4, 3)), jnp.array([0, 1]), **options)


def test_labels_and_masks_are_as_many_as_the_images(unchecked):
    images, labels = np.ones((3, 4, 4, 1), np.float32), np.arange(3)
    with pytest.raises(ValueError, match="2 labels for 3 images"):
        scenes.scene(KEYS[0], images, labels[:2], size=(8, 8))
    with pytest.raises(ValueError, match="2 masks for 3 images"):
        scenes.scene(KEYS[0], images, labels, size=(8, 8), masks=np.ones((2, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"masks of shape \(3, 4, 3\): expected \(3, 4, 4\)"):
        scenes.scene(KEYS[0], images, labels, size=(8, 8), masks=np.ones((3, 4, 3), np.float32))
    with pytest.raises(ValueError, match="no images: expected at least one"):
        scenes.scene(KEYS[0], images[:0], labels[:0], size=(8, 8))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.zeros((3, 1), int),
            r"labels of shape \(3, 1\) and type int64: expected whole numbers of",
        ),
        (np.eye(3, dtype=int), r"labels of shape \(3, 3\) and type int64: .* of shape \(3,\)"),
        (np.array([0.5, 1.5, 2.5]), r"labels of shape \(3,\) and type float64"),
        (jnp.ones(3, bool), r"labels of shape \(3,\) and type bool"),
    ],
)
def test_labels_are_one_whole_number_for_each_image(labels, message, unchecked):
    images = np.ones((3, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match=message):
        scenes.scene(KEYS[0], images, labels, size=(8, 8))


def test_masks_of_bytes_and_of_booleans_are_those_of_floats():
    images, labels = np.full((2, 4, 4, 1), 0.5, np.float32), np.arange(2)
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 1:, :3] = True
    make = functools.partial(scenes.scene, KEYS[0], images, labels, size=(9, 8))
    expected = make(masks=masks.astype(np.float32))
    assert expected.masks.max() == 1
    for same in (masks, np.uint8(255) * masks):
        jax.tree.map(np.testing.assert_array_equal, make(masks=same), expected)


def test_labels_of_bytes_tell_what_is_not_there():
    pictures = np.zeros((2, 4, 4, 1), np.uint8)
    made = scenes.scene(
        jax.random.key(0), pictures, np.array([3, 5], np.uint8), size=(8, 8), least=0, most=3
    )
    assert set(np.asarray(made.labels).tolist()) <= {-1, 3, 5}
    assert -1 in made.labels
