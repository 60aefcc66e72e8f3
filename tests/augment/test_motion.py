import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from cnnjax import augment
from cnnjax.augment.motion import _reciprocal

SIZE = (40, 48)
COUNT = 24
KEYS = jax.random.split(jax.random.key(5), COUNT)
RIGID = ["rotate", "shear_x", "shear_y", "translate_x", "translate_y", "scale", "crop_and_pad"]
RIGID += ["perspective", "horizontal_flip", "vertical_flip"]
BENDING = ["rotate", "perspective", "scale"]


def drawn(names, key, size=SIZE, *, alpha=17.0, **options):
    """A composition of random motions, one after the other."""
    # With α 17, as in the policy "affine_elastic", three pixels stay nearly straight. With the
    # published 34 a marker's centre of mass may lie 0.6 pixels from where its middle went.
    given = {"elastic": {"alpha": alpha}, "crop": {"new_size": (32, 34), "padding": 2}}
    motions = []
    for name, one in zip(names, jax.random.split(key, len(names)), strict=True):
        draw = getattr(augment, f"draw_{name}")
        motions.append(draw(one, size, **given.get(name, {}), **options))
        size = motions[-1].new_size
    return augment.compose(motions)


def marked(y=18, x=25):
    """A small bright square: rows y to y + 2, columns x to x + 2."""
    image = np.zeros((*SIZE, 1), np.float32)
    image[y : y + 3, x : x + 3] = 1
    return image


def centroid(image):
    weights = np.asarray(image)[..., 0]
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([np.sum(weights * rows), np.sum(weights * columns)]) / weights.sum()


def moved_together(names, key, corner):
    def everything(key, corner):
        motion = drawn(names, key)
        image = jnp.zeros((*SIZE, 1))
        image = jax.lax.dynamic_update_slice(image, jnp.ones((3, 3, 1)), (*corner, 0))
        place = corner[None].astype(jnp.float32)
        return (
            augment.move_image(image, motion),
            augment.move_points(place + 1, motion)[0],
            augment.move_boxes(jnp.concatenate([place, place + 3], 1), motion)[0],
            augment.move_mask(image[..., 0] > 0, motion),
        )

    return jax.jit(jax.vmap(everything))(key, corner)


@pytest.mark.parametrize(
    "names",
    [
        *[[name] for name in RIGID],
        ["crop"],
        ["crop", "rotate"],
        ["perspective", "rotate", "scale"],
        RIGID,
        ["elastic"],
        ["elastic", "rotate"],
        ["rotate", "elastic"],
        ["elastic", "crop"],
        ["perspective", "elastic", "shear_x", "elastic", "translate_y"],
    ],
    ids="-".join,
)
def test_image_mask_point_and_box_go_the_same_way(names):
    generator = np.random.default_rng(len(names))
    corners = jnp.asarray(generator.integers((16, 20), (22, 26), (COUNT, 2)), jnp.int32)
    images, points, boxes, masks = moved_together(names, KEYS, corners)
    bent = "elastic" in names
    for image, point, box, mask in zip(images, points, boxes, masks, strict=True):
        place = centroid(image)
        np.testing.assert_allclose(point, place, atol=0.3 if bent else 0.1)
        # A position p is p + ½ among the edges of boxes.
        np.testing.assert_allclose((box[:2] + box[2:]) / 2 - 0.5, place, atol=0.3 if bent else 0.1)
        # A mask moves by whole pixels.
        np.testing.assert_allclose(centroid(mask[..., None]), place, atol=0.6 if bent else 0.501)
        # A pixel is brighter than a half if its centre lies in the marker, half a pixel within its
        # own edges. A marker's corners may lie between pixels: large boxes are held to both sides.
        rows, columns = np.nonzero(np.asarray(image)[..., 0] > 0.5)
        slack = 0.501
        assert box[0] - slack <= rows.min() <= rows.max() + 1 <= box[2] + slack
        assert box[1] - slack <= columns.min() <= columns.max() + 1 <= box[3] + slack


