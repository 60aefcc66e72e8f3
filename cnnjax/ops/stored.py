"""A value that is stored before it is read, for the CPU's sake."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Num


@jax.custom_jvp
def stored(x: Num[Array | np.ndarray, "*shape"]) -> Num[Array, "*shape"]:
    """Gives x, such that whatever reads it does not compute it anew.

    The CPU's compiler fuses what makes a value with what reads it: an image that is read between
    its pixels and then shuffled, or laid over others, would be read again for every value of the
    result, at up to two and a half times the cost. `jax.lax.optimization_barrier` does not hinder
    it there, a branch that it cannot foresee does. Other backends judge better.

    Args:
      x: Floats or bytes; other whole numbers are left to the compiler.

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
    return x if jax.default_backend() != "cpu" or x.size == 0 else _through_a_branch(x)


@jax.jit  # a branch would be compiled anew for each call that is not compiled itself
def _through_a_branch(x: Array) -> Array:
    first = x.ravel()[0]
    # It is x, told such that the compiler does not see it.
    if x.dtype == np.uint8:
        return jax.lax.cond(first.astype(jnp.int32) < 256, lambda x: x, lambda x: ~x, x)
    if jnp.issubdtype(x.dtype, jnp.floating):
        return jax.lax.cond(first == first, lambda x: x, lambda x: jnp.where(x == x, x, jnp.nan), x)
    return x


@_stored.def_vmap
def _of_a_batch(count: int, mapped: Sequence[bool], x: Array | np.ndarray) -> tuple[Array, bool]:
    # One branch for the whole batch: a branch for each of its members would be none.
    return _stored(jnp.asarray(x)), True


def on_stored(function: Callable[..., Array]) -> Callable[..., Array]:
    """Gives the same function, such that its first argument is stored before it is read.

    As `function(stored(x), …)`, without the copy that x takes on its way through the branch: the
    branch holds the function.

    Args:
      function: Of arrays, the first of floats.

    Returns:
      The function, of the same arguments.

    >>> import jax.numpy as jnp
    >>> on_stored(lambda x, y: x + y)(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])).tolist()
    [4.0, 6.0]
    """

    @custom_vmap
    def run(x: Array | np.ndarray, *more: Array | np.ndarray) -> Array:
        if jax.default_backend() != "cpu" or x.size == 0:
            return function(x, *more)
        first, result = x.ravel()[0], jax.eval_shape(function, x, *more)
        # True, told such that the compiler does not see it.
        always = (first == first) | (first != first)
        never = lambda *_: jnp.zeros(result.shape, result.dtype)  # noqa: E731
        return jax.lax.cond(always, function, never, x, *more)

    @run.def_vmap
    def rule(
        count: int, mapped: Sequence[bool], *arguments: Array | np.ndarray
    ) -> tuple[Array, bool]:
        axes = tuple(0 if is_mapped else None for is_mapped in mapped)
        return on_stored(jax.vmap(function, axes))(*arguments), True

    # A rule for vmap cannot be differentiated backwards.
    differentiable = jax.custom_jvp(run)
    differentiable.defjvp(lambda primals, tangents: jax.jvp(function, primals, tangents))
    return lambda *arguments: differentiable(*map(jnp.asarray, arguments))
