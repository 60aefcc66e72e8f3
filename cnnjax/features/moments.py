"""Image moments: where the ink is, how far it spreads, which way it leans."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.features.images import Images, batch
from cnnjax.ops.pixels import single


class Moments(NamedTuple):
    """The moments of each image up to the second order.

    Attributes:
      mass: Sum of all values: m₀₀.
      centre: (row, column) of the centre of mass; the centre of the canvas for an empty image.
      covariance: Second central moments over the mass, in rows and columns, in pixels²: [0, 0] is
        the vertical variance µ₀₂ / m₀₀, [1, 1] the horizontal one µ₂₀ / m₀₀, and [0, 1] = [1, 0]
        is µ₁₁ / m₀₀; zero for an empty image.
    """

    mass: Float[Array, " batch"]
    centre: Float[Array, "batch 2"]
    covariance: Float[Array, "batch 2 2"]


@jax.jit
def moments(images: Images) -> Moments:
    """Measures the moments of images with bright ink on a dark ground.

    Values are masses: m_pq = Σ xᵖ yᵠ I(y, x), summed over the channels.

    Args:
      images: Values at least 0.

    Returns:
      The moments, in float32 at least; none of them, and no gradient, is NaN for an image of zeros.

    Raises:
      ValueError: The images are not four-dimensional, or not of floats.

    >>> import jax.numpy as jnp
    >>> from cnnjax import features
    >>> image = jnp.zeros((1, 5, 5, 1)).at[0, 1, 2:4].set(1.0)
    >>> features.moments(image).centre.tolist()
    [[1.0, 2.5]]
    """
    images = batch(images)
    ink = jnp.sum(single(images), axis=-1)  # sums over an image leave half precision
    _, height, width = ink.shape
    middle = np.array([(height - 1) / 2, (width - 1) / 2], np.float32)
    # Positions are taken from the middle of the canvas: smaller numbers, smaller rounding errors.
    rows = np.arange(height, dtype=np.float32) - middle[0]
    columns = np.arange(width, dtype=np.float32) - middle[1]

    mass = jnp.sum(ink, axis=(1, 2))
    full = mass > 0
    divisor = jnp.where(full, mass, 1)
    by_row, by_column = jnp.sum(ink, axis=2), jnp.sum(ink, axis=1)
    y = by_row @ rows / divisor
    x = by_column @ columns / divisor
    from_y = rows - y[:, None]
    from_x = columns - x[:, None]
    yy = jnp.sum(by_row * from_y**2, axis=1) / divisor
    xx = jnp.sum(by_column * from_x**2, axis=1) / divisor
    yx = jnp.einsum("bhw,bh,bw->b", ink, from_y, from_x) / divisor
    covariance = jnp.stack([jnp.stack([yy, yx], -1), jnp.stack([yx, xx], -1)], -2)
    return Moments(mass, jnp.stack([y, x], -1) + middle, covariance)