@pytest.mark.parametrize("names", [["elastic"], ["elastic", "rotate"]], ids="-".join)
def test_a_pixel_and_its_point_agree_in_the_strongest_field_too(names):
    def distance(key):
        keys = jax.random.split(key, len(names))
        motion = augment.compose(
            [
                getattr(augment, f"draw_{name}")(one, SIZE)
                for name, one in zip(names, keys, strict=True)
            ]
        )
        # The published α of 34 bends even three pixels, so that only one is where its middle is.
        image = augment.move_image(jnp.zeros((*SIZE, 1)).at[19, 24].set(1), motion)[..., 0]
        grid = jnp.stack(jnp.mgrid[: SIZE[0], : SIZE[1]])
        place = jnp.sum(image * grid, (1, 2)) / jnp.sum(image)
        return jnp.abs(place - augment.move_points(jnp.array([[19.0, 24.0]]), motion)[0])

    assert np.max(jax.jit(jax.vmap(distance))(jax.random.split(jax.random.key(1), 200))) < 0.5


def moved_and_occupied(motions):
    """A large box as each motion moves it, and the box around its mask as the motion moves that."""
    mask = np.zeros(SIZE, bool)
    mask[4:36, 3:45] = True
    # The mask is read at every quarter of a pixel, on a canvas that goes on beyond the image.
    finer, margin = 4, 20
    first = (0.5 / finer) - 0.5 - margin
    matrix = jnp.array([[1 / finer, 0, first], [0, 1 / finer, first]])
    canvas = tuple((n + 2 * margin) * finer for n in motions.new_size)
    magnify = augment.Motion((matrix,), motions.new_size, canvas)

    @jax.jit
    @jax.vmap
    def both(motion):
        moved = augment.move_mask(mask, augment.compose([motion, magnify]))
        found = augment.move_boxes(jnp.array([[4.0, 3, 36, 45]]), motion)[0]
        return found, jnp.any(moved, 1), jnp.any(moved, 0)

    boxes, *occupied = map(np.asarray, both(motions))
    assert not any(line[:, [0, -1]].any() for line in occupied), "the mask goes on off the canvas"
    firsts = [line.argmax(1) for line in occupied]
    lasts = [line.shape[1] - line[:, ::-1].argmax(1) for line in occupied]
    return boxes, np.stack([*firsts, *lasts], 1) / finer - margin


@pytest.mark.parametrize(
    "names",
    [["crop"], ["crop", "rotate"], ["perspective", "rotate", "scale"], RIGID],
    ids="-".join,
)
def test_a_large_box_is_what_its_moved_mask_occupies(names):
    draw = jax.jit(jax.vmap(lambda key: drawn(names, key)))
    motions = draw(jax.random.split(jax.random.key(3), 100))
    # Which is known to a quarter of a pixel: an edge to half of that, a corner's tip to less.
    np.testing.assert_allclose(*moved_and_occupied(motions), atol=0.25)


@pytest.mark.parametrize(
    "names",
    [
        ["elastic"],
        ["elastic", *BENDING],
        [*BENDING, "elastic"],
        ["crop", "elastic"],
        ["elastic", "elastic"],
    ],
    ids="-".join,
)
def test_a_large_box_is_so_to_half_a_pixel_in_the_strongest_fields(names):
    keys = jax.random.split(jax.random.key(3), 100)
    motions = jax.jit(jax.vmap(lambda key: drawn(names, key, alpha=34.0)))(keys)
    np.testing.assert_allclose(*moved_and_occupied(motions), atol=0.5)


@pytest.mark.parametrize("name", ["affine", "affine_elastic", "ciresan"])
def test_a_large_box_is_so_to_half_a_pixel_under_a_whole_batchs_distortion(name):
    policy = augment.build(name)
    motions = jax.jit(policy.motions, static_argnums=2)(
        jax.random.key(4), np.arange(100) % 10, SIZE
    )
    np.testing.assert_allclose(*moved_and_occupied(motions), atol=0.5)


@pytest.mark.parametrize(
    ("name", "options", "box"),
    [
        # Of the box (2, 3, 4, 8) on a canvas of 10 × 20.
        ("horizontal_flip", {"probability": 1.0}, (2, 12, 4, 17)),
        ("vertical_flip", {"probability": 1.0}, (6, 3, 8, 8)),
        ("translate_x", {"fraction": 0.1}, (2, 5, 4, 10)),
        ("translate_y", {"fraction": -0.1}, (1, 3, 3, 8)),
        ("scale", {"factor": 2.0}, (-1, -4, 3, 6)),
        ("rotate", {"degrees": 180.0}, (6, 12, 8, 17)),
        ("crop", {"new_size": (6, 8), "position": 1.0}, (-2, -9, 0, -4)),
        ("crop_and_pad", {"fraction": 0.5}, (3.5, 6.5, 4.5, 9)),
    ],
)
def test_boxes_by_hand(name, options, box):
    motion = getattr(augment, f"draw_{name}")(KEYS[0], (10, 20), **options)
    found = augment.move_boxes(np.array([[2.0, 3, 4, 8]]), motion)
    np.testing.assert_allclose(found, [box], atol=1e-4)


