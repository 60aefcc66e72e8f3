"""Named feature extractors, one after another."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.errors import UserError, choose
from cnnjax.features.hog import hog
from cnnjax.features.normalise import centre, crop, deskew, normalise_size

Extractor = Callable[[Float[Array | np.ndarray, "batch *space channels"]], Float[Array, "batch *_"]]

_EXTRACTORS: dict[str, Callable] = {
    "centre": centre,
    "crop": crop,
    "deskew": deskew,
    "normalise_size": normalise_size,
    "hog": hog,
}
NAMES = tuple(_EXTRACTORS)

# These return vectors, which nothing else here can take.
_LAST = ("hog",)


def build(names: Sequence[str]) -> Extractor:
    """Composes extractors, the first name applied first.

    - centre: centre of mass to the canvas centre.
    - crop: bounding box to the canvas, up to a margin of 4 pixels.
    - deskew: upright and centred, by second moments.
    - normalise_size: radius of gyration to a fixed share of the canvas, and centred.
    - hog: histograms of oriented gradients, a vector for each image; only as the last one.

    Args:
      names: Of `NAMES`; none at all gives the identity.

    Returns:
      A function from images (batch, height, width, channels) to the classifier's inputs, fit for
      jit. It raises ValueError where it is given anything but images.

    Raises:
      UserError: A name is not known, or follows one that no longer gives images; or `names` is one
        name alone.

    >>> import jax.numpy as jnp
    >>> from cnnjax import features
    >>> features.build(("deskew", "hog"))(jnp.zeros((2, 28, 28, 1))).shape
    (2, 1296)
    """
    if isinstance(names, str):
        raise UserError(f"features={names!r}: expected a tuple of names, ({names!r},)")
    for index, name in enumerate(names):
        choose("features", name, NAMES)
        if name in _LAST and index < len(names) - 1:
            raise UserError(f"features={tuple(names)!r}: expected {name!r} last, it gives vectors")
    steps = [_EXTRACTORS[name] for name in names]

    def extract(images: Float[Array | np.ndarray, "batch *space channels"]) -> Array:
        # Here too, and not only in each extractor: the error names what was asked for.
        if steps and images.ndim != 4:
            raise ValueError(
                f"images of shape {images.shape}: expected (batch, height, width, channels) for "
                f"features={tuple(names)!r}"
            )
        result = jnp.asarray(images)
        for step in steps:
            result = step(result)
        return result

    return extract
