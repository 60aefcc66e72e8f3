"""What every extractor takes: a batch of images of floats."""

import numpy as np
from jaxtyping import Array, Float, Shaped

from cnnjax.ops.pixels import floats

Images = Float[Array | np.ndarray, "batch height width channels"]


def batch(
    images: Shaped[Array | np.ndarray, "*shape"],
) -> Float[Array, "batch height width channels"]:
    """Gives a batch of images as it is.

    Args:
      images: (batch, height, width, channels), floats.

    Returns:
      The same.

    Raises:
      ValueError: They have more axes or fewer, or are not floats.
    """
    if images.ndim != 4:
        raise ValueError(
            f"images of shape {images.shape}: expected (batch, height, width, channels)"
        )
    return floats(images, "images")
