"""What JPEG compression leaves of an image."""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from cnnjax.augment import draw
from cnnjax.augment.draw import Image, NewImage, Range, Scalar
from cnnjax.ops.pixels import as_pixels
from cnnjax.ops.stored import stored

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
    ],
    np.int32,
)
_CHROMINANCE = np.full((8, 8), 99, np.int32)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_COLOUR = np.stack([_LUMINANCE, _CHROMINANCE, _CHROMINANCE])

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
    colour = image.shape[-1] == 3
    tables = _COLOUR if colour else _LUMINANCE[None]
    # Cb and Cr are centred on 0 here; only Y is moved.
    centre = np.array([128, 0, 0] if colour else [128])[:, None, None]
    levels = jnp.round(255 * draw.float_image(_blocks(image)).astype(jnp.float32))
    if colour:
        levels = jnp.round(_mixed(_TO_YCBCR, levels))
    decoded = jnp.floor(_quantise(levels - centre, _scaled(tables, whole)) + 0.5)  # as libjpeg: up
    decoded = jnp.clip(decoded, -128, 127) + centre
    if colour:
        decoded = _mixed(np.linalg.inv(_TO_YCBCR), decoded)
    result = as_pixels(jnp.clip(jnp.round(decoded), 0, 255) / 255, image.dtype)
    # Blocks are put together once they are done: pixel by pixel they would be worked out anew.
    return jnp.where(whole == 100, image, _joined(stored(result), image.shape))


def _blocks(image: Array) -> Array:
    """Gives each channel's 8 × 8 blocks, every one a row of 64; beyond the border as its pixels."""
    height, width, channels = image.shape
    padded = jnp.pad(image, [(0, -height % 8), (0, -width % 8), (0, 0)], mode="edge")
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8, channels)
    return blocks.transpose(4, 0, 2, 1, 3).reshape(channels, -1, 64)


def _joined(blocks: Array, shape: tuple[int, ...]) -> Array:
    """Gives the image of a shape that has these blocks."""
    height, width, channels = shape
    down, right = -(-height // 8), -(-width // 8)
    image = blocks.reshape(channels, down, right, 8, 8).transpose(1, 3, 2, 4, 0)
    return image.reshape(8 * down, 8 * right, channels)[:height, :width]


def _mixed(matrix: np.ndarray, channels: Array) -> Array:
    """Maps the channels, which come first, by a matrix.

    Written out: a product of so small a matrix with so many columns takes ten times as long.
    """
    rows = jnp.asarray(matrix, jnp.float32)[:, :, None, None]
    return functools.reduce(jnp.add, (rows[:, i] * channels[i] for i in range(len(channels))))


def _scaled(tables: np.ndarray, quality: Array) -> Array:
    """Scales tables for a whole quality; in integers, as libjpeg does."""
    scale = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return jnp.clip((tables * scale + 50) // 100, 1, 255)


def _quantise(blocks: Array, tables: Array) -> Array:
    """Rounds the cosine coefficients of every block to multiples of the channel's table."""
    step = tables.reshape(-1, 1, 64).astype(jnp.float32)
    coefficients = jnp.matmul(blocks, _DCT.T, precision="highest")
    # As libjpeg: coefficients are whole eighths, so that halves are frequent, and go away from
    # zero; jnp.round takes them to the even side.
    eighths = jnp.round(8 * jnp.abs(coefficients))
    multiples = jnp.sign(coefficients) * jnp.floor(eighths / (8 * step) + 0.5)
    return jnp.matmul(multiples * step, _DCT, precision="highest")
