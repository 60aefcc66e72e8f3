"""What every layer says about itself, so that a table of costs can be read off a network."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as linen

Initialiser = Callable[..., Any]
"""(key, shape, dtype) -> array."""

Size = int | Sequence[int]
"""One integer for every spatial axis, or one per axis."""

Padding = str | int | Sequence[tuple[int, int]]
"""As in `cnnjax.ops`: "VALID", "SAME", "CIRCULAR", "REFLECT", an int or (low, high) per axis."""


class Layer(linen.Module):
    """A module that knows its multiply–accumulates and what each output position sees.

    Shapes are those of one example, (*space, channels). The defaults describe a layer that treats
    every position by itself and weights nothing.
    """

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """The multiply–accumulates of one example: weights × the positions they are used at.

        Args:
          input_shape: (*space, channels) of the input.
          output_shape: (*space, channels) of the output.

        Returns:
          A count; additions of biases and comparisons are not in it.
        """
        return 0

    def window_geometry(self, input_shape: tuple[int, ...]) -> tuple[Size, Size, Size, Padding]:
        """The window through which an output position sees the input.

        Args:
          input_shape: (*space, channels) of the input.

        Returns:
          (window, stride, dilation, padding), each as `cnnjax.ops` takes it.
        """
        return 1, 1, 1, "VALID"


def per_axis(value: Size, axes: int) -> tuple[int, ...]:
    """One integer per axis.

    Args:
      value: An int, or one per axis.
      axes: The number of spatial axes.

    Returns:
      `axes` integers.

    Raises:
      ValueError: A sequence of another length.

    >>> per_axis(3, 2)
    (3, 3)
    """
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise ValueError(f"window={tuple(value)}: expected an integer or {axes} of them")
    return tuple(value)


def positions(shape: tuple[int, ...]) -> int:
    """The number of spatial positions of (*space, channels)."""
    return math.prod(shape[:-1])
