"""Photographs for the grounds of random scenes, from what is installed with scikit-learn."""

import functools

import numpy as np
from jaxtyping import UInt8

from cnnjax.augment.colour import LUMA


@functools.cache
def photographs(channels: int) -> UInt8[np.ndarray, "2 427 640 channels"]:
    """Gives scikit-learn's two photographs, a temple in China and a dahlia, as `pictures`.

        made = augment.in_scene(key, image, pictures=augment.photographs(image.shape[-1]))

    Args:
      channels: 3 for colour, 1 for grey: the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B,
        rounded.

    Returns:
      The photographs, uint8, not to be written to: all callers are given the same array.

    Raises:
      ValueError: `channels` is neither 1 nor 3.

    >>> from cnnjax import augment
    >>> augment.photographs(1).shape
    (2, 427, 640, 1)
    """
    if channels not in (1, 3):
        raise ValueError(f"channels={channels!r}: photographs have 1, grey, or 3, colour")
    # Here, since importing it takes a while and few scenes need it.
    from sklearn.datasets import load_sample_images

    pictures = np.stack(load_sample_images().images)
    if channels == 1:
        pictures = np.rint(pictures @ np.array(LUMA))[..., None].astype(np.uint8)
    pictures.flags.writeable = False
    return pictures
