"""A value that is stored before it is read, for the CPU's sake."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float


@jax.custom_jvp
def stored(x: Float[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Gives x, such that whatever reads it does not compute it anew.

    The CPU's compiler fuses what makes a value with what reads it: an image that is read between
    its pixels and then shuffled, or laid over others, would be read again for every value of the
    result, at up to two and a half times the cost. `jax.lax.optimization_barrier` does not hinder
    it there, a branch that it cannot foresee does. Other backends judge better.

    Args:
      x: Any floats; whole numbers, which no operation computes with, are left to the compiler.

    Returns:
      x.

    >>> import jax.numpy as jnp
    >>> stored(jnp.array([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _stored(x)


stored.defjvp(lambda primals, tangents: (stored(*primals), *tangents))


@custom_vmap
def _stored(x: Array | np.ndarray) -> Array:
    x = jnp.asarray(x)
    if jax.default_backend() != "cpu" or x.size == 0 or not jnp.issubdtype(x.dtype, jnp.floating):
        return x
    first = x.ravel()[0]
    # Either way it is x, told such that the compiler does not see it.
    return jax.lax.cond(first == first, lambda x: x, lambda x: jnp.where(x == x, x, jnp.nan), x)


@_stored.def_vmap
def _of_a_batch(count: int, mapped: Sequence[bool], x: Array | np.ndarray) -> tuple[Array, bool]:
    # One branch for the whole batch: a branch for each of its members would be none.
    return _stored(jnp.asarray(x)), True
