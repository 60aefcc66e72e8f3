"""Layers that look through a window: shared, unshared and sparsely connected."""

import math

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnnjax import ops
from cnnjax.nn.initialisers import he_normal, zeros
from cnnjax.nn.layer import Geometry, Initialiser, Layer, check_features, positions
from cnnjax.ops.windows import Padding, PerAxis, per_axis


class Conv(Layer):
    """Cross-correlation with a kernel shared by all positions, plus a bias per output channel.

    Attributes:
      features: Output channels, ≥ 1.
      window: Kernel size, one integer or one per axis.
      stride: Distance between windows.
      padding: As in `ops.cross_correlate`.
      dilation: Distance between the kernel's taps.
      groups: Output channels of one group see the input channels of that group only.
      use_bias: Whether a bias is added.
      kernel_init: Initialiser of the kernel (*window, inputs / groups, features).
      bias_init: Initialiser of the bias (features,).
    """

    features: int
    window: PerAxis
    stride: PerAxis = 1
    padding: Padding = "VALID"
    dilation: PerAxis = 1
    groups: int = 1
    use_bias: bool = True
    kernel_init: Initialiser = he_normal
    bias_init: Initialiser = zeros

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out features"]:
        """Applies the layer."""
        # Before the kernel is drawn, which would fail without a word of what is wrong.
        check_features(self.features)
        if self.groups < 1 or x.shape[-1] % self.groups:
            raise ValueError(
                f"groups={self.groups}: expected a divisor of the {x.shape[-1]} input channels"
            )
        window = per_axis("window", self.window, x.ndim - 2)
        shape = (*window, x.shape[-1] // self.groups, self.features)
        y = ops.cross_correlate(
            jnp.asarray(x),
            self.param("kernel", self.kernel_init, shape),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        if self.use_bias:
            y = y + self.param("bias", self.bias_init, (self.features,))
        return y

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """The kernel's size, at every output position."""
        taps = math.prod(per_axis("window", self.window, len(input_shape) - 1))
        return positions(output_shape) * taps * input_shape[-1] // self.groups * output_shape[-1]

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, self.stride, self.dilation, self.padding


class LocallyConnected(Layer):
    """Windows as in a convolution, but every position has weights and biases of its own.

    Attributes:
      features: Output channels, ≥ 1.
      window: Window size, one integer or one per axis.
      stride: Distance between windows.
      padding: As in `ops.locally_connected`.
      use_bias: Whether a bias is added, one per position and channel.
      kernel_init: Initialiser; it is shown (window · inputs, positions · features), so that its
        fan-in is that of one unit.
      bias_init: Initialiser of the bias (*out, features).
    """

    features: int
    window: PerAxis
    stride: PerAxis = 1
    padding: Padding = "VALID"
    use_bias: bool = True
    kernel_init: Initialiser = he_normal
    bias_init: Initialiser = zeros

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out features"]:
        """Applies the layer."""
        check_features(self.features)
        axes = x.ndim - 2
        window, stride = (
            per_axis("window", self.window, axes),
            per_axis("stride", self.stride, axes),
        )
        pairs = ops.explicit_padding(
            x.shape[1:-1], window, stride=stride, dilation=1, padding=self.padding
        )
        sizes = zip(x.shape[1:-1], window, stride, pairs, strict=True)
        out = tuple(ops.output_size(i, k, stride=s, padding=(p,)) for i, k, s, p in sizes)
        inputs = math.prod(window) * x.shape[-1]

        def initialise(key: Array, shape: tuple[int, ...]) -> Array:
            flat = self.kernel_init(key, (inputs, math.prod(out) * self.features))
            return jnp.moveaxis(flat.reshape(inputs, *out, self.features), 0, -2)

        y = ops.locally_connected(
            jnp.asarray(x),
            self.param("kernel", initialise, (*out, inputs, self.features)),
            window=self.window,
            stride=self.stride,
            padding=self.padding,
        )
        if self.use_bias:
            y = y + self.param("bias", self.bias_init, (*out, self.features))
        return y

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """As for a convolution: sharing saves parameters, not work."""
        taps = math.prod(per_axis("window", self.window, len(input_shape) - 1))
        return positions(output_shape) * taps * input_shape[-1] * output_shape[-1]

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, self.stride, 1, self.padding


class SparseConv(Layer):
    """A convolution in which each output map sees only some of the input maps.

    The parameters are those of the connections that exist: (*window, connections), in the order of
    the table.

    Attributes:
      table: For each output map, the input maps it is connected to.
      window: Kernel size, one integer or one per axis.
      kernel_init: Initialiser; it is shown (*window, n, maps) for all the output maps that see n
        input maps, so that its fan-in is that of a unit.
      bias_init: Initialiser of the bias (outputs,).

    Reference:
      LeCun, Bottou, Bengio, Haffner (1998), table I.
    """

    table: tuple[tuple[int, ...], ...]
    window: PerAxis
    kernel_init: Initialiser = he_normal
    bias_init: Initialiser = zeros

    @linen.compact
    def __call__(
        self, x: Float[Array | np.ndarray, "batch *space channels"]
    ) -> Float[Array, "batch *out features"]:
        """Applies the layer."""
        window = per_axis("window", self.window, x.ndim - 2)
        sizes = np.array([len(maps) for maps in self.table])
        if not sizes.size or not sizes.all():
            raise ValueError(f"table={self.table}: expected an input map for each output map")

        def initialise(key: Array, shape: tuple[int, ...]) -> Array:
            # Maps with equally many inputs are drawn together, then all are put in table order.
            targets = np.repeat(np.arange(len(sizes)), sizes)
            drawn, places = [], []
            for i, size in enumerate(np.unique(sizes)):
                maps = np.flatnonzero(sizes == size)
                part = self.kernel_init(jax.random.fold_in(key, i), (*window, int(size), len(maps)))
                drawn.append(jnp.moveaxis(part, -1, -2).reshape(*window, -1))
                places.append(np.flatnonzero(np.isin(targets, maps)))
            return jnp.concatenate(drawn, -1)[..., np.argsort(np.concatenate(places))]

        kernel = self.param("kernel", initialise, (*window, int(sizes.sum())))
        y = ops.sparse_cross_correlate(jnp.asarray(x), kernel, self.table)
        return y + self.param("bias", self.bias_init, (len(self.table),))

    def multiply_accumulates(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> int:
        """Only the connections that exist."""
        taps = math.prod(per_axis("window", self.window, len(input_shape) - 1))
        return positions(output_shape) * taps * sum(len(maps) for maps in self.table)

    def window_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The layer's own window."""
        return self.window, 1, 1, "VALID"
