"""From pixels as they are stored to pixels as they are computed with."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num


def unit(images: Num[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Gives pixels as floats in [0, 1]; signals, which are stored as floats, keep their values.

    Args:
      images: uint8 pixels in 0..255, or floats.

    Returns:
      float32 of the same shape.

    >>> import numpy as np
    >>> from cnnjax.ops import unit
    >>> unit(np.array([0, 255], np.uint8)).tolist()
    [0.0, 1.0]
    """
    if images.dtype == np.uint8:
        return jnp.asarray(images, jnp.float32) / 255.0
    return jnp.asarray(images, jnp.float32)
