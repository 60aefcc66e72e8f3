"""Noise on single pixels and on coarse ones."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Range, Scalar
from cnnjax.ops.pixels import as_pixels

# Cells that a coarse grid has at least along each axis, as in imgaug: with a single cell an image
# would be white all over.
FEWEST_CELLS = 3


def additive_gaussian_noise(
    key: PRNGKeyArray, image: Image, *, deviation: Range = (0.0, 0.1), strength: Scalar = 1.0
) -> NewImage:
    """Adds normal noise, independent for every pixel and channel: y = clip(x + σ·n), n ~ N(0, 1).

    n is one of 65,536 equally likely values, the quantiles of N(0, 1) at (i + ½) / 65,536: of mean
    0, variance 0.99998, and at most 4.32.

    Args:
      key: The random key.
      image: The image, in [0, 1].
      deviation: Standard deviation σ of the noise on the scale [0, 1], at least 0.
      strength: Factor on σ, at least 0; may be traced.

    Returns:
      The noisy image, clipped to [0, 1]. For σ = 0 it is the image, bit for bit.

    Raises:
      ValueError: `deviation` is not a range of numbers ≥ 0.

    >>> import jax, jax.numpy as jnp
    >>> additive_gaussian_noise(jax.random.key(0), jnp.ones((5, 4, 3)), strength=0.0).min().item()
    1.0
    """
    own_key, noise_key = jax.random.split(key)
    sigma = draw.parameter(own_key, "deviation", deviation, neutral=0, strength=strength, least=0)
    # The drawing is what takes the time, so that every number drawn serves two values, half of its
    # bits each; in long rows, since of three channels only three could be drawn at once.
    image = draw.pixel_image(image)
    values = draw.float_image(image).reshape(-1)
    half = -(-values.size // 2)
    bits = jax.random.bits(noise_key, (half,), jnp.uint32)

    def noisy(some: Array, bits: Array) -> Array:
        normal = np.sqrt(2) * jax.lax.erf_inv((bits.astype(jnp.float32) + 0.5) / 2**15 - 1)
        return jnp.clip(some + sigma * normal, 0.0, 1.0)

    parts = (
        noisy(values[:half], bits >> 16),
        noisy(values[half:], bits[: values.size // 2] & 0xFFFF),
    )
    return as_pixels(jnp.concatenate(parts).reshape(image.shape), image.dtype)


def salt(
    key: PRNGKeyArray, image: Image, *, fraction: Range = (0.0, 0.1), strength: Scalar = 1.0
) -> NewImage:
    """Makes single pixels white, all channels of them: y = 1 with probability p, else x.

    Args:
      key: The random key.
      image: The image, in [0, 1].
      fraction: Probability p of a pixel, between 0 and 1.
      strength: Factor on p, at least 0; may be traced.

    Returns:
      The image with white pixels, in [0, 1]. For p = 0 it is the image, bit for bit.

    Raises:
      ValueError: `fraction` is not a range within [0, 1].
    """
    return _sprinkled(key, image, fraction, 1.0, strength)


def pepper(
    key: PRNGKeyArray, image: Image, *, fraction: Range = (0.0, 0.1), strength: Scalar = 1.0
) -> NewImage:
    """Makes single pixels black, all channels of them: y = 0 with probability p, else x.

    Args:
      key: The random key.
      image: The image, in [0, 1].
      fraction: Probability p of a pixel, between 0 and 1.
      strength: Factor on p, at least 0; may be traced.

    Returns:
      The image with black pixels, in [0, 1]. For p = 0 it is the image, bit for bit.

    Raises:
      ValueError: `fraction` is not a range within [0, 1].
    """
    return _sprinkled(key, image, fraction, 0.0, strength)


def _sprinkled(
    key: Array, image: Image, fraction: Range, value: float, strength: Scalar
) -> NewImage:
    """Sets single pixels, all channels of them, to one value."""
    image = draw.pixel_image(image)
    own_key, pixel_key = jax.random.split(key)
    probability = draw.parameter(
        own_key, "fraction", fraction, neutral=0, strength=strength, least=0, most=1
    )
    chosen = jax.random.uniform(pixel_key, (*image.shape[:2], 1)) < probability
    return jnp.where(chosen, as_pixels(value, image.dtype), image)


def coarse_salt(
    key: PRNGKeyArray,
    image: Image,
    *,
    fraction: Range = (0.0, 0.1),
    size_fraction: Range = (0.1, 0.3),
    strength: Scalar = 1.0,
) -> NewImage:
    """Makes rectangles white: `salt` on a coarse grid, enlarged to the image by nearest neighbour.

    Pixel i of n belongs to cell ⌊i·g / n⌋ of the g cells along its axis.

    Args:
      key: The random key.
      image: The image, in [0, 1].
      fraction: Probability p of a cell, between 0 and 1.
      size_fraction: Cells per pixel along each axis, between 0 and 1: g = size_fraction·n, rounded,
        and at least 3. At 1 every pixel is a cell, and smaller values give larger rectangles.
      strength: Factor on p, at least 0; may be traced.

    Returns:
      The image with white rectangles, in [0, 1]. For p = 0 it is the image, bit for bit.

    Raises:
      ValueError: `fraction` or `size_fraction` is not a range within [0, 1].

    Reference:
      CoarseSalt of imgaug (https://github.com/aleju/imgaug), which has the least of 3 cells too.
    """
    finest = draw.ends("size_fraction", size_fraction, least=0, most=1)[1]
    keys = jax.random.split(key, 3)
    probability = draw.parameter(
        keys[0], "fraction", fraction, neutral=0, strength=strength, least=0, most=1
    )
    fineness = draw.parameter(keys[1], "size_fraction", size_fraction, neutral=0.0)
    # The finest grid is drawn; a coarser one uses its first cells.
    image = draw.pixel_image(image)
    grid = tuple(max(round(finest * n), min(FEWEST_CELLS, n)) for n in image.shape[:2])
    cells = jax.random.uniform(keys[2], grid) < probability
    rows, columns = (
        _cell_of_pixel(n, most, fineness) for n, most in zip(image.shape[:2], grid, strict=True)
    )
    # Products with one-hot matrices: gathering is slower.
    white = (rows @ cells.astype(jnp.float32) @ columns.T)[..., None] > 0.5
    return jnp.where(white, as_pixels(1.0, image.dtype), image)


def _cell_of_pixel(size: int, most: int, fineness: Array) -> Array:
    """Marks in each pixel's row, of `most` columns, the cell that the pixel belongs to."""
    cells = jnp.clip(jnp.round(fineness * size), min(FEWEST_CELLS, size), most).astype(jnp.int32)
    cell = jnp.arange(size) * cells // size
    return (cell[:, None] == jnp.arange(most)).astype(jnp.float32)
