"""Blur pooling: low-pass first, then subsample, so that a shift of the input aliases less."""

import math
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.ops.pooling import prepare, strided_slices
from cnnjax.ops.windows import Padding, PerAxis, pad


def binomial(window: int) -> np.ndarray:
    """Returns a row of Pascal's triangle that sums to 1: 1/4 [1 2 1] for 3, 1/16 [1 4 6 4 1] for 5.

    >>> binomial(3).tolist()
    [0.25, 0.5, 0.25]
    """
    return np.array([math.comb(window - 1, k) for k in range(window)]) / 2 ** (window - 1)


def blur_pool(
    x: Float[Array | np.ndarray, "batch *space channels"],
    window: PerAxis = 3,
    *,
    stride: PerAxis = 2,
    padding: Padding = "REFLECT",
) -> Float[Array, "batch *out channels"]:
    """Blurs each channel with a binomial filter and keeps every stride-th pixel.

    y[b, o, c] = Σ_k x[b, o·stride + k − low, c] Π_axis binom(window − 1, k) / 2^(window − 1).

    The anti-aliased strided convolution is a convolution, ReLU, `blur_pool`; the anti-aliased
    max-pool is `max_pool(…, stride=1)`, then `blur_pool`.

    Args:
      x: Images or signals, channels last.
      window: The filter's pixels, for all axes or one for each; 1 subsamples without a blur.
      stride: Pixels between neighbouring outputs.
      padding: As in `cross_correlate`.

    Returns:
      The smaller images; ⌈size / stride⌉ pixels along each axis with "REFLECT".

    Raises:
      ValueError: An argument is out of range, or no window fits.

    Reference: Zhang, Making convolutional networks shift-invariant again, 2019.

    >>> import numpy as np
    >>> blur_pool(np.array([0, 0, 4, 0], np.float32).reshape(1, 4, 1)).ravel().tolist()
    [0.0, 2.0]
    """
    x = jnp.asarray(x)
    windows, strides, pairs = prepare(x, window, stride, padding)
    blurred = pad(x, pairs, padding)
    for axis, (pixels, step) in enumerate(zip(windows, strides, strict=True)):
        weights = binomial(pixels).tolist()
        slices = strided_slices(blurred, axis + 1, pixels, step)
        blurred = reduce(
            jnp.add, (weight * seen for weight, seen in zip(weights, slices, strict=True))
        )
    return blurred