def test_boxes_are_slices_of_the_image():
    motion = augment.draw_horizontal_flip(KEYS[0], SIZE, probability=1.0)
    image = augment.move_image(marked(), motion)
    y0, x0, y1, x1 = np.round(augment.move_boxes(np.array([[18.0, 25, 21, 28]]), motion)[0])
    part = image[int(y0) : int(y1), int(x0) : int(x1)]
    assert part.shape == (3, 3, 1)
    assert np.all(part == 1)


def test_points_go_there_and_back():
    """What the map reads for a pixel is a point that moves to that pixel."""
    from cnnjax.augment.motion import _sources

    bent = [augment.draw_elastic(key, SIZE, alpha=25.0) for key in KEYS[:2]]
    perspective = augment.draw_perspective(KEYS[2], SIZE)
    for motion in (
        drawn(RIGID, jax.random.key(2)),
        augment.compose([bent[0], perspective, bent[1]]),
    ):
        inner = np.asarray(_sources(motion))[:, 8:-8, 8:-8].reshape(2, -1).T
        back = np.asarray(augment.move_points(inner, motion))
        expected = np.mgrid[:40, :48][:, 8:-8, 8:-8].reshape(2, -1).T
        np.testing.assert_allclose(back, expected, atol=1e-3)


@pytest.mark.parametrize("names", [["rotate"], ["elastic"]], ids="-".join)
def test_no_boxes_stay_none(names):
    moved = jax.jit(lambda key, boxes: augment.move_boxes(boxes, drawn(names, key)))
    assert moved(jax.random.key(0), np.zeros((0, 4), np.float32)).shape == (0, 4)


@given(st.lists(st.tuples(*[st.integers(-6, 14)] * 4), min_size=1, max_size=4))
def test_clipped_boxes_hold_the_pixels_that_are_left(corners):
    """Boxes are painted on a canvas with a margin all around, and pixels are counted."""
    margin, height, width = 8, 7, 9
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    clipped, shares = augment.clip_boxes(np.array(boxes), (height, width))
    for box, found, share in zip(boxes, np.asarray(clipped), shares, strict=True):
        around, inside = np.zeros((2, height + 2 * margin, width + 2 * margin), bool)
        for canvas, (y0, x0, y1, x1) in ((around, box), (inside, found.astype(int))):
            canvas[y0 + margin : y1 + margin, x0 + margin : x1 + margin] = True
        middle = np.s_[margin : margin + height, margin : margin + width]
        np.testing.assert_array_equal(inside[middle], around[middle])
        assert inside.sum() == around[middle].sum()
        np.testing.assert_allclose(share, around[middle].sum() / max(around.sum(), 1), rtol=1e-6)


def test_clipped_boxes_of_nothing_have_no_share_and_finite_gradients():
    boxes = jnp.array([[jnp.nan] * 4, [3.0, 3, 3, 6], [5, 5, 4, 4], [0, 0, 4, 8]])
    clipped, shares = jax.jit(augment.clip_boxes, static_argnums=1)(boxes, (4, 4))
    np.testing.assert_array_equal(shares, [0, 0, 0, 0.5])
    np.testing.assert_array_equal(clipped[0], np.zeros(4))
    slopes = jax.grad(lambda boxes: augment.clip_boxes(boxes, (4, 4))[1].sum())(boxes)
    assert np.all(np.isfinite(slopes))
    assert augment.clip_boxes(np.zeros((0, 4)), (4, 4))[1].shape == (0,)
    several = jax.vmap(lambda boxes: augment.clip_boxes(boxes, (4, 4)))(boxes[:, None])
    np.testing.assert_array_equal(several[1][:, 0], shares)


