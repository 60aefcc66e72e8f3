"""Random distortions of the training images, on the device, a fresh draw for each example.

Floats in [0, 1], key first, the same key the same bits. All geometry composes into one resample.
"""

from cnnjax.augment.elastic import displacement_field, smoothing_matrix
from cnnjax.augment.geometry import affine_matrix, coordinates, resample, warp
from cnnjax.augment.policy import NAMES, Draw, Policy, build
from cnnjax.augment.transforms import (
    affine,
    affine_elastic,
    elastic,
    flip_horizontal,
    flip_vertical,
    gaussian_noise,
    rotate,
    scale,
    shear,
    translate,
)

__all__ = [
    "NAMES",
    "Draw",
    "Policy",
    "affine",
    "affine_elastic",
    "affine_matrix",
    "build",
    "coordinates",
    "displacement_field",
    "elastic",
    "flip_horizontal",
    "flip_vertical",
    "gaussian_noise",
    "resample",
    "rotate",
    "scale",
    "shear",
    "smoothing_matrix",
    "translate",
    "warp",
]
