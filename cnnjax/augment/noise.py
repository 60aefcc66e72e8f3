"""Noise on single pixels and on coarse ones, and what JPEG compression leaves of an image."""

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


# ISO/IEC 10918-1, tables K.1 and K.2, in reading order.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMINANCE = np.full((8, 8), 99)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# JFIF: (Y, Cb − 128, Cr − 128) of (R, G, B).
_TO_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]
)


def _dct_matrix() -> np.ndarray:
    """The orthonormal two-dimensional DCT-II of an 8 × 8 block in reading order, 64 × 64."""
    frequency, position = np.mgrid[:8, :8]
    one_axis = np.cos((2 * position + 1) * frequency * np.pi / 16) / 2
    one_axis[0] /= np.sqrt(2)
    return np.kron(one_axis, one_axis).astype(np.float32)


_DCT = _dct_matrix()


def jpeg(
    key: PRNGKeyArray, image: Image, *, quality: Range = (10, 90), strength: Scalar = 1.0
) -> NewImage:
    """Compresses as JPEG does and decodes again: the lossy part, which is rounding.

    The pixels are rounded to 8 bits, and 3 channels turn into Y, Cb, Cr (without subsampling).
    Each 8 × 8 block X becomes the cosine coefficients C = DCT(X − 128) in eighths, these become
    round(C / q)·q, and all of it is undone, with the decoder's rounding to 8 bits. The table q is
    the standard one, T, for luminance or chrominance, scaled as libjpeg does:
    q = clip(⌊(T·s + 50) / 100⌋, 1, 255), s = ⌊5000 / quality⌋ below 50, else 200 − 2·quality.

    Args:
      key: The random key.
      image: The image, in [0, 1]. Sizes that 8 does not divide are padded with the border's
        pixels, which are cut off again. Other than 3 channels are compressed as luminance each.
      quality: libjpeg's quality, from 1, the worst, to 100; rounded to a whole number.
      strength: Factor on 100 − quality, at least 0; may be traced. The quality stays at least 1.

    Returns:
      The decoded image: multiples of 1/255 in [0, 1]. Quality 100 stands for no compression here,
      and gives the image bit for bit.

    Raises:
      ValueError: `quality` is not a range within [1, 100].

    Reference:
      ISO/IEC 10918-1 (JPEG), Annex K; libjpeg, jcparam.c.
    """
    drawn = draw.parameter(
        key, "quality", quality, neutral=100, strength=strength, least=1, most=100
    )
    whole = jnp.round(drawn).astype(jnp.int32)
    image = draw.pixel_image(image)
    levels = jnp.round(255 * draw.float_image(image).astype(jnp.float32))
    colour = image.shape[-1] == 3
    if colour:
        # Cb and Cr are centred on 0 here; only Y is moved.
        centre = np.array([128, 0, 0])
        levels = jnp.round(_linear(_TO_YCBCR, levels))
        tables = np.stack([_LUMINANCE, _CHROMINANCE, _CHROMINANCE])
    else:
        centre = np.array([128])
        tables = _LUMINANCE[None]
    levels = levels - centre
    decoded = jnp.floor(_quantise(levels, _scaled(tables, whole)) + 0.5)  # halves up, as libjpeg
    decoded = jnp.clip(decoded, -128, 127) + centre
    if colour:
        decoded = _linear(np.linalg.inv(_TO_YCBCR), decoded)
    result = jnp.clip(jnp.round(decoded), 0, 255) / 255
    return jnp.where(whole == 100, image, as_pixels(result, image.dtype))


def _linear(matrix: np.ndarray, image: Array) -> Array:
    """Maps each pixel's channels by a matrix."""
    return jnp.einsum("oc,hwc->hwo", matrix.astype(np.float32), image, precision="highest")


def _scaled(tables: np.ndarray, quality: Array) -> Array:
    """Scales tables for a whole quality; in integers, as libjpeg does."""
    scale = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return jnp.clip((tables * scale + 50) // 100, 1, 255)


def _quantise(levels: Array, tables: Array) -> Array:
    """Rounds the cosine coefficients of every block to multiples of the channel's table."""
    height, width, channels = levels.shape
    # Channels come first, and each block becomes a row of 64: one large product for all of them.
    padded = jnp.pad(levels, [(0, -height % 8), (0, -width % 8), (0, 0)], mode="edge")
    down, right = padded.shape[0] // 8, padded.shape[1] // 8
    blocks = padded.reshape(down, 8, right, 8, channels).transpose(4, 0, 2, 1, 3)
    blocks = blocks.reshape(channels, down * right, 64)
    step = tables.reshape(-1, 1, 64).astype(jnp.float32)
    coefficients = jnp.matmul(blocks, _DCT.T, precision="highest")
    # As libjpeg: coefficients are whole eighths, so that halves are frequent, and go away from
    # zero; jnp.round takes them to the even side.
    eighths = jnp.round(8 * jnp.abs(coefficients))
    multiples = jnp.sign(coefficients) * jnp.floor(eighths / (8 * step) + 0.5)
    blocks = jnp.matmul(multiples * step, _DCT, precision="highest")
    blocks = blocks.reshape(channels, down, right, 8, 8).transpose(1, 3, 2, 4, 0)
    return blocks.reshape(padded.shape)[:height, :width]