@pytest.mark.parametrize("kind", [np.float16, jnp.bfloat16, np.int32])
def test_boxes_of_whole_numbers_and_of_half_precision_move_as_others(kind):
    motion = augment.draw_rotate(KEYS[0], (256, 256), degrees=0.0)
    boxes = jnp.array([[3, 130, 201, 255]]).astype(kind)
    moved = augment.move_boxes(boxes, motion)
    assert moved.dtype == jnp.float32
    np.testing.assert_array_equal(moved, np.asarray(boxes, np.float32))


@pytest.mark.parametrize("shape", [(4,), (3, 5)])
def test_boxes_that_are_not_fours(shape, unchecked):
    motion = drawn(["rotate"], jax.random.key(0))
    for call in (lambda b: augment.move_boxes(b, motion), lambda b: augment.clip_boxes(b, (4, 4))):
        with pytest.raises(ValueError, match=r"boxes of shape .*: expected \(count, 4\)"):
            call(np.zeros(shape, np.float32))


def test_points_under_a_steep_field_are_where_algebra_says():
    # Each pixel reads q + 1.5 (q − 20): by hand, what was at p goes to (p + 30) / 2.5. A field that
    # shrinks reads q − 0.8 (q − 20), and what was at p goes to (p − 16) / 0.2.
    rows = jnp.broadcast_to(jnp.arange(40.0)[:, None] - 20, SIZE)
    for slope, place, expected in ((1.5, 15.0, 18.0), (-0.8, 19.0, 15.0)):
        motion = augment.Motion((jnp.stack([slope * rows, 0 * rows]),), SIZE, SIZE)
        moved = augment.move_points(jnp.array([[place, 7.0]]), motion)
        np.testing.assert_allclose(moved, [[expected, 7]], atol=1e-3)


def test_composition_is_one_matrix_and_agrees_with_one_after_the_other():
    first = augment.draw_rotate(KEYS[0], SIZE, degrees=30.0)
    second = augment.draw_perspective(KEYS[1], SIZE)
    both = augment.compose([first, second])
    assert [step.shape for step in both.steps] == [(3, 3)]
    affine = augment.compose([first, augment.draw_scale(KEYS[2], SIZE)])
    assert [step.shape for step in affine.steps] == [(2, 3)]
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random(SIZE), 4)[..., None]
    smooth = smooth.astype(np.float32)
    twice = augment.move_image(augment.move_image(smooth, first), second)
    # Two interpolations blur a smooth picture by little, away from the border.
    once = augment.move_image(smooth, both)
    np.testing.assert_allclose(once[14:-14, 14:-14], twice[14:-14, 14:-14], atol=2e-3)


UPRIGHT = ["translate_x", "translate_y", "scale", "crop_and_pad"]
UPRIGHT += ["horizontal_flip", "vertical_flip", "crop"]


@pytest.mark.parametrize("names", [*[[name] for name in UPRIGHT], UPRIGHT], ids="-".join)
def test_an_upright_motion_is_read_as_any_other(names):
    image = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)

    @jax.jit
    @jax.vmap
    def both(key):
        motion = drawn(names, key)
        return [augment.move_image(image, motion, upright=upright) for upright in (True, False)]

    # A position of 40 is known to 4e-6 of a pixel.
    np.testing.assert_allclose(*both(KEYS), atol=2e-5)


@pytest.mark.parametrize("names", [["perspective"], ["elastic"], ["elastic", "scale"]])
def test_what_is_no_single_matrix_is_not_upright(names):
    image = np.ones((*SIZE, 1), np.float32)
    with pytest.raises(ValueError, match=r"upright=True with steps of shapes .*: expected one 2"):
        augment.move_image(image, drawn(names, KEYS[0]), upright=True)


def test_the_reciprocal_is_one_to_the_last_bits_and_of_one_exactly():
    depth = np.concatenate([[1.0], np.geomspace(1e-6, 1e6, 100_001)]).astype(np.float32)
    for reciprocal in (_reciprocal, jax.jit(_reciprocal)):
        found = np.asarray(reciprocal(jnp.asarray(depth)), np.float64)
        assert found[0] == 1
        np.testing.assert_allclose(found * depth.astype(np.float64), 1, atol=2e-7)


@pytest.mark.parametrize("names", [["perspective"], ["rotate"], ["elastic", "perspective"]])
def test_bytes_are_moved_as_their_floats(names):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)

    @jax.jit
    @jax.vmap
    def both(key):
        motion = drawn(names, key)
        return (
            augment.move_image(image, motion),
            255 * augment.move_image(image.astype(np.float32) / 255, motion),
        )

    found, expected = both(KEYS)
    # Half a level by rounding, and positions that are known to 4e-6 of a pixel.
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.503)


