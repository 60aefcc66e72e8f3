"""Moment normalisation: taking position, slant and size out of an image before it is classified.

Each function maps images to images of the same size by one bilinear resample; the images continue
with zeros outside. An empty image stays as it is.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnjax.features.images import Images, batch
from cnnjax.features.moments import moments
from cnnjax.ops.resample import warp

NewImages = Float[Array, "batch height width channels"]

# Radius of gyration over the canvas side: the mean of MNIST's digits on their 28 × 28 canvas.
SIZE = 0.24

# A variance below this, in pixels², is rounding: less than 1e-8 is left of a dot or of a row on
# canvases of a thousand pixels, and the faintest second row of a digit adds 1e-4.
NO_EXTENT = 1e-6


@jax.jit
def centre(images: Images) -> NewImages:
    """Moves the centre of mass to the centre of the canvas.

    Args:
      images: Bright ink on a dark ground.

    Returns:
      The shifted images; the shift is not rounded to whole pixels.

    Raises:
      ValueError: The images are not a batch of floats.
    """
    identity = jnp.broadcast_to(jnp.eye(2), (len(images), 2, 2))
    return _about_centre_of_mass(images, identity)


@jax.jit
def deskew(images: Images) -> NewImages:
    """Shears horizontally until rows and columns are uncorrelated, and centres.

    The pixel at (y, x) from the centre of the result is read at (y, x + s·y) from the centre of
    mass, with the skew s = µ₁₁ / µ₀₂. Afterwards µ₁₁ is 0 up to the interpolation: the digit stands
    upright. A single row, without vertical extent, has no slant: s is 0.

    Args:
      images: Bright ink on a dark ground.

    Returns:
      The upright, centred images.

    Raises:
      ValueError: The images are not a batch of floats.

    Reference:
      LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition.
      Proceedings of the IEEE 86(11), 1998 (deslanted digits, by second moments).
    """
    covariance = moments(images).covariance
    vertical = covariance[:, 0, 0]
    some = vertical > NO_EXTENT
    skew = jnp.where(some, covariance[:, 0, 1] / jnp.where(some, vertical, 1), 0)
    one, zero = jnp.ones_like(skew), jnp.zeros_like(skew)
    linear = jnp.stack([jnp.stack([one, zero], -1), jnp.stack([skew, one], -1)], -2)
    return _about_centre_of_mass(images, linear)


@functools.partial(jax.jit, static_argnames=("size", "limit"))
def normalise_size(images: Images, *, size: float = SIZE, limit: float = 2.0) -> NewImages:
    """Scales both axes alike until the radius of gyration is a given one, and centres.

    The radius is √((µ₂₀ + µ₀₂) / m₀₀), the root mean square distance of the ink from its centre.

    Args:
      images: Bright ink on a dark ground.
      size: The radius wanted, as a share of the canvas's shorter side, above 0.
      limit: No image is enlarged or shrunk by more than this factor, at least 1; a single dot
        keeps its size.

    Returns:
      The scaled, centred images.

    Raises:
      ValueError: `size` is not positive, `limit` is not at least 1, or the images are not a batch
        of floats.
    """
    if not size > 0:
        raise ValueError(f"size={size}: expected a number > 0")
    if not limit >= 1:
        raise ValueError(f"limit={limit}: expected a number ≥ 1")
    variance = jnp.trace(moments(images).covariance, axis1=1, axis2=2)
    some = variance > NO_EXTENT
    radius = jnp.sqrt(jnp.where(some, variance, 1))
    target = size * min(images.shape[1:3])
    # The map leads from the result to the input: enlarging reads closer to the centre.
    factor = jnp.where(some, jnp.clip(radius / target, 1 / limit, limit), 1)
    return _about_centre_of_mass(images, factor[:, None, None] * jnp.eye(2))


@functools.partial(jax.jit, static_argnames=("margin", "threshold"))
def crop(images: Images, *, margin: float = 4.0, threshold: float = 0.0) -> NewImages:
    """Scales the bounding box of the ink, its proportions kept, to fill the canvas up to a margin.

    Scaled k times, the box's edge fades out over up to k / 2 pixels of the margin, for bilinear
    reading spreads ink to half a pixel of the input beyond the box.

    Args:
      images: Bright ink on a dark ground.
      margin: Pixels from the box's longer side to the canvas's border on either end; 4 on a 28 × 28
        canvas gives MNIST's 20 × 20 box.
      threshold: A pixel whose largest channel is above this is ink.

    Returns:
      The box of each image, centred on the canvas.

    Raises:
      ValueError: The margin leaves no room, the threshold is NaN, or the images are not a batch of
        floats.
    """
    images = batch(images)
    height, width = images.shape[1:3]
    if not 0 <= 2 * margin < min(height, width):
        raise ValueError(f"margin={margin}: expected at least 0 and below {min(height, width) / 2}")
    if math.isnan(threshold):
        raise ValueError(f"threshold={threshold}: expected a number")
    ink = jnp.max(images, axis=-1) > threshold
    top, rows = _extent(jnp.any(ink, axis=2))
    left, columns = _extent(jnp.any(ink, axis=1))
    factor = jnp.maximum(rows / (height - 2 * margin), columns / (width - 2 * margin))
    some = rows > 0
    factor = jnp.where(some, factor, 1)
    middle = jnp.array([(height - 1) / 2, (width - 1) / 2])
    box = jnp.stack([top + (rows - 1) / 2, left + (columns - 1) / 2], -1)
    linear = factor[:, None, None] * jnp.eye(2)
    return _about(images, linear, jnp.where(some[:, None], box, middle))


def _extent(occupied: Array) -> tuple[Array, Array]:
    """The first occupied place of each row, and how many places the occupied ones span."""
    length = occupied.shape[1]
    first = jnp.argmax(occupied, axis=1)
    last = length - 1 - jnp.argmax(occupied[:, ::-1], axis=1)
    return first, jnp.where(jnp.any(occupied, axis=1), last - first + 1, 0)


def _about_centre_of_mass(images: Images, linear: Array) -> Array:
    return _about(images, linear, moments(images).centre)


def _about(images: Images, linear: Array, point: Array) -> Array:
    """Resamples by `linear` (result to input), with the canvas centre reading at `point`."""
    height, width = images.shape[1:3]
    middle = jnp.array([(height - 1) / 2, (width - 1) / 2])
    offset = point - jnp.sum(linear * middle, axis=-1)
    return warp(images, jnp.concatenate([linear, offset[:, :, None]], axis=-1))
