"""How far vectors lie from one another."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax.ops.pixels import in_one_type


def squared_distances(
    x: Float[Array | np.ndarray, "batch inputs"],
    codes: Float[Array | np.ndarray, "classes length"],
) -> Float[Array, "batch classes"]:
    """d[b, i] = Σ_k (x[b, k] − codes[i, k])².

    Computed from the differences, not from a matrix product: nothing cancels, so that a vector that
    equals a code lies at exactly 0.

    Args:
      x: Vectors.
      codes: What they are compared with, of the same length, which is the number of inputs.

    Returns:
      The squared Euclidean distance of each vector from each code, ≥ 0.

    Raises:
      ValueError: The lengths differ.

    >>> import numpy as np
    >>> squared_distances(np.array([[0.0, 3.0]]), np.array([[0.0, 3.0], [4.0, 0.0]])).tolist()
    [[0.0, 25.0]]
    """
    if x.shape[-1] != codes.shape[-1]:
        raise ValueError(f"codes.shape={codes.shape}: expected (classes, {x.shape[-1]})")
    x, codes = in_one_type(x, codes)
    return jnp.square(x[:, None, :] - codes).sum(-1)
