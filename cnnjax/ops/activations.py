"""What a unit does to its sum."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(x, 0).

    Args:
      x: Any shape.

    Returns:
      The same shape, nowhere negative.
    """
    return jax.nn.relu(x)


def scaled_tanh(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1.7159 · tanh(2/3 · x), which maps ±1 to ±1 and has its largest curvature there.

    Args:
      x: Any shape.

    Returns:
      The same shape, within ±1.7159.

    Reference:
      LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document
      recognition, appendix A. Cireşan et al. (2010) write the slope as 0.6666.

    >>> import jax.numpy as jnp
    >>> [round(float(y), 3) for y in scaled_tanh(jnp.array([-1.0, 0.0, 1.0]))]
    [-1.0, 0.0, 1.0]
    """
    return 1.7159 * jnp.tanh(x * (2 / 3))
