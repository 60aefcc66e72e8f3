"""What a test set has to be before anything is measured on it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num


def check_labels(
    images: Num[Array | np.ndarray, "examples *shape"],
    labels: Int[Array | np.ndarray, " labels"] | Sequence[int],
) -> Int[Array | np.ndarray, " labels"]:
    """Refuses labels that are not one class for each image.

    Args:
      images: The test set.
      labels: Classes, 0-based; values are looked at unless they are traced.

    Returns:
      The labels as an array.

    Raises:
      ValueError: There is not one integer ≥ 0 for each image.
    """
    if not isinstance(labels, jax.Array | np.ndarray):
        labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels of shape {labels.shape}: expected one class for each image")
    if len(images) != len(labels):
        raise ValueError(f"labels={len(labels)}: expected as many as images, {len(images)}")
    if len(labels) and not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels of type {labels.dtype}: expected integers")
    # −1 is no answer, and would be counted as right wherever a network gives none.
    if len(labels) and not isinstance(labels, jax.core.Tracer) and np.min(labels) < 0:
        raise ValueError(f"labels with {np.min(labels)}: expected classes from 0 on")
    return labels


def check_values(images: Num[Array | np.ndarray, "examples *shape"]) -> None:
    """Refuses what would be taken for something else, where values can be looked at.

    Args:
      images: uint8 pixels or floats in [0, 1] with two spatial axes, or float signals with one.

    Raises:
      ValueError: They are floats of another range, or whole numbers without a second spatial axis.
    """
    floating = jnp.issubdtype(images.dtype, jnp.floating)
    if images.ndim == 3 and not floating:
        raise ValueError(
            f"images of type {images.dtype} and shape {images.shape}: expected floats, as signals "
            "are, or (examples, height, width, channels)"
        )
    if images.ndim == 4 and images.size and floating and not isinstance(images, jax.core.Tracer):
        low, high = float(jnp.min(images)), float(jnp.max(images))
        # Rounding aside, for what leaves [0, 1] is clipped.
        if low < -1e-3 or high > 1 + 1e-3:
            raise ValueError(
                f"images from {low:g} to {high:g}: expected floats in [0, 1]; do any other "
                "normalisation inside `predict`"
            )


def check_images(images: Num[Array | np.ndarray, "examples *shape"]) -> None:
    """Refuses what no corruption is made for.

    Args:
      images: uint8 pixels or floats in [0, 1], (examples, height, width, channels).

    Raises:
      ValueError: They have other axes, or are floats of another range.
    """
    if images.ndim != 4:
        raise ValueError(
            f"images of shape {images.shape}: expected (examples, height, width, channels)"
        )
    check_values(images)
