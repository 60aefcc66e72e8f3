"""Locally connected layers: a convolution's small windows without its shared weights."""

import math
from functools import reduce
from itertools import product

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.ops.pixels import in_one_type
from cnnjax.ops.windows import Padding, PerAxis, explicit_padding, output_size, pad, per_axis


def locally_connected(
    x: Float[Array | np.ndarray, "batch *space channels"],
    kernel: Float[Array | np.ndarray, "*out patch features"],
    *,
    window: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = "VALID",
) -> Float[Array, "batch *out features"]:
    """Gives every position its own kernel.

    y[b, o, f] = Σ_p patch[b, o, p] · kernel[o, p, f], where patch[b, o] is the window at o
    flattened with the channels fastest. With the same kernel everywhere, a cross-correlation's
    reshaped to (prod(window)·in, out), it is that cross-correlation.

    Args:
      x: Images or signals, channels last.
      kernel: (*out_space, prod(window)·channels, features).
      window: The window's pixels, for all axes or one for each.
      stride: Pixels between neighbouring windows.
      padding: As in `cross_correlate`.

    Returns:
      The features at each position.

    Raises:
      ValueError: Shapes do not fit each other, or an argument is out of range.

    Reference: LeCun, Generalization and network design strategies, 1989.

    >>> import numpy as np
    >>> signal = np.array([1, 2, 3], np.float32).reshape(1, 3, 1)
    >>> kernel = np.array([[1, 0], [0, 1]], np.float32).reshape(2, 2, 1)
    >>> locally_connected(signal, kernel, window=2).ravel().tolist()
    [1.0, 3.0]
    """
    x, kernel = in_one_type(x, kernel)
    axes = x.ndim - 2
    if axes < 1:
        raise ValueError(f"x.shape={x.shape}: expected (batch, *space, channels)")
    windows, strides = per_axis("window", window, axes), per_axis("stride", stride, axes)
    space = x.shape[1:-1]
    pairs = explicit_padding(space, windows, stride=strides, dilation=1, padding=padding)
    out = tuple(
        output_size(size, pixels, stride=step, padding=(pair,))
        for size, pixels, step, pair in zip(space, windows, strides, pairs, strict=True)
    )
    patch = math.prod(windows) * x.shape[-1]
    if kernel.ndim != axes + 2 or kernel.shape[:-1] != (*out, patch):
        raise ValueError(
            f"kernel.shape={kernel.shape}: expected {(*out, patch)} and one axis of features"
        )
    wide = pad(x, pairs, padding)
    seen = [
        wide[
            :,
            *(
                slice(first, first + (count - 1) * step + 1, step)
                for first, count, step in zip(offset, out, strides, strict=True)
            ),
        ]
        for offset in product(*map(range, windows))
    ]
    positions = reduce(lambda a, b: a * b, out)
    patches = jnp.concatenate(seen, -1).reshape(x.shape[0], positions, patch)
    weights = kernel.reshape(positions, patch, kernel.shape[-1])
    features = jnp.einsum("bop,opf->bof", patches, weights)
    return features.reshape(x.shape[0], *out, kernel.shape[-1])
