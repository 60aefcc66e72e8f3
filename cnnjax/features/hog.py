"""Histograms of oriented gradients."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.features.images import Images, batch
from cnnjax.ops.pixels import single

# L2-Hys: what keeps an empty block from dividing by zero, and where single values are cut.
EPSILON = 1e-5
CLIP = 0.2


def hog(
    images: Images,
    *,
    orientations: int = 9,
    cell: Sequence[int] = (4, 4),
    block: Sequence[int] = (2, 2),
) -> Float[Array, "batch features"]:
    """Computes histograms of oriented gradients with L2-Hys block normalisation.

    1. Gradients by central differences I(x + 1) − I(x − 1), zero on the border; of several channels
       the one with the largest gradient counts, pixel by pixel, the first one where they tie.
    2. A histogram for each cell over `orientations` equal parts of [0°, 180°), every pixel adding
       its gradient's magnitude to one part; divided by the cell's number of pixels.
    3. Every block of cells, one cell apart, is divided by √(Σ v² + ε²), cut at 0.2, and divided
       again.

    The same numbers as skimage.feature.hog with block_norm="L2-Hys" and feature_vector=True. Rows
    and columns that fill no cell are left out.

    Args:
      images: Images of at least one block.
      orientations: Number of parts of the half circle.
      cell: (height, width) of a cell, in pixels.
      block: (height, width) of a block, in cells.

    Returns:
      Per image the blocks row by row, in each the cells row by row, in each the orientations; of
      the images' type.

    Raises:
      ValueError: `orientations` is no integer ≥ 1, `cell` or `block` no pair of them, the images
        hold no block, or they are not a batch of floats.

    Reference:
      Dalal, Triggs: Histograms of oriented gradients for human detection. CVPR 2005.

    >>> import jax.numpy as jnp
    >>> from cnnjax import features
    >>> features.hog(jnp.zeros((2, 28, 28, 1))).shape
    (2, 1296)
    """
    images = batch(images)
    if not _whole(orientations):
        raise ValueError(f"orientations={orientations!r}: expected an integer ≥ 1")
    cell, block = _pair("cell", cell), _pair("block", block)
    needed = (cell[0] * block[0], cell[1] * block[1])
    if images.shape[1] < needed[0] or images.shape[2] < needed[1]:
        raise ValueError(
            f"images of {images.shape[1]} × {images.shape[2]}: expected at least one block, "
            f"{needed[0]} × {needed[1]}"
        )
    return _hog(images, int(orientations), cell, block)


def _pair(name: str, value: object) -> tuple[int, int]:
    """Gives a pair of integers as a tuple: what is compiled in must be hashable."""
    pair = value if isinstance(value, Sequence | np.ndarray) else ()
    if len(pair) != 2 or not all(map(_whole, pair)):
        raise ValueError(f"{name}={value!r}: expected a pair of integers ≥ 1")
    return int(pair[0]), int(pair[1])


def _whole(value: Any) -> bool:
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return number and int(value) >= 1


@functools.partial(jax.jit, static_argnames=("orientations", "cell", "block"))
def _hog(
    images: Array, orientations: int, cell: tuple[int, int], block: tuple[int, int]
) -> Float[Array, "batch features"]:
    # ε² is 0 in half precision.
    down, right = _gradient(single(images))
    magnitude = _length(down, right)
    part = _orientation(down, right, orientations)
    cells = _histograms(magnitude, part, orientations, cell)
    return _normalised_blocks(cells, block).astype(images.dtype)


def _gradient(images: Array) -> tuple[Array, Array]:
    down, right = _difference(images, 1), _difference(images, 2)
    if images.shape[-1] == 1:
        return down[..., 0], right[..., 0]
    strongest = jnp.argmax(down**2 + right**2, axis=-1, keepdims=True)
    take = functools.partial(jnp.take_along_axis, indices=strongest, axis=-1)
    return take(down)[..., 0], take(right)[..., 0]


def _difference(images: Array, axis: int) -> Array:
    """The central difference along an axis; on the border, which may be all there is, zero."""
    size = images.shape[axis]
    if size < 3:
        return jnp.zeros_like(images)
    after = jax.lax.slice_in_dim(images, 2, size, axis=axis)
    before = jax.lax.slice_in_dim(images, 0, size - 2, axis=axis)
    rims = [(1, 1) if each == axis else (0, 0) for each in range(images.ndim)]
    return jnp.pad(after - before, rims)


def _length(down: Array, right: Array) -> Array:
    square = down**2 + right**2
    # √ has no gradient at 0, so 0 never reaches it. NaN does, and stays to be seen.
    some = square != 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, square, 1)), 0)


def _orientation(down: Array, right: Array, orientations: int) -> Array:
    """The part of [0°, 180°) that each gradient points to, without computing an angle.

    A gradient and its opposite count alike, so take the one that points downwards. Its angle is at
    least θ exactly when down·cos θ ≥ right·sin θ; as many boundaries θ hold as parts lie below.
    """
    upwards = (down < 0) | ((down == 0) & (right < 0))
    sign = jnp.where(upwards, -1, 1).astype(down.dtype)
    down, right = sign * down, sign * right
    angles = [math.pi * k / orientations for k in range(1, orientations)]
    reached = [down * math.cos(angle) >= right * math.sin(angle) for angle in angles]
    return sum((r.astype(jnp.int32) for r in reached), jnp.zeros(down.shape, jnp.int32))


def _histograms(magnitude: Array, part: Array, orientations: int, cell: tuple[int, int]) -> Array:
    batch, height, width = magnitude.shape
    rows, columns = height // cell[0], width // cell[1]
    whole = (slice(None), slice(rows * cell[0]), slice(columns * cell[1]))
    votes = jnp.where(
        part[whole][..., None] == jnp.arange(orientations), magnitude[whole][..., None], 0
    )
    votes = votes.reshape(batch, rows, cell[0], columns, cell[1], orientations)
    return jnp.sum(votes, axis=(2, 4)) / (cell[0] * cell[1])


def _normalised_blocks(cells: Array, block: tuple[int, int]) -> Array:
    batch, rows, columns, orientations = cells.shape
    down, right = rows - block[0] + 1, columns - block[1] + 1
    parts = [
        cells[:, y : y + down, x : x + right] for y in range(block[0]) for x in range(block[1])
    ]
    blocks = jnp.stack(parts, axis=3)
    length = len(parts) * orientations
    blocks = blocks.reshape(batch, down * right, length)
    blocks = jnp.minimum(_unit(blocks), CLIP)
    return _unit(blocks).reshape(batch, down * right * length)


def _unit(blocks: Array) -> Array:
    return blocks / jnp.sqrt(jnp.sum(blocks**2, axis=-1, keepdims=True) + EPSILON**2)
