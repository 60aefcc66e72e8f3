"""Motions: where a picture's points go, for the image and for what was annotated in it alike.

A motion is drawn (`draw_rotate` and its like), composed with others, and applied: to the image by
one resample however many were composed, to masks by reading the nearest pixel, to points and boxes
by the same map the other way round.

    motion = compose([draw_rotate(key, size), draw_perspective(other_key, size)])
    image, points = move_image(image, motion), move_points(points, motion)

Everything is for one image; jax.vmap makes batches. Positions are (row, column) and whole numbers
are the centres of pixels. A box (y0, x0, y1, x1) holds image[y0:y1, x0:x1], so that its edges lie
at the positions y0 − ½, x0 − ½, y1 − ½ and x1 − ½.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, Shaped

from cnnjax.augment.draw import Image, Number, check_fill, check_size, fill_of, pixel_image
from cnnjax.ops.resample import resample

Points = Num[Array | np.ndarray, "count 2"]
NewPoints = Float[Array, "count 2"]
Boxes = Num[Array | np.ndarray, "count 4"]
NewBoxes = Float[Array, "count 4"]
Mask = Shaped[Array | np.ndarray, "height width"]

# Where d rises by more than one pixel a pixel, as the published α 34, σ 4 seldom does, the plain
# q ← p − d(q) runs away. This part of its step brings the error down to a ten-thousandth in 60
# steps where d rises by up to 1.6, and also where it falls by 0.8.
INVERSION_DAMPING = 0.7
INVERSION_STEPS = 60
# Between two points of a box's edge, in pixels, and how much nearer to each other others are put
# about those that come to lie farthest out, for bent edges have tips: see `move_boxes`.
EDGE_STEP = 2
EDGE_FINER = 8
# Behind the horizon of a perspective nothing is to be seen; what is read there is far outside.
HORIZON = 1e-6


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Motion:
    """A map from positions in the result to positions in the input.

    Attributes:
      steps: What a position of the result goes through, in this order. A 2 × 3 matrix is an affine
        map, a 3 × 3 matrix a homography, both of (row, column, 1); a (2, height, width) array holds
        displacements (down, right), in pixels, to be added; between its pixels they are read
        bilinearly, and beyond its border they are the border's.
      old_size: (height, width) of the input.
      new_size: (height, width) of the result.
    """

    steps: tuple
    old_size: tuple[int, int] = dataclasses.field(metadata={"static": True})
    new_size: tuple[int, int] = dataclasses.field(metadata={"static": True})

    def __post_init__(self) -> None:
        for name in ("old_size", "new_size"):
            check_size(getattr(self, name))
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a list has no hash


def compose(motions: Sequence[Motion]) -> Motion:
    """Composes motions, the first to move the picture first.

    Neighbouring matrices become one, M = M₁ · M₂ · …; displacement fields stay steps of their own.

    Args:
      motions: At least one; each takes what the one before it gives.

    Returns:
      The motion that does all of them with one resample.

    Raises:
      ValueError: No motions, or the size of one's result is not that of the next one's input.

    >>> import jax
    >>> from cnnjax import augment
    >>> right = augment.draw_translate_x(jax.random.key(0), (8, 8), fraction=0.25)
    >>> smaller = augment.draw_scale(jax.random.key(0), (8, 8), factor=0.5)
    >>> middle = jax.numpy.array([[3.5, 3.5]])
    >>> augment.move_points(middle, augment.compose([right, smaller])).tolist()
    [[3.5, 4.5]]
    >>> augment.move_points(middle, augment.compose([smaller, right])).tolist()
    [[3.5, 5.5]]
    """
    if not motions:
        raise ValueError("motions=[]: expected at least one")
    for one, following in itertools.pairwise(motions):
        if one.new_size != following.old_size:
            raise ValueError(
                f"motions: one gives {one.new_size}, the next was drawn for {following.old_size}"
            )
    steps: list[Array] = []
    for motion in reversed(motions):
        for step in motion.steps:
            if steps and steps[-1].ndim == step.ndim == 2:
                steps[-1] = _product(step, steps[-1])
            else:
                steps.append(step)
    return Motion(tuple(steps), motions[0].old_size, motions[-1].new_size)


def move_image(
    image: Image,
    motion: Motion,
    *,
    order: str = "bilinear",
    border: str = "constant",
    fill: Number = 0.0,
    upright: bool = False,
) -> Num[Array, "new_height new_width channels"]:
    """Moves an image by one resample.

    Args:
      image: The image: floats in [0, 1], or bytes, of which 255 is 1.
      motion: The motion, drawn for the image's size.
      order: "nearest", "bilinear" or "bicubic": see `ops.resample`.
      border: How the image continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant", in [0, 1].
      upright: Whether rows are known to stay rows, and columns columns, as under shifts, scalings
        and mirroring. The image is then read along one axis after the other, in less time; what
        the motion's one matrix, a 2 × 3 one, has at [0, 1] and [1, 0] is taken for 0.

    Returns:
      The moved image, of the image's type. "bicubic" overshoots beside edges and is clipped to
      [0, 1]; the others stay within the image's own range.

    Raises:
      ValueError: An option is not known, `fill` is outside [0, 1], the image is neither of floats
        nor of bytes, or the motion was drawn for another size, or is no single 2 × 3 matrix where
        `upright` says so.
    """
    image = pixel_image(image)
    _check_size("image", image.shape[:2], motion)
    check_fill(fill)
    outside = fill_of(fill, image.dtype)
    of_bytes = image.dtype == np.uint8
    sources = _upright_sources(motion) if upright else _sources(motion, quickly=of_bytes)
    result = resample(image, sources, order=order, border=border, fill=outside)
    # What becomes bytes is clipped there.
    return jnp.clip(result, 0, 1) if order == "bicubic" and result.dtype != np.uint8 else result


def move_mask(
    mask: Mask, motion: Motion, *, border: str = "constant", fill: Number = 0
) -> Shaped[Array, "new_height new_width"]:
    """Moves a mask or a map of labels: each pixel of the result takes the nearest pixel's value.

    Args:
      mask: Booleans, whole numbers or floats.
      motion: The motion, drawn for the mask's size.
      border: How the mask continues: "constant", "edge", "reflect" or "wrap".
      fill: What is outside with "constant".

    Returns:
      The moved mask, of the mask's type.

    Raises:
      ValueError: `border` is not known, or the motion was drawn for another size.
    """
    _check_size("mask", mask.shape, motion)
    pixels = jnp.asarray(mask)[..., None]
    return resample(pixels, _sources(motion), order="nearest", border=border, fill=fill)[..., 0]


def move_points(points: Points, motion: Motion) -> NewPoints:
    """Moves points to where the moved image shows what was at them.

    Matrices are inverted exactly. A displacement field d is inverted by the damped iteration
    q ← q + 0.7 (p − d(q) − q), which finds the one solution where d neither falls by more than 0.8
    nor rises by more than 1.6 pixels a pixel. Where it falls by more than 1, the picture folds: a
    point has several places, of which this finds one.

    Args:
      points: (row, column) of each, in pixels; whole numbers are the centres of pixels.
      motion: The motion.

    Returns:
      Where they go, in pixels; it may be off the canvas. NaN for a point that a perspective puts
      behind its horizon, where nothing is shown.

    Raises:
      ValueError: `points` are not pairs.
    """
    if jnp.ndim(points) != 2 or jnp.shape(points)[1] != 2:
        raise ValueError(f"points of shape {jnp.shape(points)}: expected (count, 2)")
    # Whole numbers and half precision would not hold where points go.
    exact = jnp.result_type(points, jnp.float32, *motion.steps)
    y, x = jnp.asarray(points, exact).T
    for step in reversed(motion.steps):
        if step.ndim == 2:
            *places, depth = _rows(_inverse(step), y, x)
            y, x = (jnp.where(depth > 0, place / depth, jnp.nan) for place in places)
            continue

        def nearer(_: Array, guess: tuple, step: Array = step, y: Array = y, x: Array = x) -> tuple:
            down, right = _displacements(step, *guess)
            return (
                guess[0] + INVERSION_DAMPING * (y - down - guess[0]),
                guess[1] + INVERSION_DAMPING * (x - right - guess[1]),
            )

        y, x = jax.lax.fori_loop(0, INVERSION_STEPS, nearer, (y, x))
    return jnp.stack([y, x], -1)


def move_boxes(boxes: Boxes, motion: Motion) -> NewBoxes:
    """Moves boxes: the result is the smallest upright box around the moved edges.

    Matrices keep edges straight, so that the four corners tell, and where a side passes behind the
    horizon of a perspective, its last place before it. Where the motion holds a displacement field,
    points along the edges are moved too, 2 pixels apart in a box as long as the image, and more of
    them beside those that come to lie farthest out.

    Args:
      boxes: (y0, x0, y1, x1) of each, in pixels; one holds image[y0:y1, x0:x1].
      motion: The motion.

    Returns:
      Boxes of the same form, not cut off at the canvas (`clip_boxes` does that), around all that is
      shown of what the old ones held, NaN where that is nothing because all lies behind a horizon:
      exactly where only matrices move them, and to half a pixel where one or two fields of σ 4
      pixels or more, α 34 or less, bend them: none of 4,000 such pairs on 96 × 128 pixels was
      further out. Of 1,500 rows of three one was, by 0.8 pixels, where the picture folded.

    Raises:
      ValueError: `boxes` are not fours.
    """
    _check_boxes(boxes)
    # Half precision would not hold where corners go.
    boxes = jnp.asarray(boxes, jnp.result_type(boxes, jnp.float32))
    bent = any(step.ndim == 3 for step in motion.steps)
    a_side = -(-max(motion.old_size) // EDGE_STEP) if bent else 1

    def moved(places: Array) -> Array:
        points = _on_the_edge(boxes - 0.5, places)
        return move_points(points.reshape(-1, 2), motion).reshape(points.shape)

    def extent(points: Array, lowest: Callable, highest: Callable) -> Array:
        unseen = jnp.isnan(points)
        return jnp.concatenate(
            [
                lowest(jnp.where(unseen, jnp.inf, points), 0),
                highest(jnp.where(unseen, -jnp.inf, points), 0),
            ],
            -1,
        )

    places = jnp.broadcast_to(jnp.arange(4 * a_side)[:, None] / a_side, (4 * a_side, len(boxes)))
    if not bent:
        before = [_before_the_horizon(boxes - 0.5, step) for step in motion.steps]
        places = jnp.concatenate([places, *before])
    found = moved(places)
    if bent:
        farthest = extent(found, jnp.argmin, jnp.argmax)
        near = np.linspace(-1, 1, 2 * EDGE_FINER + 1)[:, None, None] / a_side
        finer = jnp.moveaxis(farthest / a_side + near, 1, 2).reshape(4 * len(near), len(boxes))
        found = jnp.concatenate([found, moved(finer)])
    around = extent(found, jnp.min, jnp.max)
    return jnp.where(jnp.isfinite(around), around + 0.5, jnp.nan)


def clip_boxes(boxes: Boxes, size: tuple[int, int]) -> tuple[NewBoxes, Float[Array, " count"]]:
    """Cuts boxes off at the canvas, and tells how much of each is left.

    share = area of the cut box / area of the whole one, by which detectors drop what has all but
    left: `valid = share > 0.1`.

    Args:
      boxes: (y0, x0, y1, x1) of each, in pixels, as `move_boxes` gives them.
      size: (height, width) of the canvas, in pixels.

    Returns:
      Boxes within the canvas, and their shares, in [0, 1]. Of a box without area, or of NaN, the
      share is 0; NaN boxes become zeros.

    Raises:
      ValueError: `boxes` are not fours.

    >>> import jax.numpy as jnp
    >>> from cnnjax import augment
    >>> boxes, shares = augment.clip_boxes(jnp.array([[-2.0, 4, 2, 8], [9, 9, 12, 12]]), (8, 8))
    >>> boxes.tolist(), shares.tolist()
    ([[0.0, 4.0, 2.0, 8.0], [8.0, 8.0, 8.0, 8.0]], [0.5, 0.0])
    """
    _check_boxes(boxes)
    boxes = jnp.asarray(boxes, jnp.result_type(boxes, jnp.float32))
    seen = ~jnp.isnan(boxes).any(-1, keepdims=True)
    boxes = jnp.where(seen, boxes, 0)
    clipped = jnp.clip(boxes, 0, jnp.array([*size, *size], boxes.dtype))
    whole, left = _area(boxes), _area(clipped)
    return clipped, jnp.where(whole > 0, left / jnp.where(whole > 0, whole, 1), 0)


def _area(boxes: Array) -> Float[Array, " count"]:
    sides = jnp.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def _check_boxes(boxes: Boxes) -> None:
    if jnp.ndim(boxes) != 2 or jnp.shape(boxes)[1] != 4:
        raise ValueError(f"boxes of shape {jnp.shape(boxes)}: expected (count, 4)")


def _before_the_horizon(boxes: Array, step: Array) -> Float[Array, "4 count"]:
    """On each side of each box the place where it comes to the horizon, or its first corner."""
    corners = _on_the_edge(boxes, jnp.broadcast_to(jnp.arange(4.0)[:, None], (4, len(boxes))))
    depth = _rows(_inverse(step), corners[..., 0], corners[..., 1])[2]
    # So near that what is there is shown a thousand lengths away.
    near = 1e-3 * jnp.max(jnp.abs(depth), 0)
    following = jnp.roll(depth, -1, 0)
    passes = (depth > near) != (following > near)
    share = jnp.where(passes, (near - depth) / jnp.where(passes, following - depth, 1.0), 0.0)
    return jnp.arange(4.0)[:, None] + share


def _on_the_edge(boxes: Array, places: Array) -> Float[Array, "places count 2"]:
    """Points on boxes' edges: at 0, 1, 2 and 3 the corners, clockwise from the upper left."""
    down = jnp.interp(places, np.arange(5.0), np.array([0.0, 0, 1, 1, 0]), period=4)
    right = jnp.interp(places, np.arange(5.0), np.array([0.0, 1, 1, 0, 0]), period=4)
    along = jnp.stack([down, right], -1)
    # Both ends are exact in this form.
    return boxes[:, :2] * (1 - along) + boxes[:, 2:] * along


