"""How parameters start. Every initialiser is a function (key, shape, dtype) -> array.

The fan-in of a kernel is the product of all its axes but the last; where that is 0, initialisers
that go by it raise ValueError. Initialisers without a parameter
are plain functions, and those with one are remembered, so that two modules built alike compare
equal and a jitted function that takes one compiles once. Numbers are drawn as a flat vector: they
are the same as those of an array of more axes, and XLA compiles the drawing about three times as
fast, which is most of what starting a small network costs.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnnjax.nn.layer import Initialiser


def zeros(key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """All zero, for biases.

    Args:
      key: Not used; taken so that all initialisers are called alike.
      shape: Of the parameter.
      dtype: Its type.

    Returns:
      An array of that shape.
    """
    return jnp.zeros(tuple(shape), dtype)


def he_normal(key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """Truncated normal of variance 2 / fan-in: keeps the scale of signals through ReLU layers.

    Args:
      key: Random key.
      shape: Of the kernel, (*inputs, outputs).
      dtype: Its type, a float.

    Returns:
      An array of that shape, cut off at two standard deviations of the normal before the cut.

    Reference:
      He, Zhang, Ren, Sun (2015), Delving deep into rectifiers.
    """
    return _normal(key, shape, dtype, 2.0)


def lecun_normal(key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> Float[Array, "..."]:
    """Truncated normal of variance 1 / fan-in: keeps the scale of signals through linear layers.

    Args:
      key: Random key.
      shape: Of the kernel, (*inputs, outputs).
      dtype: Its type, a float.

    Returns:
      An array of that shape, cut off at two standard deviations of the normal before the cut.

    Reference:
      LeCun, Bottou, Orr, Müller (1998), Efficient backprop.
    """
    return _normal(key, shape, dtype, 1.0)


def inverse_root_uniform(
    key: Any, shape: Sequence[int], dtype: Any = jnp.float32
) -> Float[Array, "..."]:
    """Uniform on ±1/√fan-in, which is what torch gives its layers' kernels.

    Args:
      key: Random key.
      shape: Of the kernel, (*inputs, outputs).
      dtype: Its type, a float.

    Returns:
      An array of that shape, all within the bound.
    """
    return symmetric_uniform(_fan_in(shape) ** -0.5)(key, shape, dtype)


@functools.cache
def symmetric_uniform(bound: float) -> Initialiser:
    """Uniform on [−bound, bound).

    Args:
      bound: Half the width of the distribution, > 0.

    Returns:
      An initialiser; the same object for the same bound.

    Raises:
      ValueError: `bound` is not positive.

    >>> symmetric_uniform(0.05) is symmetric_uniform(0.05)
    True
    """
    if not bound > 0:
        raise ValueError(f"bound={bound}: expected a number > 0")

    def initialise(key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        flat = jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound)
        return flat.reshape(tuple(shape))

    return initialise


@functools.cache
def inverse_uniform(scale: float) -> Initialiser:
    """Uniform on ±scale / fan-in.

    Args:
      scale: > 0.

    Returns:
      An initialiser; the same object for the same scale.

    Reference:
      LeCun, Bottou, Bengio, Haffner (1998), appendix A, with a scale of 2.4.
    """

    def initialise(key: Any, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        return symmetric_uniform(scale / _fan_in(shape))(key, shape, dtype)

    return initialise


# The standard deviation of a standard normal that is cut off at ±2.
_CUT = 0.87962566103423978


def _normal(key: Any, shape: Sequence[int], dtype: Any, variance: float) -> Array:
    flat = jax.random.truncated_normal(key, -2.0, 2.0, (math.prod(shape),), dtype)
    return (flat * (math.sqrt(variance / _fan_in(shape)) / _CUT)).reshape(tuple(shape))


def _fan_in(shape: Sequence[int]) -> int:
    inputs = math.prod(shape[:-1])
    if not inputs:
        raise ValueError(f"kernel of shape {tuple(shape)}: expected at least one input")
    return inputs
