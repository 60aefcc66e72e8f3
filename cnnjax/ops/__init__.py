"""Pure functions on arrays: what the layers compute. Nothing here knows of Flax.

Arrays are (batch, *space, channels) with one, two or three spatial axes, or more.
"""

from cnnjax.ops.activations import relu, scaled_tanh
from cnnjax.ops.blur import blur_pool
from cnnjax.ops.correlation import (
    convolve,
    cross_correlate,
    depthwise_cross_correlate,
    transposed_convolve,
)
from cnnjax.ops.dense import dense_matrix
from cnnjax.ops.distances import squared_distances
from cnnjax.ops.kernels import KERNEL_NAMES, named_kernel
from cnnjax.ops.local import locally_connected
from cnnjax.ops.normalisation import local_contrast_normalise, local_response_normalise
from cnnjax.ops.pixels import unit
from cnnjax.ops.pooling import (
    average_pool,
    global_average_pool,
    global_max_pool,
    l2_pool,
    max_pool,
    subsample,
)
from cnnjax.ops.receptive_field import ReceptiveField, receptive_field
from cnnjax.ops.resample import affine_coordinates, resample, warp
from cnnjax.ops.sparse import sparse_cross_correlate
from cnnjax.ops.windows import explicit_padding, output_size

__all__ = [
    "KERNEL_NAMES",
    "ReceptiveField",
    "affine_coordinates",
    "average_pool",
    "blur_pool",
    "convolve",
    "cross_correlate",
    "dense_matrix",
    "depthwise_cross_correlate",
    "explicit_padding",
    "global_average_pool",
    "global_max_pool",
    "l2_pool",
    "local_contrast_normalise",
    "local_response_normalise",
    "locally_connected",
    "max_pool",
    "named_kernel",
    "output_size",
    "receptive_field",
    "relu",
    "resample",
    "scaled_tanh",
    "sparse_cross_correlate",
    "squared_distances",
    "subsample",
    "transposed_convolve",
    "unit",
    "warp",
]
