"""A convolution written out as the matrix it is: mostly zeros, with its weights tied."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.ops.correlation import cross_correlate
from cnnjax.ops.windows import Padding, PerAxis


def dense_matrix(
    kernel: Float[Array | np.ndarray, "*window per_group features"],
    input_shape: Sequence[int],
    *,
    stride: PerAxis = 1,
    padding: Padding = "VALID",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Float[Array, "outputs inputs"]:
    """Returns the matrix M with M · x.ravel() = cross_correlate(x, kernel, …).ravel().

    Each row is one output: zero outside its window, and the same few weights in every row, moved
    along. Transposed, it is `transposed_convolve`. For small images: outputs × inputs entries.

    Args:
      kernel: As in `cross_correlate`.
      input_shape: (*space, channels) of one image.
      stride: As in `cross_correlate`.
      padding: As in `cross_correlate`.
      dilation: As in `cross_correlate`.
      groups: As in `cross_correlate`.

    Returns:
      (prod(output shape), prod(input_shape)), both in reading order with the channels fastest.

    Raises:
      ValueError: As in `cross_correlate`.

    >>> import numpy as np
    >>> dense_matrix(np.array([-1, 1], np.float32).reshape(2, 1, 1), (3, 1)).tolist()
    [[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]
    """
    inputs = math.prod(input_shape)
    # Every input pixel lit by itself shows one column.
    lit = jnp.eye(inputs, dtype=kernel.dtype).reshape(inputs, *input_shape)
    seen = cross_correlate(
        lit, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return seen.reshape(inputs, -1).T
