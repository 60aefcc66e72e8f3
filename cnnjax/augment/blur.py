"""Blurring: out of focus, and by motion.

Both are correlations with a kernel that sums to 1 and is drawn for each image. The kernel's values
are traced, its window is static: it is as large as the upper end of the range asks for. Beyond its
border the image is mirrored, the outermost pixel included (d c b a | a b c d | d c b a), which is
mode "reflect" of scipy.ndimage.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Range, Scalar
from cnnjax.ops.pixels import clipped, single
from cnnjax.ops.stored import on_stored

# Standard deviations after which the Gaussian is cut off, as scipy.ndimage has it.
TRUNCATE = 4.0

# Points at which the path of a motion is read, for each pixel of the greatest length.
POINTS_PER_PIXEL = 8

# Shifted images in a sum that is stored before the next are added.
TERMS = 28

# Keeps the Gaussian of deviation 0 a number; e^(−1/(2·SMALLEST²)) is 0 in float32.
SMALLEST = 1e-3


def gaussian_blur(
    key: PRNGKeyArray, image: Image, *, sigma: Range = (0.0, 1.5), strength: Scalar = 1.0
) -> NewImage:
    """Correlates with a Gaussian: w(d) = exp(−d² / 2σ²) / Σ_e exp(−e² / 2σ²) along each axis.

    Args:
      key: The random key.
      image: The image, in [0, 1]; mirrored beyond its border, as the module says.
      sigma: Standard deviation σ in pixels, at least 0. The Gaussian is cut off at 4 times the
        upper end of the range.
      strength: Factor on σ, at least 0; may be traced. It takes σ no further than the upper end of
        the range, which the window is made for.

    Returns:
      The blurred image, in [0, 1]. For σ = 0 it is the image, bit for bit.

    Raises:
      ValueError: `sigma` is not a range of numbers ≥ 0.

    >>> import jax, jax.numpy as jnp
    >>> gaussian_blur(jax.random.key(0), jnp.ones((5, 4, 3)), sigma=(0.5, 2.0)).shape
    (5, 4, 3)
    """
    high = draw.ends("sigma", sigma, least=0)[1]
    deviation = draw.parameter(key, "sigma", sigma, neutral=0, strength=strength, most=high)
    deviation = jnp.maximum(deviation, SMALLEST)
    radius = int(TRUNCATE * high + 0.5)
    distance = np.arange(-radius, radius + 1)
    weights = jnp.exp(-0.5 * (distance / deviation) ** 2)
    weights = weights / jnp.sum(weights)
    return _correlate_separably(draw.pixel_image(image), weights)


def motion_blur(
    key: PRNGKeyArray,
    image: Image,
    *,
    length: Range = (0.0, 5.0),
    angle: Range = (-90.0, 90.0),
    strength: Scalar = 1.0,
) -> NewImage:
    """Averages along a straight path: y(p) = 1/L · ∫ x(p + t·u) dt, t from −L/2 to L/2.

    u is the direction of the path, and x is read bilinearly between pixels, so that the line is
    anti-aliased. The integral is the mean over the middles of equal parts of the path, 8 parts for
    each pixel of the range's upper end, and at least 8.

    Args:
      key: The random key.
      image: The image, in [0, 1]; mirrored beyond its border, as the module says.
      length: Length L of the path, in pixels, at least 0.
      angle: Direction of the path, in degrees: 0 is horizontal, positive angles turn it
        counter-clockwise as displayed.
      strength: Factor on the length, at least 0; may be traced. It takes the length no further
        than the upper end of the range, which the window is made for.

    Returns:
      The blurred image, in [0, 1]. For length 0 it is the image, bit for bit, if it is finite.

    Raises:
      ValueError: `length` is not a range of numbers ≥ 0 or `angle` not a range.
    """
    high = draw.ends("length", length, least=0)[1]
    length_key, angle_key = jax.random.split(key)
    distance = draw.parameter(length_key, "length", length, neutral=0, strength=strength, most=high)
    turn = jnp.deg2rad(draw.parameter(angle_key, "angle", angle, neutral=0.0))
    points = math.ceil(POINTS_PER_PIXEL * max(1.0, high))
    along = distance * ((np.arange(points) + 0.5) / points - 0.5).astype(np.float32)
    radius = math.ceil(high / 2)
    offset = np.arange(-radius, radius + 1)
    # A point's bilinear weights: the product of a triangle along each axis.
    rows = jnp.maximum(0, 1 - jnp.abs(-jnp.sin(turn) * along[:, None] - offset))
    columns = jnp.maximum(0, 1 - jnp.abs(jnp.cos(turn) * along[:, None] - offset))
    weights = jnp.einsum("pi,pj->ij", rows, columns, precision="highest") / points
    most = min(_most_pixels(high / 2), weights.size)
    return _correlate_along(draw.pixel_image(image), weights.astype(jnp.float32), most)


@jax.jit  # its branch would be compiled anew for each call that is not compiled itself
def _correlate_separably(image: Array, weights: Array) -> Array:
    """Correlates every channel with the same odd window along both axes, and clips in between."""
    height, width, channels = image.shape
    count, rim = len(weights), (len(weights) // 2,) * 2
    # Columns and channels become one axis: long rows are faster to add than triples.
    rows = _mirrored(image, rim, rim).reshape(height + count - 1, -1)
    down = functools.reduce(jnp.add, (weights[i] * rows[i : i + height] for i in range(count)))

    @on_stored
    def across(down: Array, weights: Array) -> Array:
        shifts = (down[:, j * channels : (j + width) * channels] for j in range(count))
        return functools.reduce(jnp.add, map(jnp.multiply, weights, shifts))

    return _within(across(jnp.clip(down, 0, 1), weights), image)


@functools.cache
def _most_pixels(half: float) -> int:
    """The largest number of pixels that get a weight from a path of ±half pixels, at any angle.

    Pixel (i, j) gets one where |t·sin θ − i| < 1 and |t·cos θ − j| < 1 for a t from −half to half.
    Which do changes only at angles where two ends of these three ranges of t fall together: one
    angle between each two of them tells for all, and an eighth of the circle for the rest.
    """
    half = max(half, 1e-3)  # a point has no direction
    ends = np.arange(math.ceil(half) + 2)
    slopes = np.arctan2(ends[:, None], ends).ravel()
    turns = np.arccos(np.minimum(ends / half, 1))
    changes = np.unique(np.concatenate([slopes, turns, np.pi / 2 - turns]))
    changes = changes[changes < np.pi / 4 + 1e-3]
    angles = (changes[1:] + changes[:-1])[:, None] / 2
    # Row by row: the part of the path that comes near enough, and the columns that this is near to.
    rows = np.arange(-ends[-2], ends[-1])
    first = np.maximum((rows - 1) / np.sin(angles), -half)
    last = np.minimum((rows + 1) / np.sin(angles), half)
    columns = np.ceil(last * np.cos(angles) + 1) - np.floor(first * np.cos(angles) - 1) - 1
    return int(np.sum(np.where(first < last, columns, 0), 1).max())


@functools.partial(jax.jit, static_argnames="most")  # for its branches, as above
def _correlate_along(image: Array, weights: Array, most: int) -> Array:
    """Correlates every channel with a window of which `most` weights at most are not 0.

    A sum of shifted images, one for each such weight, wherever they lie. A sum over the whole
    window takes one and a half times as long for 7 × 7 and eight times for 41 × 41; a convolution
    with a kernel of each image's own, longer still.
    """
    height, width, channels = image.shape
    count, rim = len(weights), len(weights) // 2
    row = (width + count - 1) * channels
    # In one axis every shift is a single distance, and what is added has no rows to begin anew. The
    # last shift reaches a little beyond the last row: there is one more.
    flat = _mirrored(image, (rim, rim + 1), (rim, rim)).ravel()
    chosen, place = jax.lax.top_k(weights.ravel(), most)
    start = place // count * row + place % count * channels
    total = _sum_of_shifted(flat, chosen, start, height * row)
    return _within(total.reshape(height, row)[:, : width * channels], image)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _sum_of_shifted(flat: Array, weights: Array, starts: Array, length: int) -> Array:
    """Σ_k weights[k] · flat[starts[k] : starts[k] + length]."""
    total = jnp.zeros(length, flat.dtype)
    # Beyond two dozen terms or so the CPU takes ever longer for each.
    for first in range(0, len(weights), TERMS):
        terms = range(first, min(first + TERMS, len(weights)))

        @on_stored
        def add(
            flat: Array, total: Array, weights: Array, starts: Array, terms: range = terms
        ) -> Array:
            for k in terms:
                total = total + weights[k] * jax.lax.dynamic_slice(flat, (starts[k],), (length,))
            return total

        total = add(flat, total, weights, starts)
    return total


@_sum_of_shifted.defjvp
def _derivative(
    length: int, primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """The terms in a loop: unrolled, each would take an image of memory on the way back."""

    def in_a_loop(flat: Array, weights: Array, starts: Array) -> Array:
        def add(total: Array, each: tuple[Array, Array]) -> tuple[Array, None]:
            weight, start = each
            return total + weight * jax.lax.dynamic_slice(flat, (start,), (length,)), None

        return jax.lax.scan(add, jnp.zeros(length, flat.dtype), (weights, starts))[0]

    flat, weights, starts = primals
    change = in_a_loop(tangents[0], weights, starts) + in_a_loop(flat, tangents[1], starts)
    return _sum_of_shifted(flat, weights, starts, length), change


def _mirrored(image: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """The image's values, in float32 at least, with so many of its mirror before and after.

    Bytes are mirrored as they are, which takes a fifth of the time.
    """
    mirrored = jnp.pad(image, [rows, columns, (0, 0)], mode="symmetric")
    return single(draw.float_image(mirrored))


def _within(blurred: Array, image: Array) -> Array:
    """As the image is; weights that sum to 1 up to rounding may leave [0, 1] by as little."""
    return clipped(blurred, image.dtype).reshape(image.shape)