def _check_size(name: str, size: tuple[int, ...], motion: Motion) -> None:
    if tuple(size) != motion.old_size:
        raise ValueError(f"{name} of size {tuple(size)}: the motion is for {motion.old_size}")


def _canvas(size: tuple[int, int]) -> tuple[Float[Array, "height 1"], Float[Array, "1 width"]]:
    y, x = (jnp.arange(length, dtype=jnp.float32) for length in size)
    return y[:, None], x[None, :]


def _sources(motion: Motion, *, quickly: bool = False) -> tuple[Array, Array]:
    """The row and the column to read for each pixel of the result."""
    y, x = _canvas(motion.new_size)
    for number, step in enumerate(motion.steps):
        if step.ndim == 2:
            y, x = _project(step, y, x, _reciprocal if quickly else jnp.reciprocal)
        elif number == 0:
            y, x = y + step[0], x + step[1]
        else:
            down, right = _displacements(step, y, x)
            y, x = y + down, x + right
    return y, x


def _upright_sources(motion: Motion) -> tuple[Array, Array]:
    """As `_sources`, of a matrix under which rows stay rows: as a mesh."""
    shapes = [step.shape for step in motion.steps]
    if shapes != [(2, 3)]:
        raise ValueError(f"upright=True with steps of shapes {shapes}: expected one 2 × 3 matrix")
    ((rows, columns),) = motion.steps
    y, x = _canvas(motion.new_size)
    return rows[0] * y + rows[2], columns[1] * x + columns[2]


