"""Layers that summarise a neighbourhood."""

import math

import flax.linen as linen
import jax.numpy as jnp
import numpy as np
from jax.nn import initializers
from jaxtyping import Array, Float

from cnnjax import ops
from cnnjax.nn.initialisers import zeros
from cnnjax.nn.layer import Geometry, Initialiser, Layer
from cnnjax.ops.windows import Padding, PerAxis, per_axis


class MaxPool(Layer):
    """The largest value of each window, channel by channel.

    Attributes:
      window: Window size, one integer or one per axis.
      stride: Distance between windows; None is the window.
      padding: As in `ops.max_pool`.
    """

    window: PerAxis
    stride: PerAxis | None = None
    padding: Padding = "VALID"

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out channels"]:
        """Applies the layer."""
        return ops.max_pool(jnp.asarray(x), self.window, stride=self.stride, padding=self.padding)

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, self.window if self.stride is None else self.stride, 1, self.padding


class AveragePool(Layer):
    """The mean of each window, channel by channel.

    Attributes:
      window: Window size, one integer or one per axis.
      stride: Distance between windows; None is the window.
      padding: As in `ops.average_pool`.
    """

    window: PerAxis
    stride: PerAxis | None = None
    padding: Padding = "VALID"

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out channels"]:
        """Applies the layer."""
        return ops.average_pool(
            jnp.asarray(x), self.window, stride=self.stride, padding=self.padding
        )

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, self.window if self.stride is None else self.stride, 1, self.padding


class BlurPool(Layer):
    """A binomial low-pass filter before subsampling, so that little is aliased.

    Attributes:
      window: Filter size.
      stride: Subsampling factor.
      padding: As in `ops.blur_pool`.

    Reference:
      Zhang (2019), Making convolutional networks shift-invariant again.
    """

    window: PerAxis = 3
    stride: PerAxis = 2
    padding: Padding = "REFLECT"

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out channels"]:
        """Applies the layer."""
        return ops.blur_pool(jnp.asarray(x), self.window, stride=self.stride, padding=self.padding)

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """The fixed filter's taps, at every output."""
        taps = math.prod(per_axis("window", self.window, len(input_shape) - 1))
        return taps * math.prod(output_shape)

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, self.stride, 1, self.padding


class GlobalAveragePool(Layer):
    """The mean of each channel over all positions, (batch, channels)."""

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch channels"]:
        """Applies the layer."""
        return ops.global_average_pool(jnp.asarray(x))

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The whole map."""
        return input_shape[:-1], 1, 1, "VALID"


class Subsample(Layer):
    """LeNet-5's pooling: coefficient · (sum of the window) + bias, both trained, one per map.

    Attributes:
      window: Window size and stride, one integer or one per axis.
      coefficient_init: Initialiser of the coefficients (channels,); by default 1/4, the average of
        a 2×2 window.
      bias_init: Initialiser of the biases (channels,).

    Reference:
      LeCun, Bottou, Bengio, Haffner (1998), section II.B.
    """

    window: PerAxis = 2
    coefficient_init: Initialiser = initializers.constant(0.25)
    bias_init: Initialiser = zeros

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out channels"]:
        """Applies the layer."""
        coefficient = self.param("coefficient", self.coefficient_init, (x.shape[-1],))
        bias = self.param("bias", self.bias_init, (x.shape[-1],))
        return ops.subsample(jnp.asarray(x), coefficient, bias, window=self.window)

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """One for every connection, as the reference counts, though a map shares its weight."""
        return math.prod(per_axis("window", self.window, len(input_shape) - 1)) * math.prod(
            output_shape
        )

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, self.window, 1, "VALID"
