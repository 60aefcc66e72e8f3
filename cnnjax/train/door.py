"""The model's door: from what the data layer holds to what a network is given."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from cnnjax import config as configs
from cnnjax import errors, features


class Door(NamedTuple):
    """Features, then normalisation, as one pure function of images in [0, 1].

    Attributes:
      extract: The feature extractor in front of the network; the identity for raw pixels.
      shift: What is taken off.
      scale: What the rest is divided by.
    """

    extract: Callable[[Array], Array]
    shift: float
    scale: float

    def __call__(self, images: Float[Array, "batch *shape"]) -> Float[Array, "batch *inputs"]:
        """Network inputs, (extract(images) − shift) / scale."""
        return (self.extract(images) - self.shift) / self.scale


def unit(images: Num[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Pixels as floats in [0, 1]; signals, which are stored as floats, stay as they are.

    Args:
      images: uint8 pixels in 0..255, or floats.

    Returns:
      float32 of the same shape.
    """
    if images.dtype == np.uint8:
        return jnp.asarray(images, jnp.float32) / 255.0
    return jnp.asarray(images, jnp.float32)


def build(
    images: Num[np.ndarray, "examples *shape"], names: tuple[str, ...], normalise: str
) -> Door:
    """The door of a data set.

    Args:
      images: The training images, as stored. Mean and deviation are taken over (at most) the first
        2,000 of them, after the features: one number each, so that nothing about places leaks in.
      names: Feature extractors, applied in turn.
      normalise: "standard" takes off the mean and divides by the standard deviation; "signed" maps
        [0, 1] to [−1, 1].

    Returns:
      The door.

    Raises:
      UserError: A feature or the normalisation is unknown.
    """
    errors.choose("dataset.normalise", normalise, configs.NORMALISATIONS)
    extract = features.build(tuple(names))
    if normalise == "signed":
        return Door(extract, 0.5, 0.5)
    sample = np.asarray(extract(unit(images[:2000])), np.float64)
    return Door(extract, float(sample.mean()), float(max(sample.std(), 1e-6)))