def _displacements(field: Array, y: Array, x: Array) -> tuple[Array, Array]:
    places = jnp.stack([y, x]).reshape(2, 1, y.size)
    read = resample(jnp.moveaxis(field, 0, -1), places, border="edge")
    return read[..., 0].reshape(y.shape), read[..., 1].reshape(y.shape)


def _project(
    matrix: Array, y: Array, x: Array, reciprocal: Callable[[Array], Array]
) -> tuple[Array, Array]:
    rows = _rows(matrix, y, x)
    if len(rows) == 2:
        return rows[0], rows[1]
    depth = jnp.maximum(rows[2], HORIZON)
    # One division instead of two; at depth 1, as of the identity, both are exact.
    nearness = reciprocal(depth)
    return rows[0] * nearness, rows[1] * nearness


def _reciprocal(depth: Array) -> Float[Array, "*shape"]:
    """1 / depth, above 0, by Newton's steps r ← r + r·(1 − depth·r); of 1 it is 1.

    Bytes compute a position for each value that is read there, and divisions would take a fifth of
    the time of it all. The first guess, whose exponent is the negative one, is off by a twentieth
    at most; three steps bring that to the last bits.
    """
    bits = jax.lax.bitcast_convert_type(depth.astype(jnp.float32), jnp.uint32)
    guess = jax.lax.bitcast_convert_type(jnp.uint32(0x7EF311C7) - bits, jnp.float32)
    for _ in range(3):
        guess = guess + guess * (1 - depth * guess)
    return guess


def _rows(matrix: Array, y: Array, x: Array) -> list[Array]:
    return [row[0] * y + row[1] * x + row[2] for row in matrix]


def _square(matrix: Array) -> Array:
    """A 2 × 3 matrix as a homography."""
    if matrix.shape[0] == 3:
        return matrix
    return jnp.concatenate([matrix, jnp.array([[0, 0, 1]], matrix.dtype)])


def _product(left: Array, right: Array) -> Array:
    # Sums written out are exact for the identity on every device; a matrix product need not be.
    product = jnp.sum(_square(left)[:, :, None] * _square(right)[None], 1)
    return product[:2] if left.shape[0] == right.shape[0] == 2 else product


def _inverse(matrix: Array) -> Array:
    """The inverse up to a factor above 0, which a homography does not feel.

    It is the adjugate or its negative: depth is positive before the horizon, also where the matrix
    mirrors.
    """
    a, b, c = _square(matrix)
    adjugate = jnp.stack([jnp.cross(b, c), jnp.cross(c, a), jnp.cross(a, b)], -1)
    return jnp.where(jnp.dot(a, adjugate[:, 0]) < 0, -adjugate, adjugate)
