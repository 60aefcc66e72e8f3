"""Bilinear resampling: reading images between their pixels.

One gather serves every geometric operation of the package. An image continues with zeros beyond its
border, and the interpolation knows it: a value read half a pixel outside is half of the border
pixel. That is `mode="grid-constant"`, `cval=0`, `order=1` of scipy.ndimage; it is continuous in the
coordinates, whereas scipy's `mode="constant"` drops to 0 at the border pixel's centre. The two
differ only within one pixel outside the border.

Positions are (row, column): row 0 is the top one, rows grow downwards, and whole numbers are the
centres of pixels.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Images = Float[Array | np.ndarray, "*batch height width channels"]
Coordinates = Float[Array | np.ndarray, "*#batch 2 new_height new_width"]
Matrices = Float[Array | np.ndarray, "*batch 2 3"]


@jax.jit
def resample(
    images: Images, coordinates: Coordinates
) -> Float[Array, "*batch new_height new_width channels"]:
    """Reads images at given positions, bilinearly, with zeros outside.

    out[i, j] = Σ image[⌊y⌋ + a, ⌊x⌋ + b] · |1 − a − {y}| · |1 − b − {x}| over a, b ∈ {0, 1}, where
    (y, x) = coordinates[:, i, j] and {·} is the fractional part. Whole coordinates give the pixels
    back bit for bit. All channels of a position are fetched at once.

    Args:
      images: One image or any number of leading batch axes.
      coordinates: The row and the column to read for each pixel of the result, in pixels. Leading
        axes as in `images`, or 1, or none, where all images share their coordinates.

    Returns:
      The resampled images, of the images' type.

    >>> import jax.numpy as jnp
    >>> from cnnjax.ops import resample
    >>> image = jnp.array([[0.0, 4.0]])[..., None]
    >>> rows, columns = jnp.zeros((1, 3)), jnp.array([[0.25, 1.0, 1.5]])
    >>> resample(image, jnp.stack([rows, columns]))[0, :, 0].tolist()
    [1.0, 4.0, 2.0]
    """
    *batch, height, width, channels = images.shape
    shape = (*batch, *coordinates.shape[-3:])
    positions = jnp.broadcast_to(coordinates, shape).reshape(-1, *shape[-3:])
    # The pixel and its weight come from one coordinate. Were the compiler to simplify the two uses
    # apart, they could round differently and disagree by a whole pixel; the barrier forbids it.
    positions = jax.lax.optimization_barrier(positions)

    # A rim of zeros one pixel wide stands for everything outside, so that no corner needs a test.
    rim = jnp.pad(jnp.asarray(images), [(0, 0)] * len(batch) + [(1, 1), (1, 1), (0, 0)])
    pixels = rim.reshape(-1, channels)
    y = jnp.clip(positions[:, 0] + 1, 0, height + 1)
    x = jnp.clip(positions[:, 1] + 1, 0, width + 1)
    top = jnp.minimum(jnp.floor(y), height)
    left = jnp.minimum(jnp.floor(x), width)
    down = (y - top)[..., None].astype(pixels.dtype)
    right = (x - left)[..., None].astype(pixels.dtype)

    row = width + 2
    first = jnp.arange(len(positions), dtype=jnp.int32) * ((height + 2) * row)
    corner = first[:, None, None] + top.astype(jnp.int32) * row + left.astype(jnp.int32)

    # Each corner is fetched once and named: with the expression written out twice, what the CPU
    # compiler made of the whole was fourteen times slower.
    a, b, c, d = (
        pixels.at[corner + offset].get(mode="promise_in_bounds") for offset in (0, 1, row, row + 1)
    )
    upper = a + right * (b - a)
    lower = c + right * (d - c)
    return (upper + down * (lower - upper)).reshape(*batch, *shape[-2:], channels)


def affine_coordinates(
    matrices: Matrices, size: tuple[int, int]
) -> Float[Array, "*batch 2 new_height new_width"]:
    """Gives the positions that affine maps send the pixels of a canvas to.

    (y, x) = M[:, :2] · (i, j) + M[:, 2] for pixel (i, j) of the result.

    Args:
      matrices: Maps from the result's (row, column) to the input's, in pixels: the matrix that
        scipy.ndimage.affine_transform takes.
      size: (height, width) of the result.

    Returns:
      Coordinates for `resample`.
    """
    matrices = jnp.asarray(matrices)
    rows = jnp.arange(size[0], dtype=matrices.dtype)[:, None]
    columns = jnp.arange(size[1], dtype=matrices.dtype)[None, :]
    entries = matrices[..., None, None]
    return entries[..., 0, :, :] * rows + entries[..., 1, :, :] * columns + entries[..., 2, :, :]


@jax.jit
def warp(images: Images, matrices: Matrices) -> Float[Array, "*batch height width channels"]:
    """Moves images by affine maps, bilinearly, with zeros outside; the canvas keeps its size.

    Args:
      images: One image or any number of leading batch axes.
      matrices: One map for each image, from the result's (row, column) to the input's, in pixels.

    Returns:
      The moved images; a map that is exactly the identity gives its image back bit for bit.

    >>> import jax.numpy as jnp
    >>> from cnnjax.ops import warp
    >>> image = jnp.array([[1.0, 2.0, 3.0]])[..., None]
    >>> one_to_the_left = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    >>> warp(image, one_to_the_left)[0, :, 0].tolist()
    [2.0, 3.0, 0.0]
    """
    height, width = images.shape[-3:-1]
    return resample(images, affine_coordinates(matrices, (height, width)))
