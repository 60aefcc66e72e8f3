"""The model's door: from what the data layer holds to what a network is given."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Num

from cnnjax import config as configs
from cnnjax import errors, features, ops

_extractor = functools.cache(features.build)  # doors with the same features are equal


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
    extract = _extractor(tuple(names))
    if normalise == "signed":
        return Door(extract, 0.5, 0.5)
    sample = np.asarray(extract(ops.unit(images[:2000])), np.float64)
    return Door(extract, float(sample.mean()), float(max(sample.std(), 1e-6)))
