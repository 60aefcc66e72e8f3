"""What every layer says about itself, so that a table of costs can be read off a network."""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as linen
import numpy as np

from cnnjax.ops.windows import Padding, PerAxis

Initialiser = Callable[..., Any]
"""(key, shape, dtype) -> array."""

Geometry = tuple[PerAxis, PerAxis, PerAxis, Padding]
"""(window, stride, dilation, padding), each as `cnnjax.ops` takes it."""


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

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The window through which an output position sees the input.

        Args:
          input_shape: (*space, channels) of the input.

        Returns:
          Its size, stride, dilation and padding.
        """
        return 1, 1, 1, "VALID"


def check_features(features: int) -> None:
    """Refuses a number of outputs for which no kernel can be drawn, or only an empty one.

    Args:
      features: What a layer was given.

    Raises:
      ValueError: It is no integer ≥ 1.
    """
    if not isinstance(features, int | np.integer) or features < 1:
        raise ValueError(f"features={features!r}: expected an integer ≥ 1")


def positions(shape: tuple[int, ...]) -> int:
    """The number of spatial positions of (*space, channels)."""
    return math.prod(shape[:-1])