def test_a_traced_choice_between_two_motions():
    image = np.random.default_rng(0).random((*SIZE, 1)).astype(np.float32)

    @jax.jit
    def either(turned):
        draws = [
            lambda: augment.draw_rotate(KEYS[0], SIZE),
            lambda: augment.draw_scale(KEYS[0], SIZE),
        ]
        return augment.move_image(image, jax.lax.cond(turned, *draws))

    np.testing.assert_allclose(either(True), augment.rotate(KEYS[0], image), atol=2e-5)
    np.testing.assert_allclose(either(False), augment.scale(KEYS[0], image), atol=2e-5)


def test_displacements_between_matrices_are_read_where_the_picture_is():
    elastic = augment.draw_elastic(KEYS[0], SIZE)
    turn = augment.draw_rotate(KEYS[1], SIZE, degrees=25.0)
    image = np.random.default_rng(1).random((*SIZE, 1)).astype(np.float32)
    matrix, field = np.asarray(turn.steps[0]), np.asarray(elastic.steps[0])
    grid = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    turned = np.tensordot(matrix[:, :2], grid, 1) + matrix[:, 2, None, None]
    shift = [ndimage.map_coordinates(d, turned, order=1, mode="nearest") for d in field]
    expected = ndimage.map_coordinates(
        image[..., 0], turned + np.stack(shift), order=1, mode="grid-constant"
    )
    found = augment.move_image(image, augment.compose([elastic, turn]))[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_composed_strength_zero_is_the_identity_bit_for_bit():
    image = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    names = [*RIGID, "elastic", *RIGID, "elastic"]

    @jax.jit
    def everything(strength):
        motion = drawn(names, jax.random.key(0), strength=strength)
        return (
            augment.move_image(image, motion),
            augment.move_points(jnp.array([[3.0, 5.0]]), motion),
            augment.move_boxes(jnp.array([[3.0, 5.0, 7.0, 6.5]]), motion),
        )

    same, point, box = everything(0.0)
    np.testing.assert_array_equal(same, image)
    assert point.tolist() == [[3, 5]]
    assert box.tolist() == [[3, 5, 7, 6.5]]
    assert not np.array_equal(everything(1.0)[0], image)


def test_masks_keep_their_labels_and_their_type():
    labels = np.random.default_rng(0).choice([2, 1000, 70_000_001], SIZE).astype(np.int32)
    motion = augment.draw_rotate(KEYS[0], SIZE, degrees=30.0)
    moved = augment.move_mask(labels, motion, fill=-1)
    assert moved.dtype == np.int32
    assert np.unique(moved).tolist() == [-1, 2, 1000, 70_000_001]
    assert augment.move_mask(labels > 2, motion).dtype == np.bool_
    assert np.unique(augment.move_mask(labels, motion, border="edge")).min() == 2


def test_sizes_must_fit():
    smaller = augment.draw_crop(KEYS[0], SIZE, new_size=(20, 20))
    turn = augment.draw_rotate(KEYS[0], SIZE)
    composed = augment.compose([turn, smaller])
    assert augment.move_image(marked(), composed).shape == (20, 20, 1)
    assert augment.move_mask(marked()[..., 0], composed).shape == (20, 20)
    with pytest.raises(
        ValueError, match=r"one gives \(20, 20\), the next was drawn for \(40, 48\)"
    ):
        augment.compose([smaller, turn])
    with pytest.raises(ValueError, match=r"motions=\[\]: expected at least one"):
        augment.compose([])
    with pytest.raises(ValueError, match=r"image of size \(5, 5\): the motion is for \(40, 48\)"):
        augment.move_image(np.zeros((5, 5, 1), np.float32), turn)
    with pytest.raises(ValueError, match=r"mask of size \(5, 5\): the motion is for \(40, 48\)"):
        augment.move_mask(np.zeros((5, 5), bool), turn)


def test_what_lies_behind_the_horizon_is_outside():
    size = (20, 20)
    corners = np.array([[4.0, 6], [4, 13], [19.5, 19.5], [19.5, -0.5]])
    matrix = augment.perspective_matrix(corners.astype(np.float32), size)
    # Twice over, the horizon comes down into the canvas; nothing beyond it is mirrored back.
    motion = augment.Motion((matrix,), size, size)
    image = augment.move_image(np.ones((*size, 1), np.float32), augment.compose([motion] * 3))
    assert np.all(np.isfinite(image))
    assert not np.any(image[:3])


def zoomed_in(key, inward=0.24):
    """A sixteenth of the picture, in a perspective that may turn the rest behind the horizon."""
    one, two = jax.random.split(key)
    crop = augment.draw_crop(one, (64, 64), new_size=(16, 16))
    return augment.compose(
        [crop, augment.draw_perspective(two, (16, 16), inward=(-inward, inward))]
    )


def test_boxes_hold_what_is_shown_where_a_part_lies_behind_the_horizon():
    def outside(key):
        motion = zoomed_in(key)
        rows, columns = np.ogrid[:64, :64]
        shown = augment.move_mask((rows >= 8) & (rows < 56) & (columns < 40), motion)
        y0, x0, y1, x1 = augment.move_boxes(np.array([[8.0, 0, 56, 40]]), motion)[0]
        y, x = np.ogrid[:16, :16]
        within = (y > y0 - 1.5) & (y < y1 + 0.5) & (x > x0 - 1.5) & (x < x1 + 0.5)
        corners = augment.move_points(np.array([[0.0, 0], [0, 63], [63, 0], [63, 63]]), motion)
        return jnp.sum(shown & ~within), jnp.any(jnp.isnan(corners))

    missed, behind = jax.jit(jax.vmap(outside))(jax.random.split(jax.random.key(0), 2000))
    assert np.sum(behind) > 100, "the case that this is about"
    assert not np.any(missed)


def test_a_box_that_lies_behind_the_horizon_is_nowhere():
    matrix = jnp.array([[1.0, 0, 0], [0, 1, 0], [0.1, 0, 1]])  # seen from 10 pixels above row 0
    motion = augment.Motion((matrix,), (20, 20), (20, 20))
    # Row r of the result reads row r / (1 + r / 10): rows beyond 10 are never shown.
    points = np.asarray(jax.jit(augment.move_points)(np.array([[5.0, 4], [12, 4]]), motion))
    np.testing.assert_allclose(points[0], [10.0, 8.0], rtol=1e-5)
    assert np.all(np.isnan(points[1]))
    boxes = jax.jit(augment.move_boxes)(
        np.array([[1.5, 2, 5.5, 4], [12, 2, 15, 4], [5.5, 2, 15, 4]]), motion
    )
    boxes = np.asarray(boxes)
    np.testing.assert_allclose(boxes[0, [0, 2]], [1 / 0.9 + 0.5, 10.5], rtol=1e-5)
    assert np.all(np.isnan(boxes[1]))
    assert boxes[2, 0] == pytest.approx(10.5, rel=1e-5)
    assert boxes[2, 2] > 1000, "as far as the horizon"


def test_a_mirror_has_no_horizon():
    flip = augment.draw_horizontal_flip(jax.random.key(0), (20, 20), probability=1.0)
    assert augment.move_points(np.array([[3.0, 4]]), flip).tolist() == [[3.0, 15.0]]


@pytest.mark.parametrize("kind", [np.int32, np.float16])
def test_points_of_whole_numbers_and_of_half_precision_move_as_others(kind):
    steps = (np.full((2, 12, 10), 0.3, np.float32), np.float32([[0, 1, 0.25], [1, 0, 0]]))
    motion = augment.Motion(tuple(map(jnp.asarray, steps)), (12, 10), (12, 10))
    points = np.array([[3, 4], [7, 2]])
    moved = augment.move_points(points.astype(kind), motion)
    assert moved.dtype == jnp.float32
    np.testing.assert_array_equal(moved, augment.move_points(points.astype(np.float32), motion))


def test_what_is_not_a_list_of_points_is_refused(unchecked):
    motion = augment.draw_rotate(jax.random.key(0), (20, 20))
    with pytest.raises(ValueError, match=r"points of shape \(2,\): expected \(count, 2\)"):
        augment.move_points(np.array([3.0, 4.0]), motion)


@pytest.mark.parametrize("name", ["rotate", "perspective", "elastic"])
def test_a_size_has_no_channels(name, unchecked):
    with pytest.raises(ValueError, match=r"size=\(40, 48, 3\): expected \(height, width\)"):
        getattr(augment, f"draw_{name}")(KEYS[0], (40, 48, 3))
