"""Channels in groups that do not meet, for the CPU's sake.

The CPU's own convolution in groups takes several times as long as the groups would one after the
other, and its gradient tens of times. So groups are taken in turn, each an ordinary convolution;
and where every channel is a group by itself, a product for each weight of the window, added up, is
faster still: channels lie side by side and fill the vector units.
"""

import itertools
import math
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from cnnjax.ops.windows import Pairs

# A larger window would be a program of as many products.
_MOST_WEIGHTS = 49


def in_turn(groups: int) -> bool:
    """Whether groups are best taken one after the other."""
    return groups > 1 and jax.default_backend() == "cpu"


def each_by_itself(groups: int, channels: int, features: int, window: tuple[int, ...]) -> bool:
    """Whether every channel is a group with one feature, and best multiplied weight by weight."""
    alone = groups == channels == features
    return in_turn(groups) and alone and math.prod(window) <= _MOST_WEIGHTS


def group_by_group(
    function: Callable[[Array, Array], Array], groups: int, one: Array, other: Array
) -> Array:
    """Applies a function of two arrays to each group's part of their last axes, and joins these."""

    def split(array: Array) -> Array:
        cut = array.reshape(*array.shape[:-1], groups, array.shape[-1] // groups)
        return jnp.moveaxis(cut, -2, 0)

    parts = lax.map(lambda pair: function(*pair), (split(one), split(other)))
    joined = jnp.moveaxis(parts, 0, -2)
    return joined.reshape(*joined.shape[:-2], groups * joined.shape[-1])


def seen_by_weights(
    x: Array,
    window: tuple[int, ...],
    out: tuple[int, ...],
    stride: tuple[int, ...],
    padding: Pairs,
    input_dilation: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Iterator[Array]:
    """Yields, for each weight of a window in reading order, the pixel it meets for each output.

    Args:
      x: (batch, *space, channels).
      window: The window's pixels along each axis.
      out: The outputs along each axis.
      stride: Pixels between neighbouring outputs.
      padding: Zeros at the two ends of each axis; a negative number cuts pixels off.
      input_dilation: e − 1 zeros stand between neighbouring pixels of the input.
      dilation: Pixels between neighbouring pixels of the window.
    """
    spread = [
        (low, high, zeros - 1) for (low, high), zeros in zip(padding, input_dilation, strict=True)
    ]
    wide = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *spread, (0, 0, 0)])
    for weight in itertools.product(*map(range, window)):
        starts = [index * step for index, step in zip(weight, dilation, strict=True)]
        ends = [
            start + (count - 1) * step + 1
            for start, count, step in zip(starts, out, stride, strict=True)
        ]
        batch, channels = x.shape[0], x.shape[-1]
        yield lax.slice(wide, (0, *starts, 0), (batch, *ends, channels), (1, *stride, 1))
