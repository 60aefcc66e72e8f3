"""Test sets in equal batches, so that one compiled body serves all of them, padding included."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Shaped


def size(examples: int, batch_size: int) -> tuple[int, int]:
    """(number of batches, their size): no larger than `batch_size`, as equal as they can be.

    Args:
      examples: How many there are, ≥ 1.
      batch_size: The largest batch, ≥ 1.

    Returns:
      ⌈examples / batch_size⌉ batches, and the size of each: together they hold all examples, and
      fewer places are left over than there are batches.

    Raises:
      ValueError: There are no examples, or the batch size is not positive.

    >>> size(10_000, 512)
    (20, 500)
    """
    if examples < 1:
        raise ValueError(f"examples={examples}: expected an integer ≥ 1")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: expected an integer ≥ 1")
    batches = math.ceil(examples / batch_size)
    return batches, math.ceil(examples / batches)


def split(
    values: Shaped[Array | np.ndarray, "examples *shape"], batch_size: int
) -> Shaped[Array, "batches batch *shape"]:
    """Cuts an array into equal batches; the end of the last one is filled with zeros.

    Args:
      values: Any array, the examples along its first axis.
      batch_size: The largest batch, ≥ 1.

    Returns:
      (batches, batch, *shape), in the same order; `real` says which places hold an example.

    Raises:
      ValueError: There are no examples, or the batch size is not positive.

    >>> split(np.array([1, 2, 3]), 2).tolist()
    [[1, 2], [3, 0]]
    """
    batches, each = size(values.shape[0], batch_size)
    padding = [(0, batches * each - values.shape[0])] + [(0, 0)] * (values.ndim - 1)
    return jnp.pad(jnp.asarray(values), padding).reshape(batches, each, *values.shape[1:])


def real(examples: int, batch_size: int) -> Bool[np.ndarray, "batches batch"]:
    """Which places of the batches hold an example and not padding.

    Args:
      examples: How many there are, ≥ 1.
      batch_size: As for `split`.

    Returns:
      A mask of the shape of the batches.

    Raises:
      ValueError: There are no examples, or the batch size is not positive.

    >>> real(3, 2).tolist()
    [[True, True], [True, False]]
    """
    batches, each = size(examples, batch_size)
    return (np.arange(batches * each) < examples).reshape(batches, each)
