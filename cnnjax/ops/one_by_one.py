"""A batch as a loop over its examples, for what the CPU has fast code for one example only."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array


def one_by_one(function: Callable[..., Array]) -> Callable[..., Array]:
    """Gives the same function of one example, such that a vmap over it takes one after another.

    A convolution with a kernel of each image's own is such a function. Other backends get the whole
    batch.

    Args:
      function: Of arrays.

    Returns:
      The function, of the same arguments.

    >>> import jax, jax.numpy as jnp
    >>> weighted = one_by_one(lambda x, weights: jnp.convolve(x, weights))
    >>> jax.vmap(weighted)(jnp.eye(2), jnp.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0, 0.0], [0.0, 3.0, 4.0]]
    """
    custom = custom_vmap(function)

    @custom.def_vmap
    def rule(
        count: int, mapped: Sequence[bool], *arguments: Array | np.ndarray
    ) -> tuple[Array, bool]:
        def example(*some: Array) -> Array:
            given = iter(some)
            pairs = zip(arguments, mapped, strict=True)
            return function(*(next(given) if is_mapped else each for each, is_mapped in pairs))

        pairs = zip(arguments, mapped, strict=True)
        several = [jnp.asarray(each) for each, is_mapped in pairs if is_mapped]
        if jax.default_backend() != "cpu":
            return jax.vmap(example)(*several), True
        return jax.lax.map(lambda each: example(*each), several), True

    # A rule for vmap cannot be differentiated backwards, hence the derivative is told to use the
    # function as it is.
    differentiable = jax.custom_jvp(custom)
    differentiable.defjvp(lambda primals, tangents: jax.jvp(function, primals, tangents))
    # jax does not accept numpy's arrays there that a jitted function closes over; the compiler
    # leaves the copies out.
    return lambda *arguments: differentiable(*map(jnp.array, arguments))
